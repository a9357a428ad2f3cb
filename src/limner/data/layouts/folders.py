"""What the names of folders say: images or masks, and which split.

Layer: data. `train_images`, `imagesTr`, `trainannot`, `x_train`, `ISIC-2017_Training_Part1_GroundTruth`
and `1st_manual` all speak. A word of several meanings, such as `data`, counts only when it stands
alone or beside a split's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["image", "mask", ""]

# fmt: off
IMAGE_FOLDERS = (
    "images", "image", "imgs", "img", "pictures", "picture", "pics", "photos", "photo", "frames", "scans",
    "originals", "original", "inputs", "input", "raw", "x", "data",
)
MASK_FOLDERS = (
    "manual", "masks", "mask", "groundtruth", "groundtruths", "gt", "segmentations", "segmentation", "segs",
    "seg", "labels", "label", "annotations", "annotation", "annots", "annot", "anno", "mattes", "targets",
    "target", "outputs", "output", "y",
)
"""In order of preference: where several fit, the first is taken and the others are named in a note.
`manual` comes first because `mask` beside it is a field of view (DRIVE)."""

_WEAK = frozenset({
    "originals", "original", "inputs", "input", "raw", "x", "data", "frames", "scans", "targets", "target", "outputs",
    "output", "y",
})
# fmt: on
SPLIT_WORDS = (
    dict.fromkeys(("train", "training", "trn", "tr"), "train")
    | dict.fromkeys(("val", "valid", "validation", "dev"), "val")
    | dict.fromkeys(("test", "testing", "tst", "ts"), "test")
)
"""Words that name a split, in folders and in the column `split` of a table."""

_ABBREVIATED = frozenset({"tr", "ts", "dev", "tst", "trn"})
_IMAGE: Role = "image"
_MASK: Role = "mask"
_ROLES = dict.fromkeys(IMAGE_FOLDERS, _IMAGE) | dict.fromkeys(MASK_FOLDERS, _MASK)
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+[a-z]*|[^\W\d_]+")
_JOINED = {
    joined: (split, role)
    for split in SPLIT_WORDS
    for role in _ROLES
    if role not in _WEAK and split not in _ABBREVIATED
    for joined in (split + role, role + split)
}


@dataclass(frozen=True)
class Part:
    """What one folder's own name says.

    Attributes:
        role: What lies in it.
        word: The word that says so.
        split: The split it names, or `""`.
        exact: The name consists of such words alone.
        rest: The name without them.
    """

    role: Role = ""
    word: str = ""
    split: str = ""
    exact: bool = False
    rest: str = ""


@dataclass(frozen=True)
class Folder:
    """What the path of a folder says.

    Attributes:
        path: Relative, with `/`; `""` for the top.
        role: What lies in it.
        word: The word that says so.
        split: The split it belongs to, or `""`.
        depth: Place of the folder with the role among those of the path; -1 without role.
        short: The path without the folders that speak.
        full: The path in which these keep what else their names hold.
    """

    path: str
    role: Role = ""
    word: str = ""
    split: str = ""
    depth: int = -1
    short: str = ""
    full: str = ""


def read_part(name: str) -> Part:
    """Read one folder's name.

    Example:
        >>> read_part("train_images")
        Part(role='image', word='images', split='train', exact=True, rest='')
        >>> read_part("stage1_train").split, read_part("unmasked").role
        ('train', '')
    """
    words = _words(name)
    splits = [word for word in words if word in SPLIT_WORDS]
    roles = [word for word in words if word in _ROLES]
    rest = [word for word in words if word not in SPLIT_WORDS and word not in _ROLES]
    exact = bool(splits or roles) and not rest
    roles = [word for word in roles if exact or word not in _WEAK]
    splits = [word for word in splits if exact or word not in _ABBREVIATED]
    return Part(
        role=_ROLES[roles[-1]] if roles else "",
        word=roles[-1] if roles else "",
        split=SPLIT_WORDS[splits[0]] if splits else "",
        exact=exact,
        rest="_".join(rest),
    )


def read_folder(path: str, *, skip: int = 0, standing_in: int = -1) -> Folder:
    """Read a path: the deepest clear role counts, and the outermost clear split.

    Args:
        path: Relative, with `/`.
        skip: Leading folders to leave out, because all pictures lie below them.
        standing_in: Place of the folder that counts as the one with the role where none has it.

    Example:
        >>> read_folder("brain_images/train/masks/p1")
        Folder(path='brain_images/train/masks/p1', role='mask', word='masks', split='train', depth=2, \
short='brain_images/p1', full='brain_images/p1')
    """
    names = path.split("/")[skip:] if path else []
    parts = [read_part(name) for name in names]
    roles = [depth for depth, part in enumerate(parts) if part.role]
    splits = [depth for depth, part in enumerate(parts) if part.split]
    otherwise = standing_in - skip if standing_in < len(names) + skip else -1
    role = max(roles, key=lambda depth: (parts[depth].exact, depth), default=otherwise)
    split = max(splits, key=lambda depth: (parts[depth].exact, -depth), default=-1)
    full = [parts[depth].rest if depth in (role, split) else name for depth, name in enumerate(names)]
    return Folder(
        path=path,
        role=parts[role].role if role >= 0 else "",
        word=parts[role].word if role >= 0 else "",
        split=parts[split].split if split >= 0 else "",
        depth=role + skip if role >= 0 else -1,
        short="/".join(name for depth, name in enumerate(names) if depth not in (role, split)),
        full="/".join(name for name in full if name),
    )


def common_depth(paths: Iterable[str]) -> int:
    """How many leading folders all paths share: they tell no file from another.

    Example:
        >>> common_depth(["a/images", "a/masks"]), common_depth(["a", ""])
        (1, 0)
    """
    split = [path.split("/") if path else [] for path in paths]
    if not split:
        return 0
    low, high = min(split), max(split)
    depth = 0
    while depth < min(len(low), len(high)) and low[depth] == high[depth]:
        depth += 1
    return depth


def _words(name: str) -> list[str]:
    words: list[str] = []
    for word in _WORD.findall(name):
        lower = word.lower()
        if lower in _JOINED:
            words += _JOINED[lower]
        elif lower == "truth" and words and words[-1] == "ground":
            words[-1] = "groundtruth"
        else:
            words.append(lower)
    return words
