"""The classes of a conversion: their ids, names and colours.

Layer: data, above `shapes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from limner.data.annotations.doubts import Doubt
from limner.data.annotations.shapes import Reading
from limner.data.class_colors import BACKGROUND, class_colors
from limner.errors import ConfigError, DataError
from limner.images import natural_key
from limner.types import IGNORE, MAX_CLASSES, Color

OBJECT = "object"
"""Name of the class of shapes of which none has one."""

# labelme's words; a class called "background" cannot be another than the background either.
_BACKGROUND = frozenset({"background", "_background_", "__background__"})
_IGNORED = frozenset({"__ignore__"})


@dataclass(frozen=True)
class Classes:
    """Classes, background aside.

    Attributes:
        names: In the order of their ids, from 1.
        colors: One for each.
        unnamed: Shapes without label are of the one class.
        only: Only these were asked for.
    """

    names: tuple[str, ...]
    colors: tuple[Color, ...]
    unnamed: bool = False
    only: bool = False

    def number(self, label: str) -> int | None:
        """Class id of a label: 0 for background, `IGNORE`, or None if it is unknown."""
        label = self.names[0] if self.unnamed and not label else label.strip()
        if label in self.names:
            return self.names.index(label) + 1
        word = label.casefold()
        return 0 if word in _BACKGROUND else IGNORE if word in _IGNORED else None


def find_classes(readings: Sequence[Reading], wanted: Sequence[str] | None) -> tuple[Classes, list[Doubt]]:
    """The classes of what was read.

    In the order in which the files declare them, used or not, so that files of one project give the same
    ids; classes that are only named shape by shape follow in natural order.

    Args:
        readings: Of all files.
        wanted: Names by id, from 1, if only these are to be taken.

    Returns:
        The classes, and doubts about names that are nearly alike.

    Raises:
        DataError: There is no shape, or too many classes.
        ConfigError: None of those wanted occurs.
    """
    used = Counter(shape.label.strip() for one in readings for picture in one.pictures for shape in picture.shapes)
    declared = [one for reading in readings for one in reading.declared]
    if not used:
        raise DataError("at least one shape", "the annotations hold none", "Annotate some pictures first.")
    named = dict.fromkeys(one.name.strip() for one in declared)
    others = sorted((name for name in used if name and name not in named), key=natural_key)
    names = [name for name in (*named, *others) if name and name.casefold() not in _BACKGROUND | _IGNORED]
    unnamed = not any(used[name] for name in used if name)
    if unnamed and not names:
        names = [OBJECT]
    if wanted is not None:
        names = _wanted(names, wanted, unnamed=unnamed)
    if len(names) > MAX_CLASSES - 1:
        raise DataError(
            f"at most {MAX_CLASSES - 1} classes",
            f"{len(names):,}, such as {', '.join(names[:4])}",
            "Name those to take with `--classes a,b,c`.",
        )
    unnamed = unnamed and len(names) == 1
    classes = Classes(tuple(names), _colors(names, readings), unnamed, wanted is not None)
    return classes, _alike(names)


def _wanted(names: list[str], wanted: Sequence[str], *, unnamed: bool) -> list[str]:
    chosen = [name.strip() for name in wanted if name.strip()]
    repeated = [name for name, count in Counter(chosen).items() if count > 1 or name.casefold() in _BACKGROUND]
    if not chosen or repeated:
        raise ConfigError(
            "names of classes without the background, each once",
            f"'{repeated[0]}'" if repeated else "none",
            "Write for example --classes cell,nucleus.",
        )
    if not (set(chosen) & set(names) or (unnamed and len(chosen) == 1)):
        raise ConfigError(
            f"classes that occur: {', '.join(names[:20])}", ", ".join(chosen), "Correct --classes, or leave it out."
        )
    return chosen


def _colors(names: Sequence[str], readings: Sequence[Reading]) -> tuple[Color, ...]:
    """Colours as the files declare them; others where there are none, or ones that look alike in a mask."""
    own: dict[str, Color] = {}
    for reading in readings:
        for one in (*reading.declared, *reading.colors):
            if one.color is not None and one.color != BACKGROUND and one.color not in own.values():
                own.setdefault(one.name.strip(), one.color)
    free = [color for color in class_colors(len(names) + len(own) + 1)[1:] if color not in own.values()]
    return tuple(own[name] if name in own else free.pop(0) for name in names)


def _alike(names: Sequence[str]) -> list[Doubt]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault("".join(name.casefold().replace("-", "_").split()), []).append(name)
    return [Doubt("alike", text=" and ".join(f"'{name}'" for name in group)) for group in groups.values() if group[1:]]
