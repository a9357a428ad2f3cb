from __future__ import annotations

import pytest

from limner.images.kinds import describe


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"%PDF-1.7", "a PDF document"),
        (b"\xef\xbb\xbf\n <HTML>", "an HTML page"),
        (b'<?xml version="1.0"?><svg xmlns=', "an SVG drawing"),
        (b"<?xml version='1.0'?><Error>NoSuchKey", "an XML document"),
        (b'{"message": "Not Found"}', "JSON text"),
        (b"id,mask\n1,2\n", "plain text"),
        (b"\1" * 344 + b"ni1\0", "half of a NIfTI pair"),
        (b"\0\0\0\x18ftypheic", "a HEIC, AVIF or video file"),
        (b"\x80\x04\x95\x10", "a Python pickle"),
        (b"\x01\x02\xfe\xff", "data of no format"),
    ],
)
def test_foreign_files_in_words(head, words):
    assert describe(head).startswith(words)
