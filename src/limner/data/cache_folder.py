"""The folder that caches lie in: locks, room on the disk, and what to throw away first.

Layer: data. Imports no torch.

    <key>/            a finished entry; its manifest's time of change is the time of last use
    <key>.building/   an entry that is being built, or what a killed process left of it
    <key>.lock        held shared by those who read the entry, exclusively by the one who builds or removes it

Locks are the operating system's (`flock`), so those of a killed process are gone with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
_BUILDING = ".building"
_OURS = re.compile(rf"[0-9a-f]{{32}}({re.escape(_BUILDING)})?")
# What is left for everybody else on a disk that the cache would fill.
_RESERVE = 256 * 2**20


class EntryLock:
    """The lock of one entry; released by `close`, or when the process ends.

    Args:
        folder: Folder of the cache; made if it is missing.
        key: Key of the entry.
    """

    _handle = -1

    def __init__(self, folder: Path, key: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{key}.lock"
        self._handle = self._open()

    def share(self) -> None:
        """Hold the lock together with other readers; wait while somebody builds."""
        self._acquire(fcntl.LOCK_SH)

    def own(self) -> None:
        """Hold the lock alone; wait for all others."""
        self._acquire(fcntl.LOCK_EX)

    def try_own(self) -> bool:
        """Hold the lock alone if nobody else holds it."""
        try:
            self._acquire(fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def discard(self) -> None:
        """Remove the lock's file while it is held alone, and release it."""
        self._path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Release the lock."""
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1

    def __del__(self) -> None:
        self.close()

    def _open(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    def _acquire(self, mode: int) -> None:
        while True:
            fcntl.flock(self._handle, mode)
            # Somebody may have discarded the file while this process waited: a lock on a file
            # that nobody else can find protects nothing.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self._handle), self._path.stat()):
                    return
            os.close(self._handle)
            self._handle = self._open()


def read_manifest(entry: Path) -> dict[str, Any] | None:
    """The manifest of an entry whose files are all there in full length; None of any other."""
    try:
        manifest: dict[str, Any] = json.loads((entry / MANIFEST).read_text(encoding="utf-8"))
        whole = all((entry / name).stat().st_size == size for name, size in manifest["files"].items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if whole else None


def building_path(folder: Path, key: str) -> Path:
    """Where an entry is built before it takes its place."""
    return folder / f"{key}{_BUILDING}"


def remove(path: Path) -> None:
    """Remove a folder with all it holds, if it is there."""
    shutil.rmtree(path, ignore_errors=True)


def make_room(folder: Path, key: str, needed: int, limit: int) -> bool:
    """Throw away least recently used entries until a new one fits.

    Entries that somebody reads or builds stay.

    Args:
        folder: Folder of the cache.
        key: Key of the new entry, whose lock the caller holds alone.
        needed: Bytes the new entry will take.
        limit: Most bytes that all entries together may take.

    Returns:
        Whether the new entry now fits, into the limit and onto the disk.
    """
    if needed > limit:
        return False
    remove(folder / key)
    remove(building_path(folder, key))
    others = [path for path in folder.iterdir() if _OURS.fullmatch(path.name) and path.is_dir()]
    # What a killed process left behind comes first, then by the time of last use.
    others.sort(key=lambda path: (not path.name.endswith(_BUILDING), _last_use(path)))
    total = sum(_bytes(path) for path in others)
    for path in others:
        fits = total + needed <= limit and shutil.disk_usage(folder).free >= needed + _RESERVE
        if fits and not path.name.endswith(_BUILDING):
            break
        size = _bytes(path)
        if _remove_unused(folder, path):
            total -= size
    return total + needed <= limit and shutil.disk_usage(folder).free >= needed + _RESERVE


def forget_files(folder: Path, limit: int) -> None:
    """Throw away least recently used files until the others take no more than `limit` bytes and leave room on the disk.

    The time of last use is the file's time of change; whoever reads one, sets it.
    """
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(OSError):  # removed by another process
            state = path.stat()
            found.append((state.st_mtime, state.st_size, path))
    total = sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= limit and shutil.disk_usage(folder).free >= _RESERVE:
            break
        path.unlink(missing_ok=True)
        total -= size


def _remove_unused(folder: Path, path: Path) -> bool:
    lock = EntryLock(folder, path.name.removesuffix(_BUILDING))
    try:
        if not lock.try_own():
            return False
        remove(path)
        lock.discard()
        return True
    finally:
        lock.close()


def _last_use(path: Path) -> float:
    try:
        return (path / MANIFEST).stat().st_mtime
    except OSError:
        return 0.0


def _bytes(path: Path) -> int:
    total = 0
    for file in path.rglob("*"):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total
