"""What a file is, told by its first bytes and never by its name.

Layer: images. Pure functions on bytes and names.
"""

from __future__ import annotations

import zlib
from typing import Literal, TypeAlias

from limner.errors import DataError

Kind: TypeAlias = Literal["png", "jpeg", "bmp", "gif", "webp", "tiff", "npy", "npz", "dicom", "nifti"]

NIFTI_SUFFIXES = frozenset({".nii", ".nii.gz"})
"""Suffixes, in lower case, of volumes in NIfTI."""

IMAGE_SUFFIXES = NIFTI_SUFFIXES | {
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".npy", ".npz", ".dcm",
}  # fmt: skip
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


def suffix_of(name: str) -> str:
    """The ending of a file's name in lower case; `.nii.gz` is one.

    Example:
        >>> suffix_of("a/brain.NII.gz"), suffix_of("x.tar.gz"), suffix_of("a.b/IM0001")
        ('.nii.gz', '.gz', '')
    """
    last = name.rpartition("/")[2].lower()
    if last.endswith(".nii.gz"):
        return ".nii.gz"
    stem, dot, ending = last.rpartition(".")
    return dot + ending if stem else ""


def without_suffix(name: str) -> str:
    """A name without its ending, with its folders.

    Example:
        >>> without_suffix("a/brain.nii.gz"), without_suffix("a/b.png"), without_suffix("IM0001")
        ('a/brain', 'a/b', 'IM0001')
    """
    return name[: len(name) - len(suffix_of(name))]


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
    if head[128:132] == b"DICM":
        return "dicom"
    return "nifti" if _is_nifti(head) else None


def _is_nifti(head: bytes) -> bool:
    """Whether a NIfTI-1 or NIfTI-2 header begins here, compressed or not."""
    if head.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, HEAD)
        except zlib.error:
            return False
    return head[344:348] == b"n+1\0" or head[4:12] == b"n+2\0\r\n\x1a\n"


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
    return {"jpeg": ".jpg", "tiff": ".tif", "dicom": ".dcm", "nifti": ".nii"}.get(kind, f".{kind}")


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
    if head[344:348] == b"ni1\0":
        return "half of a NIfTI pair (.hdr and .img), which Limner does not read"
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
