"""URLs: whatever fsspec opens.

Layer: images. The only importer of fsspec, and only when a URL is met.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from limner.errors import DataError, LimnerError, MissingExtra, OutputError
from limner.images.shards import SCHEME, read_shard


def fetch(url: str) -> bytes:
    """All bytes behind a URL.

    Raises:
        DataError: Nothing is there, or it cannot be read.
        MissingExtra: The scheme needs a package that is not installed.
    """
    if url.startswith(SCHEME):
        return read_shard(url)
    with _explained(url):
        filesystem, path = _resolve(url)
        return bytes(filesystem.cat_file(path))


def open_url(url: str) -> io.IOBase:
    """A seekable stream over what a URL names; raises as `fetch`."""
    with _explained(url):
        filesystem, path = _resolve(url)
        return cast("io.IOBase", filesystem.open(path, "rb"))


def list_url(url: str) -> list[str]:
    """Names of all files below a URL, relative to it; raises as `fetch`, also when nothing is there."""
    with _explained(url):
        filesystem, root = _resolve(url)
        if not filesystem.exists(root):
            raise FileNotFoundError(2, "nothing is there")
        root = root.rstrip("/") + "/"
        return [path.removeprefix(root) for path in filesystem.find(root)]


def names_below(url: str) -> list[str]:
    """Names of all files below a URL, relative to it, as they are now; none where nothing is there.

    Raises:
        DataError: It cannot be listed.
        MissingExtra: As `fetch`.
    """
    with _explained(url):
        filesystem, root = _resolve(url)
        filesystem.invalidate_cache()
        root = root.rstrip("/") + "/"
        return [path.removeprefix(root) for path in filesystem.find(root.rstrip("/"))]


def exists_url(url: str) -> bool:
    """Whether a URL names a file that is there; raises as `names_below`."""
    with _explained(url):
        filesystem, path = _resolve(url)
        return bool(filesystem.exists(path))


def send_file(path: Path, url: str) -> None:
    """Put a file where a URL says, in place of what is there; object stores show it whole or not at all.

    Raises:
        OutputError: It cannot be written.
        MissingExtra: As `fetch`.
    """
    with _explained(url, writing=True):
        filesystem, there = _resolve(url)
        try:
            filesystem.put_file(str(path), there)
        except FileNotFoundError:
            # Stores with real folders; where names are all there is, asking first would cost a call per file.
            filesystem.makedirs(there.rpartition("/")[0], exist_ok=True)
            filesystem.put_file(str(path), there)


def remove_url(url: str) -> None:
    """Take away the file that a URL names, if there is one; raises as `send_file`."""
    with _explained(url, writing=True), contextlib.suppress(FileNotFoundError):
        filesystem, there = _resolve(url)
        filesystem.rm_file(there)


def _resolve(url: str) -> tuple[Any, str]:
    import fsspec.core

    filesystem, path = fsspec.core.url_to_fs(url)
    return filesystem, str(path)


@contextlib.contextmanager
def _explained(url: str, *, writing: bool = False) -> Iterator[None]:
    try:
        yield
    except LimnerError:
        raise
    except ImportError as error:
        raise MissingExtra(
            f"the package that opens '{url.partition('://')[0]}://' is installed",
            str(error),
            "Install what the line above names with pip.",
        ) from error
    except Exception as error:  # every backend raises errors of its own
        kind = OutputError if writing else DataError
        raise kind(
            f"the URL can be {'written' if writing else 'read'}",
            f"'{url}': {error or type(error).__name__}",
            "Check the address, the network and your access rights.",
        ) from error
