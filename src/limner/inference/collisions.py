"""Refusing, before anything is written, to lose a file.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from limner.errors import DataError, OutputError, shorten
from limner.images import is_url
from limner.inference.destinations import Destinations
from limner.inference.sources import Picture

Paths = Callable[[], Iterator[Path]]
"""Gives the results one after another: there may be millions, of which no list is made."""


def check_results(
    to: Destinations, results: Paths, pictures: Iterable[Picture], there: Callable[[Path], bool] | None
) -> None:
    """Refuse to lose a file.

    Args:
        to: Where they belong.
        results: Every file that would be written.
        pictures: Every file that is read.
        there: Tells of a result whether there is one; None where results may be replaced.

    Raises:
        DataError: Two results would be the same file.
        OutputError: A result would replace its picture, or without `replace` any other file.
    """
    twice = _twice(results)
    if twice:
        raise DataError(
            "each result has a file of its own",
            f"{len(twice)} files would be written twice",
            "Rename the pictures, or predict them separately.",
            details=shorten(twice),
        )
    replaced = _replaced(to, results, pictures)
    if replaced:
        raise OutputError(
            "results beside the pictures, not in their place",
            f"{len(replaced)} pictures would be replaced by their masks",
            "Choose another output folder.",
            details=shorten(replaced),
        )
    existing = [] if there is None else [str(to.belongs(path)) for path in results() if there(path)]
    if existing:
        raise OutputError(
            f"new names in '{to.folder}'",
            f"{len(existing)} results are already there",
            "Choose another place, repeat the call that wrote them with --resume added, or allow overwriting "
            "(--overwrite).",
            details=shorten(existing),
        )


def _twice(results: Paths) -> list[str]:
    # Of a million paths, hashes take a tenth of the room of texts; where two agree, the texts are compared.
    seen: set[int] = set()
    doubtful: set[int] = set()
    for path in results():
        code = hash(path)
        (doubtful if code in seen else seen).add(code)
    if not doubtful:
        return []
    counts: dict[str, int] = {}
    for path in results():
        if hash(path) in doubtful:
            counts[str(path)] = counts.get(str(path), 0) + 1
    return [path for path, count in counts.items() if count > 1]


def _replaced(to: Destinations, results: Paths, pictures: Iterable[Picture]) -> list[str]:
    locations = [picture.location for picture in pictures]
    if to.delivery is not None:
        urls = {location for location in locations if is_url(location)}
        return [str(place) for path in results() if (place := to.belongs(path)) in urls]
    sources = {Path(location).resolve() for location in locations if "://" not in location}
    # Where a folder really lies is asked once for all its files.
    folders: dict[Path, Path] = {}
    found = []
    for path in results():
        if path.parent not in folders:
            folders[path.parent] = path.parent.resolve()
        if folders[path.parent] / path.name in sources:
            found.append(str(path))
    return found
