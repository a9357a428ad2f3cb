"""What was found in single files, kept on disk by their contents, so that a second check takes seconds.

Layer: data. Imports no torch.

One SQLite file in the user's cache folder. A key is made of the contents that an entry was computed
from, so entries are never stale; a store that cannot be used costs time, never a check.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np

_log = logging.getLogger(__name__)

FORMAT = 2
"""Raise it whenever what is computed from a file changes: older entries are then thrown away."""

_NAME = "check.sqlite"
_MOST_ENTRIES = 200_000  # of a few kilobytes each
_BATCH = 256  # entries that are written together
_FORGET = "DELETE FROM entries WHERE key IN (SELECT key FROM entries ORDER BY used DESC LIMIT -1 OFFSET ?)"
_WAIT = 10.0  # seconds for another process that writes


class Store:
    """Arrays by key, on disk. Safe to use from several threads and several processes.

    Args:
        folder: Folder of the cache, made if it is missing; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, bytes] = {}
        self._used: list[str] = []
        self._connection: sqlite3.Connection | None = None
        if folder is not None:
            with self._giving_up():
                folder.mkdir(parents=True, exist_ok=True)
                self._connection = _open(folder / _NAME)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """The arrays of a key; None where there are none."""
        with self._lock, self._giving_up():
            if self._connection is None:
                return None
            row = self._connection.execute("SELECT content FROM entries WHERE key = ?", (key,)).fetchone()
            if row is None:
                return None
            arrays = _unpack(row[0])
            self._used.append(key)
            return arrays
        return None

    def put(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays; they are written a batch at a time."""
        with self._lock:
            self._waiting[key] = _pack(arrays)
            if len(self._waiting) >= _BATCH:
                self._write()

    def close(self) -> None:
        """Write what is waiting, and throw away the entries that were not used for longest."""
        with self._lock:
            self._write()
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _write(self) -> None:
        with self._giving_up():
            if self._connection is not None:
                now = time.time()
                with self._connection:
                    rows = [(key, now, content) for key, content in self._waiting.items()]
                    self._connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", rows)
                    used = [(now, key) for key in self._used]
                    self._connection.executemany("UPDATE entries SET used = ? WHERE key = ?", used)
                    self._connection.execute(_FORGET, (_MOST_ENTRIES,))
        self._waiting.clear()
        self._used.clear()

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        """Go on without the store when it fails: a full disk, a damaged file, somebody who never unlocks it."""
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, KeyError) as error:
            _log.debug("The cache of checks is not used: %s", error)
            if self._connection is not None:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.close()
                self._connection = None


def _open(path: Path) -> sqlite3.Connection:
    connection = _connect(path)
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            with connection:
                connection.execute("DROP TABLE IF EXISTS entries")
                connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, used REAL, content BLOB)")
    except sqlite3.DatabaseError:
        connection.close()
        if not _is_damaged(path):
            raise
        path.unlink()
        return _open(path)
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=_WAIT, check_same_thread=False)


def _is_damaged(path: Path) -> bool:
    """Whether a file is no SQLite database, so that nothing is lost by beginning anew."""
    head = path.read_bytes()[:16]
    return bool(head) and not head.startswith(b"SQLite format 3\0")


def _pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    head = json.dumps([[name, str(array.dtype), array.shape] for name, array in arrays.items()]).encode()
    return b"".join([len(head).to_bytes(4, "big"), head, *(array.tobytes() for array in arrays.values())])


def _unpack(content: bytes) -> dict[str, np.ndarray]:
    start = 4 + int.from_bytes(content[:4], "big")
    arrays = {}
    for name, dtype, shape in json.loads(content[4:start]):
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(content, dtype, count, start).reshape(shape)
        arrays[name] = array
        start += array.nbytes
    return arrays
