"""What a file is, told by its first bytes and never by its name.

Layer: images. Pure functions on bytes.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from limner.errors import DataError

Kind: TypeAlias = Literal["png", "jpeg", "bmp", "gif", "webp", "tiff", "npy", "npz"]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".npy", ".npz"})
"""Suffixes, in lower case, of the files Limner takes for pictures when it looks through a folder."""

HEAD = 512
"""How many first bytes `sniff` and `describe` want."""

_SIGNATURES: tuple[tuple[bytes, Kind], ...] = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"BM", "bmp"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
    (b"II+\x00", "tiff"),  # BigTIFF, both byte orders
    (b"MM\x00+", "tiff"),
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "npz"),
)

_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself (run `git lfs pull`)"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"8BPS", "a Photoshop document"),
    (b"\x00\x00\x00\x0cjP", "a JPEG 2000 picture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"v/1\x01", "an OpenEXR picture"),
)


def sniff(head: bytes) -> Kind | None:
    """The kind of picture that begins with `head`; None when it is none Limner reads.

    Example:
        >>> sniff(b"GIF89a...")
        'gif'
    """
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return None


def picture_suffix(head: bytes, where: str) -> str:
    """The usual suffix of the picture that begins with `head`.

    Args:
        head: Its first bytes.
        where: What to call it in messages.

    Raises:
        DataError: It is no picture that Limner reads.

    Example:
        >>> picture_suffix(b"GIF89a...", "here")
        '.gif'
    """
    kind = sniff(head)
    if kind is None:
        raise DataError(f"a picture in '{where}'", describe(head[:HEAD]), "Save it again, or remove it.")
    return {"jpeg": ".jpg", "tiff": ".tif"}.get(kind, f".{kind}")


def describe(head: bytes) -> str:
    """In words, what a file that is no picture seems to be.

    Example:
        >>> describe(b"<!DOCTYPE html><html>")
        'an HTML page, often an error page saved by a download'
    """
    if not head:
        return "empty: 0 bytes"
    if not head.strip(b"\0"):
        return "filled with zero bytes, as an unfinished copy leaves it"
    for signature, words in _FOREIGN:
        if head.startswith(signature):
            return words
    if head[128:132] == b"DICM":
        return "a DICOM file"
    if head[4:8] == b"ftyp":
        return "a HEIC, AVIF or video file"
    return _describe_text(head)


def _describe_text(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page, often an error page saved by a download"
    if start.startswith(b"<svg") or b"<svg" in start:
        return "an SVG drawing"
    if start.startswith(b"<?xml"):
        return "an XML document"
    if start.startswith((b"{", b"[")) and head.isascii():
        return "JSON text"
    if head.isascii() and b"\0" not in head:
        return "plain text"
    return "data of no format Limner knows"
