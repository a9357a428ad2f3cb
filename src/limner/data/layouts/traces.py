"""The layout `traces`: experts' traced copies beside their originals, or the masks made of them.

Layer: data. Traced copies are turned into masks once (`traces.kept`); what is read then are these:

    images/original/NAME.png          the picture
    images/INK/NAME.png               a binary mask, a folder for each ink; classes nest and overlap
    experts/EXPERT/INK/NAME.png       a further expert's masks of the same picture
    tracings.csv                      what each ink outlines
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.data.layouts.found import Found
from limner.data.layouts.listing import Listing, folder_of
from limner.data.layouts.options import Options, check_options
from limner.data.layouts.patients import patients
from limner.data.pairing import Pairing
from limner.data.stored_masks import join_planes, read_stored
from limner.data.traces.experts import is_traced_tree
from limner.data.traces.inks import DEFAULT_INKS, Ink, is_ink_name, parse_inks
from limner.errors import ConfigError, DataError, shorten
from limner.images import read_bytes, without_suffix
from limner.types import Progress, no_progress

_OPTIONS = ("inks", "gap", "originals", "experts", "unfinished")
_CHOICES = {"experts": ("all", "first"), "unfinished": ("skip", "stop")}
_ORIGINAL = ("original", "originals")
_TABLE = "tracings.csv"


def read_traces(listing: Listing, options: Options, progress: Progress = no_progress) -> Found | None:
    """Samples of traced copies, or of the masks made of them; None if it is neither.

    Args:
        listing: What lies at the place.
        options: `inks`: colours, or `colour=structure` (blue, green, red). `gap`: gaps up to this many
            pixels are closed (6). `originals`: where the untraced pictures lie, if elsewhere.
            `experts`: `all` tracings of a picture, as samples that stay together, or the `first`.
            `unfinished`: `skip` leaves pictures out whose tracing is open, or `stop`.
        progress: Told of the tracings that are read.

    Raises:
        ConfigError: An impossible option.
        DataError: Copies and originals do not pair, or no tracing is complete.
    """
    folders = _mask_folders(listing)
    if folders is not None:
        _check_options(options)
        return _read_masks(folders, _inks(folders, listing, options), options)
    if not is_traced_tree(listing.source, listing.pictures, originals=options.get("originals")):
        return None
    from limner.data.traces.kept import keep_converted  # takes a while, and hardly any data set is of tracings

    _check_options(options)
    kept = keep_converted(
        listing,
        inks=parse_inks(_texts(options)),
        gap=_gap(options),
        originals=options.get("originals"),
        progress=progress,
    )
    if kept.unfinished and _choice(options, "unfinished") == "stop":
        raise DataError(
            "every stroke closed, so that each picture has all masks",
            f"{len(kept.unfinished):,} tracings are not",
            f"Look at '{kept.folder}/sheets' and close the strokes, raise `gap`, or set `unfinished` to skip.",
            details=shorten(kept.unfinished),
        )
    masks = Listing.open(kept.folder)
    folders = _mask_folders(masks)
    if folders is None:
        raise DataError(
            "at least one picture with every structure traced",
            f"none in '{listing.source.place}'",
            f"Look at the sheets in '{kept.folder}'; check `inks`, or raise `gap`.",
            details=shorten(kept.unfinished),
        )
    found = _read_masks(folders, _inks(folders, masks, options), options)
    return replace(found, notes=(*kept.notes, *found.notes))


@dataclass(frozen=True)
class _MaskFolders:
    """Where originals and masks lie: folder → picture's name → location."""

    listing: Listing
    original: Mapping[str, str]
    masks: Mapping[str, Mapping[str, str]]
    experts: Mapping[str, Mapping[str, Mapping[str, str]]]


def _mask_folders(listing: Listing) -> _MaskFolders | None:
    """The folders of originals and of binary masks by ink; None if they are not all there."""
    held: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for name in listing.pictures:
        held[folder_of(name)][without_suffix(name.rpartition("/")[2])] = listing.source.location(name)
    places = [path for path in held if path.rpartition("/")[2].lower() in _ORIGINAL]
    if len(places) != 1:
        return None
    above = folder_of(places[0])
    beside = {path.rpartition("/")[2]: path for path in held if folder_of(path) == above and path != places[0]}
    # Any other folder beside them, and it is another kind of data set.
    if not beside or not all(is_ink_name(name) for name in beside):
        return None
    masks = {ink: held[path] for ink, path in beside.items()}
    if not all(_binary(next(iter(found.values()))) for found in masks.values()):
        return None
    root = folder_of(above) if above.rpartition("/")[2].lower() == "images" else above
    start = f"{root}/experts/" if root else "experts/"
    experts: defaultdict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for path, found in held.items():
        expert, _, ink = path.removeprefix(start).rpartition("/")
        if path.startswith(start) and ink in masks:
            experts[expert][ink] = found
    return _MaskFolders(listing, held[places[0]], masks, experts)


def _binary(location: str) -> bool:
    try:
        array = read_stored(location).array
    except DataError:
        return False
    return bool(np.unique(array).size <= 2)


def _inks(folders: _MaskFolders, listing: Listing, options: Options) -> tuple[Ink, ...]:
    """The inks that have a folder: as given, as the table says, or by the folders' names."""
    named = parse_inks(_texts(options)) if options.get("inks") is not None else _from_table(listing)
    inks = [ink for ink in named if ink.name in folders.masks]
    if not inks:
        default = [name for name in DEFAULT_INKS if name in folders.masks]
        names = [*default, *(name for name in folders.masks if name not in default)]
        inks = list(parse_inks([_color_text(name) for name in names]))
    if options.get("inks") is not None and len(inks) < len(named):
        missing = [ink.name for ink in named if ink not in inks]
        raise DataError(
            f"a folder of masks for each ink: {', '.join(ink.name for ink in named)}",
            f"none for {', '.join(missing)} in '{listing.source.place}'",
            "Correct `inks` in data.layout_options.",
        )
    return tuple(inks)


def _from_table(listing: Listing) -> tuple[Ink, ...]:
    """What the table that `limner traces` writes says of inks and structures."""
    tables = [name for name in listing.tables if name.rpartition("/")[2] == _TABLE]
    if len(tables) != 1:
        return ()
    from limner.data.traces.convert import inks_of_table

    pairs = inks_of_table(read_bytes(listing.source.location(tables[0])).decode("utf-8", errors="replace"))
    return parse_inks([f"{_color_text(ink)}={structure}" for ink, structure in pairs.items()]) if pairs else ()


def _read_masks(folders: _MaskFolders, inks: Sequence[Ink], options: Options) -> Found:
    """One sample for each tracing of a picture that has a mask for every ink."""
    tracings: dict[str, Mapping[str, Mapping[str, str]]] = {"": folders.masks}
    if _choice(options, "experts") == "all":
        tracings |= {expert: found for expert, found in folders.experts.items() if len(found) >= len(inks)}
    ids, images, targets, names = [], [], [], []
    for expert, masks in tracings.items():
        for name, location in folders.original.items():
            planes = [masks[ink.name].get(name, "") for ink in inks]
            if all(planes):
                ids.append(f"{name}_{expert}" if expert else name)
                images.append(location)
                targets.append(join_planes(planes))
                names.append(name)
    pairing = _pairing(folders, inks, names)
    groups, notes = _groups(names)
    catalog = Catalog(ids=ids, inputs={"image": images}, targets={"mask": targets}, groups=groups)
    return Found(catalog, pairing, "traces", tuple(notes), {"mask": _label_map(inks)})


def _pairing(folders: _MaskFolders, inks: Sequence[Ink], names: Sequence[str]) -> Pairing:
    used = set(names)
    masks = {name: None for ink in inks for name in folders.masks[ink.name]}
    return Pairing(
        pairs=[(name, name) for name in dict.fromkeys(names)],
        unmatched_images=[name for name in folders.original if name not in used],
        unmatched_masks=[name for name in masks if name not in folders.original],
        ambiguous=[],
        rule=f"a mask of the picture's name in each of {', '.join(ink.name for ink in inks)}",
    )


def _groups(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Patients by the pictures' names; else pictures that several experts traced, each a group of its own."""
    counts = Counter(names)
    several = sum(count > 1 for count in counts.values())
    notes = [f"Pictures that several experts traced, whose samples stay together: {several:,}."] if several else []
    people = patients(list(counts))
    if people:
        notes.append(f"Pictures of one patient stay together: {len(set(people.values())):,} patients, by their names.")
        return [people[name] for name in names], notes
    return [name if counts[name] > 1 else "" for name in names], notes


def _label_map(inks: Sequence[Ink]) -> LabelMap:
    return LabelMap(
        task="multilabel",
        names=tuple(ink.structure for ink in inks),
        colors=tuple(ink.color for ink in inks),
        encoding="planes",
        values=tuple((number,) for number in range(len(inks))),
        because="a binary mask for each ink; structures nest and overlap, so each is a plane of its own",
    )


def _color_text(name: str) -> str:
    return f"#{name}" if len(name) == 6 and all(letter in "0123456789abcdef" for letter in name) else name


def _texts(options: Options) -> list[str]:
    inks: Any = options.get("inks")
    if inks is None:
        return list(DEFAULT_INKS)
    if not isinstance(inks, list) or not all(isinstance(text, str) for text in inks):
        raise ConfigError("a list of inks, such as [blue=heart, green=lv]", f"{inks!r}", "Correct `inks`.")
    return inks


def _gap(options: Options) -> float:
    gap: Any = options.get("gap", 6.0)
    if not isinstance(gap, int | float) or not 0 <= gap <= 50:
        raise ConfigError("a gap of 0 to 50 pixels", f"{gap!r}", "Choose a smaller one: 6 is usual.")
    return float(gap)


def _check_options(options: Options) -> None:
    """Refuse what is impossible before much is read."""
    check_options(options, _OPTIONS, "traces")
    _gap(options)
    for name in _CHOICES:
        _choice(options, name)


def _choice(options: Options, name: str) -> str:
    choices = _CHOICES[name]
    value: Any = options.get(name, choices[0])
    if value not in choices:
        raise ConfigError(f"{name}: {' or '.join(choices)}", f"{value!r}", "Correct data.layout_options.")
    return str(value)
