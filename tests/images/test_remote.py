from __future__ import annotations

import pytest

from limner.errors import DataError, MissingExtra
from limner.images import read_image


def test_missing_object_is_named():
    with pytest.raises(DataError, match=r"memory://nowhere/a\.png"):
        read_image("memory://nowhere/a.png")


def test_unknown_scheme_is_named():
    with pytest.raises(DataError, match="nosuchscheme"):
        read_image("nosuchscheme://a.png")


def test_scheme_whose_package_is_missing_says_what_to_install():
    pytest.importorskip("fsspec")
    try:
        import s3fs  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtra, match="s3fs"):
            read_image("s3://bucket/a.png")
    else:
        pytest.skip("s3fs is installed here")
