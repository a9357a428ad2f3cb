from __future__ import annotations

import pytest

from limner.images import Location, member_location, page_location, parse_location


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data/a.png", Location("/data/a.png")),
        ("/data/a#1.png", Location("/data/a#1.png")),
        ("/data/a.tif#page=12", Location("/data/a.tif", page=12)),
        ("/data/a.tif#page=x", Location("/data/a.tif#page=x")),
        ("/data/#page=1/a.png", Location("/data/#page=1/a.png")),
        ("/data/a.npz#key=left eye", Location("/data/a.npz", key="left eye")),
        ("zip://a::b.png::/data/p.zip", Location("a::b.png", archive="/data/p.zip")),
        ("zip://a.png::s3://bucket/p.zip", Location("a.png", archive="s3://bucket/p.zip")),
        ("s3://bucket/a.png", Location("s3://bucket/a.png")),
        ("file:///data/a.png", Location("/data/a.png")),
    ],
)
def test_parse(text, expected):
    assert parse_location(text) == expected


def test_what_is_made_can_be_parsed():
    member = member_location("/data/p.zip", "sub/a.tif")

    assert parse_location(page_location(member, 3)) == Location("sub/a.tif", "/data/p.zip", page=3)
    assert parse_location(f"{member}#key=k") == Location("sub/a.tif", "/data/p.zip", key="k")
