"""Finds out from the masks themselves how their values stand for classes, or asks.

Layer: data. Imports no torch.

What is certain is decided and the evidence is put into words; what is doubtful is an error that
shows what was seen and the line to type. Nothing is guessed in silence.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from limner.data.class_colors import class_colors
from limner.data.doubts import (
    constant,
    cut_levels,
    describe,
    doubt,
    ignore_or_class,
    measurements,
    merge_colors,
    merge_objects,
    mixed_kinds,
    name_classes,
    nearly_agree,
    refuse_continuous,
    refuse_many,
)
from limner.data.evidence import Evidence, gather
from limner.data.fixed_values import cover, parse_ignored, parse_values
from limner.data.labels import LabelMap
from limner.data.two_levels import Decision, decide_neighbours, decide_threshold
from limner.data.values import Value, ValueTable, format_value
from limner.errors import ConfigError
from limner.types import Color

_SMALL_ID = 64  # ids of classes beside a 255 that means "ignore" are below this
_FEW = 16  # up to so many values are classes, however thin
_NUMBERED = 12  # beyond so many, 1, 2, … k in every mask are objects rather than classes
_PERHAPS_NUMBERED = 5  # beyond so many they may be
_LONELY = 0.5  # share of values found in one mask alone, from which on they may be objects
_SURE_MASS = 0.98  # least share of pixels at the two ends, beside which a few thin values are no classes
_WHOLE_MASKS = {0, 1, 255, 65535}  # values of binary masks


def inspect_masks(
    tables: Sequence[ValueTable],
    *,
    class_names: Sequence[str] | None = None,
    values: Sequence[Sequence[Any]] | None = None,
    ignore_values: Sequence[Any] = (),
    target: str = "mask",
) -> LabelMap:
    """Decide how the values of masks stand for classes.

    Args:
        tables: One per mask (see `tabulate`).
        class_names: Names by class id, background first; None gives `background`, `class 1`, ….
        values: Stored values of each class id as the user gives them: numbers, ranges `"3-9"`,
            colours `"#ff0000"` or `[255, 0, 0]`, `"other"` for all that no class names.
        ignore_values: Stored values of pixels that take no part in training or scores.
        target: Name of the target, for the lines to type.

    Returns:
        The label map; its `because` states the evidence.

    Raises:
        DataError: The masks are all of one value, hold values that `values` leaves out, or are doubtful.
        ConfigError: `values`, `ignore_values` or `class_names` contradict themselves or one another.
    """
    ignore = parse_ignored(ignore_values)
    if values is not None:
        rows = parse_values(values, ignore)
        colored = any(isinstance(value, tuple) for row in rows for value in row)
        evidence = gather(tables, colors=colored)
        cover(evidence, rows, ignore)
        decision = Decision(rows, "classes as given in `data.values`", "colors" if colored else "values")
    else:
        evidence = replace(gather(tables), target=target)
        decision = _decide(evidence.without(ignore))
    return _label_map(evidence, decision, ignore, class_names)


def _decide(evidence: Evidence) -> Decision:
    refuse_continuous(evidence)
    if evidence.form == "planes":
        return _decide_planes(evidence)
    if len(evidence.counts) < 2:
        raise constant(evidence)
    if evidence.form == "colors":
        return _decide_colors(evidence)
    return _decide_numbers(evidence)


def _decide_numbers(evidence: Evidence) -> Decision:
    found = [value for value in evidence.counts if not isinstance(value, tuple)]
    if any(math.isnan(value) for value in found):
        raise doubt(
            evidence,
            "NaN among the values",
            "Save the masks with a number, such as 255, in place of NaN; name it in `data.ignore_values` if it marks "
            "pixels to leave out.",
        )
    if found[0] < 0:
        raise doubt(evidence, "negative numbers among the values", ignore_or_class(evidence, found[0]))
    if len(found) > 2 and evidence.apart and set(found) <= _WHOLE_MASKS:
        raise doubt(
            evidence, "no mask holds two of them beside 0, as where masks of two kinds are mixed", mixed_kinds(found)
        )
    if len(found) == 2 and not 0 < found[0] < found[1] == 255:
        low, high = found
        return Decision(((low,), (high,)), f"{format_value(low)} is background, {format_value(high)} foreground")
    if found[-1] == 255 and found[-2] < _SMALL_ID:
        raise doubt(
            evidence, "small class numbers, and 255, which often means 'ignore'", ignore_or_class(evidence, 255)
        )
    threshold = decide_threshold(evidence, found) or decide_neighbours(evidence, found)
    return threshold or _decide_ids(evidence, found)


def _decide_ids(evidence: Evidence, found: Sequence[int | float]) -> Decision:
    whole = all(isinstance(value, int) for value in found)
    if whole and len(found) > _NUMBERED and evidence.numbered:
        raise doubt(
            evidence,
            "every mask numbers its pixels 1, 2, … without a gap, which objects rather than classes do",
            merge_objects(evidence),
        )
    if whole and len(found) > _PERHAPS_NUMBERED and (evidence.numbered or _are_lonely(evidence, found)):
        raise doubt(
            evidence,
            "every mask numbers its pixels 1, 2, … without a gap, as objects do"
            if evidence.numbered
            else "most numbers stand in one mask alone, as those of objects do",
            f"{merge_objects(evidence)} {name_classes(evidence)}",
        )
    if not whole and len(found) > _FEW:
        raise doubt(
            evidence,
            "many fractions, as in measurements, probabilities or resized masks",
            f"{cut_levels(evidence)} {measurements(evidence)}",
        )
    refuse_many(evidence)
    thin = [value for value in found[1:-1] if value not in evidence.solid]
    ends = evidence.counts[found[0]] + evidence.counts[found[-1]]
    blurred = found[-1] - found[0] >= 128 and len(thin) == len(found) - 2
    if len(found) > _FEW and len(thin) * 2 > len(found):
        raise doubt(
            evidence,
            "most values nowhere fill a 3×3 block, as after JPEG or resizing, or in measurements",
            f"{cut_levels(evidence)} {measurements(evidence)}",
        )
    # One or two thin classes may be; more of them between two levels are hardly ever classes.
    if blurred and thin and (len(thin) > 2 or ends >= _SURE_MASS * sum(evidence.counts.values())):
        raise doubt(evidence, "rare values between two levels: thin classes or blurred edges", cut_levels(evidence))
    conclusion = f"{len(found)} classes by number"
    if list(found) != list(range(len(found))):
        steps = ", ".join(f"{format_value(value)}→{number}" for number, value in enumerate(found))
        conclusion = f"{len(found)} classes, stored value → class id: {steps}"
    if found[0] != 0:
        conclusion += f"; {format_value(found[0])}, the lowest, takes the place of the background"
    return Decision(tuple((value,) for value in found), conclusion)


def _are_lonely(evidence: Evidence, found: Sequence[Value]) -> bool:
    """Whether most of many numbers stand in one mask alone."""
    lonely = sum(evidence.masks[value] == 1 for value in found)
    return evidence.files >= 4 and len(found) > _NUMBERED and lonely >= _LONELY * len(found)


def _decide_colors(evidence: Evidence) -> Decision:
    colors = [value for value in evidence.counts if isinstance(value, tuple)]
    thin = [color for color in colors if color not in evidence.solid]
    if len(colors) > _FEW and len(thin) * 2 > len(colors):
        raise doubt(
            evidence,
            "most colours nowhere fill a 3×3 block, as after JPEG or resizing, or in photographs",
            "Save the masks as PNG without smoothing. If these are photographs, check `data.masks`.",
        )
    refuse_many(evidence)
    if _are_lonely(evidence, colors):
        raise doubt(evidence, "most colours stand in one mask alone, as those of objects do", merge_objects(evidence))
    black = [color for color in colors if not any(color[:3])]
    first = black[0] if black else max(colors, key=lambda color: evidence.counts[color])
    ordered = [first, *(color for color in colors if color != first)]
    near = next((pair for pair in itertools.combinations(ordered, 2) if nearly_agree(*pair)), None)
    if near is not None:
        raise doubt(evidence, f"{' and '.join(map(format_value, near))} nearly agree", merge_colors(ordered))
    why = "black" if black else "the most frequent"
    conclusion = f"a class per colour, background is {format_value(first)}, {why}"
    return Decision(tuple((color,) for color in ordered), conclusion, "colors")


def _decide_planes(evidence: Evidence) -> Decision:
    refuse_many(evidence)
    set_planes = {sum(value) for value in evidence.counts if isinstance(value, tuple)}
    rows = tuple((number,) for number in range(evidence.channels))
    if set_planes == {1}:
        return Decision(rows, "exactly one plane is set in every pixel, so planes exclude one another", "planes")
    return Decision(
        rows, "pixels with no plane or several set, so each plane is a class of its own", "planes", "multilabel"
    )


def _label_map(
    evidence: Evidence, decision: Decision, ignore: tuple[Value, ...], class_names: Sequence[str] | None
) -> LabelMap:
    count = len(decision.values)
    names = tuple(class_names) if class_names else _names(decision)
    if len(names) != count:
        raise ConfigError(
            f"{count} names in `data.class_names`, one per class id, background first",
            f"{len(names)}: {', '.join(names)}; {describe(evidence)}",
            "Correct the names, or group stored values with `data.values`.",
        )
    because = f"{describe(evidence)}: {decision.conclusion}"
    if evidence.backwards:
        because += "; the greys of a palette were read, which run against its numbers"
    if ignore:
        because += f"; ignored: {', '.join(format_value(value) for value in ignore)}"
    return LabelMap(
        task=decision.task or ("binary" if count == 2 else "multiclass"),
        names=names,
        colors=_colors(evidence, decision),
        encoding=decision.encoding,
        values=decision.values,
        ignore=ignore,
        because=because,
        reading=evidence.reading,
    )


def _names(decision: Decision) -> tuple[str, ...]:
    count = len(decision.values)
    if decision.task == "multilabel":
        return tuple(f"class {number + 1}" for number in range(count))
    if count == 2:
        return "background", "foreground"
    names = []
    for number, row in enumerate(decision.values):
        first = row[0]
        plain = decision.encoding == "values" and len(row) == 1 and not isinstance(first, tuple)
        names.append(f"class {format_value(first)}" if plain else f"class {number}")
    if decision.encoding != "values" or decision.values[0][0] == 0:
        names[0] = "background"
    return tuple(names)


def _colors(evidence: Evidence, decision: Decision) -> tuple[Color, ...]:
    own = class_colors(len(decision.values), background=decision.task != "multilabel")
    colors = []
    for row, fallback in zip(decision.values, own, strict=True):
        first = row[0]
        if isinstance(first, tuple):
            colors.append((int(first[0]), int(first[1]), int(first[2])))
        else:
            colors.append(evidence.palette.get(first, fallback) if not isinstance(first, str) else fallback)
    return tuple(colors)
