"""Who traced what: traced copies by expert, each with the untraced original it was made of.

Layer: data. Names of folders tell traced copies from originals, as in `Traced/SQ/Traced 4 chamber` and
`Traced/SQ/Untraced Copies`; files pair by name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from limner.data.pairing import Pairing, match_pairs
from limner.data.traces.chroma import to_ycc
from limner.errors import DataError, shorten
from limner.images import IMAGE_SUFFIXES, Source, read_image

# In this order, as "untraced" holds "traced", and "copies" may be either.
_WORDS = {
    "untraced": "untraced",
    "original": "untraced",
    "unmarked": "untraced",
    "traced": "traced",
    "tracing": "traced",
    "annotated": "traced",
    "copies": "untraced",
}
# A few pictures tell whether a folder's have ink on them: strokes are strongly coloured, and thin.
_LOOKS = 5
_COLORFUL = 40.0
_FEWEST, _MOST = 25, 0.25


@dataclass(frozen=True)
class Pair:
    """One traced copy.

    Attributes:
        name: What both files are called, without ending.
        traced: Location of the copy.
        untraced: Location of its original; `""` if there are no originals.
    """

    name: str
    traced: str
    untraced: str


@dataclass(frozen=True)
class Expert:
    """All that one person traced.

    Attributes:
        name: Of the folder that holds the person's folders; `""` where there is but one person.
        pairs: In natural order of the originals.
        untouched: Originals without a traced copy.
        rule: How names were paired, in words.
    """

    name: str
    pairs: tuple[Pair, ...]
    untouched: tuple[str, ...]
    rule: str


@dataclass(frozen=True)
class _Folder:
    source: Source
    path: str
    names: tuple[str, ...]

    def relative(self) -> list[str]:
        """Names of the files below this folder."""
        return [name.removeprefix(f"{self.path}/") if self.path else name for name in self.names]

    def location(self, relative: str) -> str:
        """Where a file lies."""
        return self.source.location(f"{self.path}/{relative}" if self.path else relative)

    @property
    def parent(self) -> str:
        """The folder that holds this one."""
        return self.path.rpartition("/")[0]


def find_experts(traced: str | Path, originals: str | Path | None = None) -> list[Expert]:
    """Traced copies by expert.

    Without `originals`, folders that are named for untraced copies are searched for beside the
    traced ones. If there is none, all pictures are taken for traced copies without originals.

    Args:
        traced: Folder or zip, with any sub-folders.
        originals: Folder or zip of the untraced originals of all experts; a relative path is looked
            for as it stands, then inside `traced`.

    Raises:
        DataError: Nothing is there, or some copies have no original of their name.
    """
    source = Source.open(traced)
    folders = _folders(source)
    marked = [folder for folder in folders if _kind(folder) == "traced"]
    plain = [folder for folder in folders if _kind(folder) == "untraced"]
    if originals is not None:
        return _with_originals(marked or [f for f in folders if f not in plain], _originals(traced, originals, plain))
    if not plain:
        return _without_originals(marked or folders)
    if not marked:
        raise DataError(
            "folders of traced copies beside those of originals",
            f"'{source.place}' holds only {', '.join(folder.path for folder in plain)}",
            "Give the folder of traced copies, and --originals with the folder of untraced ones.",
        )
    return [_pair(name, copies, [f for f in plain if f.parent == copies.parent]) for name, copies in _named(marked)]


def is_traced_tree(source: Source, names: Sequence[str], *, originals: str | None = None) -> bool:
    """Whether folders of a place are named for traced copies and their originals, and ink is on the former alone.

    Args:
        source: The place.
        names: Its pictures.
        originals: Where the originals lie, if elsewhere; then the names of the folders do not matter.
    """
    kinds = {folder: _kind_of(folder) for folder in {name.rpartition("/")[0] for name in names}}
    beside = {folder.rpartition("/")[0] for folder, kind in kinds.items() if kind == "untraced"}
    marked = [folder for folder, kind in kinds.items() if kind == "traced" and folder.rpartition("/")[0] in beside]
    if originals is not None:
        return bool(names)
    plain = [folder for folder, kind in kinds.items() if kind == "untraced"]
    return bool(marked) and _inked(source, names, marked) and not _inked(source, names, plain)


def _inked(source: Source, names: Sequence[str], folders: Sequence[str]) -> bool:
    """Whether most of a few pictures of these folders have as many strongly coloured pixels as a stroke."""
    own = [name for name in names if name.rpartition("/")[0] in folders]
    looked = own[:: max(1, len(own) // _LOOKS)][:_LOOKS]
    return 2 * sum(_has_ink(source.location(name)) for name in looked) > len(looked)


def _has_ink(location: str) -> bool:
    try:
        image = read_image(location)
    except DataError:
        return False
    if image.dtype != np.uint8 or image.shape[2] < 3:
        return False
    chroma = to_ycc(image[..., :3])[..., 1:]
    strength = np.linalg.norm(chroma - np.median(chroma.reshape(-1, 2), axis=0), axis=2)
    return bool(_FEWEST <= int((strength > _COLORFUL).sum()) <= _MOST * strength.size)


def _without_suffix(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _folders(source: Source) -> list[_Folder]:
    grouped: defaultdict[str, list[str]] = defaultdict(list)
    for name in source.files():
        if name[name.rfind(".") :].lower() in IMAGE_SUFFIXES:
            grouped[name.rpartition("/")[0]].append(name)
    if not grouped:
        raise DataError("traced pictures", f"none in '{source.place}'", "Name the folder or zip that holds them.")
    return [_Folder(source, path, tuple(names)) for path, names in grouped.items()]


def _kind(folder: _Folder) -> str:
    return _kind_of(folder.path)


def _kind_of(path: str) -> str:
    """What the innermost telling name of a folder's path says."""
    for part in reversed(path.lower().split("/")):
        for word, kind in _WORDS.items():
            if word in part:
                return kind
    return ""


def _named(marked: list[_Folder]) -> list[tuple[str, _Folder]]:
    """Experts' names: that of the folder above, or of the folder itself where these are alike."""
    above = [folder.parent.rpartition("/")[2] for folder in marked]
    if len(marked) == 1:
        return [("", marked[0])]
    if len(set(above)) == len(above) and all(above):
        return list(zip(above, marked, strict=True))
    return [(folder.path.replace("/", "-"), folder) for folder in marked]


def _originals(traced: str | Path, originals: str | Path, plain: list[_Folder]) -> list[_Folder]:
    inside = Path(traced) / originals
    place = inside if "://" not in str(originals) and not Path(originals).exists() and inside.is_dir() else originals
    source = Source.open(place)
    if str(source.place) == str(Source.open(traced).place):
        return plain
    folders = _folders(source)
    return [folder for folder in folders if _kind(folder) != "traced"] or folders


def _with_originals(marked: list[_Folder], plain: list[_Folder]) -> list[Expert]:
    if not plain:
        raise DataError("untraced originals", "none where --originals says", "Name the folder that holds them.")
    return [_pair(name, copies, _nearest(copies, plain)) for name, copies in _named(marked)]


def _nearest(copies: _Folder, plain: list[_Folder]) -> list[_Folder]:
    """The expert's own folder of originals where there are several; else all."""
    own = copies.parent.rpartition("/")[2]
    return [folder for folder in plain if own and own in folder.path.split("/")] or plain


def _without_originals(marked: list[_Folder]) -> list[Expert]:
    return [
        Expert(
            name,
            tuple(Pair(_without_suffix(relative), copies.location(relative), "") for relative in copies.relative()),
            (),
            "no originals",
        )
        for name, copies in _named(marked)
    ]


def _pair(expert: str, copies: _Folder, plain: list[_Folder]) -> Expert:
    if not plain:
        raise DataError(
            f"originals of the copies in '{copies.path}'",
            "no folder beside it is named for untraced copies",
            "Name the folder of originals with --originals.",
        )
    where = {relative: folder for folder in plain for relative in folder.relative()}
    pairing = match_pairs(list(where), copies.relative())
    _refuse(copies, pairing)
    pairs = tuple(
        Pair(_without_suffix(original), copies.location(copy), where[original].location(original))
        for original, copy in pairing.pairs
    )
    return Expert(expert, pairs, tuple(pairing.unmatched_images), pairing.rule)


def _refuse(copies: _Folder, pairing: Pairing) -> None:
    if not pairing.unmatched_masks and not pairing.ambiguous:
        return
    lines = [f"no original: {name}" for name in pairing.unmatched_masks]
    lines += [f"several copies of {name}: {', '.join(found)}" for name, found in pairing.ambiguous]
    raise DataError(
        f"an untraced original for each traced copy in '{copies.path or copies.source.place}' ({pairing.rule})",
        f"{len(pairing.pairs):,} pairs, and {len(lines):,} that do not pair",
        "Add the missing originals under the names of their copies, or take these copies away.",
        details=shorten(lines),
    )
