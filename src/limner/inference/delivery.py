"""Results on their way from the folder in which they are made to the place where they belong.

Layer: inference.

In a folder of this machine, results are made where they belong, and nothing here is needed. For an object store they
are made in a folder of this machine, and sent file by file; for a folder that many machines share, in a part of it that
is taken away in the end, so that a machine that dies leaves nothing behind.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from limner.errors import LimnerError
from limner.files import output_error, write_bytes
from limner.images import is_url, names_below, read_bytes, remove_url, send_file

_SEND_EVERY = 60.0
_SEND_SHARE = 20


@dataclass(frozen=True)
class Delivery:
    """From a folder to where its files belong.

    Attributes:
        made: The folder in which files are made.
        to: Where they belong, under the same names below it: a URL, or a folder on the same disk.
    """

    made: Path
    to: str

    def send(self, paths: Iterable[Path], *, keep: bool = False) -> None:
        """Bring files to where they belong, each whole or not at all, in place of what is there.

        Args:
            paths: Those that are not below `made` are left alone, as are missing ones.
            keep: Whether they also stay.

        Raises:
            OutputError: A file cannot be written; no further one is tried.
        """
        for path in paths:
            if not path.is_relative_to(self.made) or not path.exists():
                continue
            place = self.place(path)
            try:
                if isinstance(place, str):
                    send_file(path, place)
                    if not keep:
                        path.unlink()
                else:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    path.replace(place)
            except OSError as error:
                raise output_error(Path(place), error) from error

    def remove(self, paths: Iterable[Path]) -> None:
        """Take away what belongs in the places of files, where there is something.

        Raises:
            OutputError: One cannot be taken away.
        """
        for path in paths:
            place = self.place(path)
            try:
                if isinstance(place, str):
                    remove_url(place)
                else:
                    place.unlink(missing_ok=True)
            except OSError as error:
                raise output_error(Path(place), error) from error

    def place(self, path: Path) -> Path | str:
        """Where a file belongs; one that is not below `made` belongs where it is.

        Example:
            >>> Delivery(Path("/tmp/x"), "s3://bucket/masks").place(Path("/tmp/x/a/b.png"))
            's3://bucket/masks/a/b.png'
        """
        if not path.is_relative_to(self.made):
            return path
        name = path.relative_to(self.made)
        return f"{self.to}/{name.as_posix()}" if is_url(self.to) else Path(self.to) / name

    def presence(self) -> Callable[[Path], bool]:
        """Tells of a file whether something is where it belongs; a store is asked once, for all.

        Raises:
            DataError: The store cannot be listed.
        """
        if not is_url(self.to):
            return lambda path: Path(self.place(path)).exists()
        names = frozenset(names_below(self.to))
        return lambda path: (
            path.relative_to(self.made).as_posix() in names if path.is_relative_to(self.made) else path.exists()
        )

    def fetch(self, path: Path) -> None:
        """Make a file as it is where it belongs.

        Raises:
            DataError: It is not there.
        """
        write_bytes(path, read_bytes(str(self.place(path))))


@contextmanager
def delivery_to(out: str | Path | None) -> Iterator[Delivery | None]:
    """The delivery of results that belong in `out`, for as long as they are made; None where none is needed."""
    if out is None or not is_url(str(out)):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="limner-predict-") as made:
        yield Delivery(Path(made), str(out))


def normal_place(out: str | Path | None) -> str | Path | None:
    """A folder as a path, a store as a URL without a last slash.

    Example:
        >>> normal_place("s3://bucket/masks/"), str(normal_place("file:///data/masks"))
        ('s3://bucket/masks', '/data/masks')
    """
    if out is None:
        return None
    text = str(out).removeprefix("file://")
    return text.rstrip("/") if is_url(text) else Path(text)


class Copies:
    """Sends a growing file every now and then, so that a later call can go on with it.

    Args:
        delivery: Sends it.
        path: The file.
    """

    def __init__(self, delivery: Delivery | None, path: Path) -> None:
        self._delivery = delivery
        self._path = path
        self._next = time.monotonic() + _SEND_EVERY

    def offer(self) -> None:
        """Send it if that was long ago; a large file more rarely, so that sending takes a twentieth of the time.

        Raises:
            OutputError: See `Delivery.send`.
        """
        now = time.monotonic()
        if self._delivery is not None and now >= self._next:
            self.send()
            took = time.monotonic() - now
            self._next = now + max(_SEND_EVERY, _SEND_SHARE * took)

    def send(self) -> None:
        """Send it now; raises as `offer`."""
        if self._delivery is not None:
            self._delivery.send([self._path], keep=True)


@contextmanager
def copied(delivery: Delivery | None, path: Path) -> Iterator[Copies]:
    """Copies of a growing file; the last is sent in the end, whatever ended it."""
    copies = Copies(delivery, path)
    try:
        yield copies
    except BaseException:
        # What went wrong matters more than a copy that cannot be sent.
        with suppress(LimnerError):
            copies.send()
        raise
    copies.send()
