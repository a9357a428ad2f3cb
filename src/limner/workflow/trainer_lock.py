"""One process trains a run at a time.

Layer: workflow.

    RUN/.training.lock   locked by the process that trains it; the lock of a killed process is gone with it
"""

from __future__ import annotations

import fcntl
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from limner.data.cache_folder import EntryLock
from limner.errors import OutputError
from limner.files import output_error
from limner.workflow.parts import PART_KINDS

_KEY = ".training"


@contextmanager
def training_alone(folder: Path) -> Iterator[None]:
    """Keep other processes from training a run while the block is run.

    On a file system without locks nothing is kept from anything.

    Args:
        folder: Run folder, which is there.

    Raises:
        OutputError: Another process trains the run, or one that it is a part of; or the folder cannot be written.
    """
    try:
        lock = EntryLock(folder, _KEY)
    except OSError as error:
        raise output_error(folder, error) from error
    try:
        alone = not is_trained_now(folder) and lock.try_own()
    except OSError:
        alone = True
    if not alone:
        lock.close()
        raise OutputError(
            f"a run that nothing else trains: '{folder}'",
            "a process that trains it",
            f"Wait for it, or stop it; then limner train --resume {shlex.quote(str(folder))} goes on.",
        )
    try:
        yield
    finally:
        lock.discard()


def is_trained_now(folder: Path) -> bool:
    """Whether a process trains the run of a folder, or one that it is a part of; as far as this machine can tell."""
    places = [folder.absolute()]
    while places[-1].parent.name in PART_KINDS:
        places.append(places[-1].parent.parent)
    return any(map(_is_locked, places))


def _is_locked(folder: Path) -> bool:
    try:
        with (folder / f"{_KEY}.lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # there is none, it cannot be read, or files have no locks here
        return False
    return False
