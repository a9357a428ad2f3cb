"""What was found in single files, kept on disk by their contents, so that a second look takes seconds.

Layer: data. Imports no torch.

One SQLite file in the user's cache folder. A key is made of everything that an entry was computed
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

FORMAT = 3
"""Raise it whenever what is computed from a file changes: older entries are then thrown away."""

_NAME = "check.sqlite"
_MOST_ENTRIES = 750_000  # of 1.8 kilobytes on average, five of them for a sample
_BATCH = 1024  # entries that are written together
_TOUCHED = 86_400.0  # seconds for which an entry that was used need not be marked as used again
_FORGET = "DELETE FROM entries WHERE key IN (SELECT key FROM entries ORDER BY used LIMIT ?)"
_WAIT = 10.0  # seconds for another process that writes
_TEMPORARY = ""  # SQLite's name for a database that only this connection sees, and that goes with it
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Store:
    """Arrays and texts by key, on disk. Safe to use from several threads and several processes.

    Args:
        folder: Folder of the cache, made if it is missing; None keeps nothing beyond this store's life.
    """

    def __init__(self, folder: Path | None) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, bytes] = {}
        self._used: list[str] = []
        self._connection: sqlite3.Connection | None = None
        self._path = None if folder is None else folder / _NAME
        with self._giving_up():
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            self._connection = _open(self._path)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """The arrays of a key; None where there are none."""
        content = self._find(key)
        with self._giving_up():
            return None if content is None else _unpack(content)
        return None

    def put(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep arrays; they are written a batch at a time."""
        self._keep(key, _pack(arrays))

    def get_text(self, key: str) -> str | None:
        """The text of a key; None where there is none."""
        content = self._find(key)
        with self._giving_up():
            return None if content is None else content.decode()
        return None

    def put_text(self, key: str, text: str) -> None:
        """Keep a text, as `put` keeps arrays."""
        self._keep(key, text.encode())

    def close(self) -> None:
        """Write what is waiting, and throw away the entries that were not used for longest."""
        with self._lock:
            self._write()
            with self._giving_up():
                if self._connection is not None and self._path is not None:
                    _forget(self._connection)
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _find(self, key: str) -> bytes | None:
        with self._lock, self._giving_up():
            if self._connection is None:
                return None
            if key in self._waiting:
                return self._waiting[key]
            row = self._connection.execute("SELECT content, used FROM entries WHERE key = ?", (key,)).fetchone()
            if row is None:
                return None
            if time.time() - row[1] > _TOUCHED:
                self._used.append(key)
            return bytes(row[0])
        return None

    def _keep(self, key: str, content: bytes) -> None:
        with self._lock:
            self._waiting[key] = content
            if len(self._waiting) >= _BATCH:
                self._write()

    def _write(self) -> None:
        with self._giving_up():
            if self._connection is not None:
                now = time.time()
                with self._connection:
                    rows = [(key, now, content) for key, content in self._waiting.items()]
                    self._connection.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", rows)
                    used = [(now, key) for key in self._used]
                    self._connection.executemany("UPDATE entries SET used = ? WHERE key = ?", used)
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
                if self._path is not None and getattr(error, "sqlite_errorcode", None) in _BROKEN:
                    with contextlib.suppress(OSError):
                        self._path.unlink()  # the next run begins anew


def _open(path: Path | None) -> sqlite3.Connection:
    connection = sqlite3.connect(path or _TEMPORARY, timeout=_WAIT, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        if connection.execute("PRAGMA user_version").fetchone()[0] != FORMAT:
            with connection:
                connection.execute("DROP TABLE IF EXISTS entries")
                connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, used REAL, content BLOB)")
        connection.execute("CREATE INDEX IF NOT EXISTS by_use ON entries (used)")
    except sqlite3.DatabaseError as error:
        connection.close()
        if path is None or error.sqlite_errorcode not in _BROKEN:
            raise
        path.unlink()
        return _open(path)
    return connection


def _forget(connection: sqlite3.Connection) -> None:
    count = connection.execute("SELECT count(*) FROM entries").fetchone()[0]
    if count > _MOST_ENTRIES:
        with connection:
            connection.execute(_FORGET, (count - _MOST_ENTRIES,))


def _pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    head = json.dumps([[name, str(array.dtype), array.shape] for name, array in arrays.items()]).encode()
    return b"".join([len(head).to_bytes(4, "big"), head, *(array.tobytes() for array in arrays.values())])


def _unpack(content: bytes) -> dict[str, np.ndarray]:
    start = 4 + int.from_bytes(content[:4], "big")
    arrays = {}
    for name, dtype, shape in json.loads(content[4:start]):
        array: np.ndarray = np.ndarray(shape, dtype, content, start)
        arrays[name] = array
        start += array.nbytes
    return arrays
