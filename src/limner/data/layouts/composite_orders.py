"""Rules that say which background a composite was made with.

Layer: data. A rule is a claim: `composite_check` looks whether the pictures bear it out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64

from limner.data.layouts.composite_sets import PictureSet
from limner.images import without_suffix

ORDERS = {
    "natural": "backgrounds and composites in natural order (2 before 10)",
    "lexicographic": "backgrounds and composites sorted as text (10 before 2)",
    "blocks": "natural order, starting anew with the first background in every archive or sub-folder",
    "lexicographic-blocks": "sorted as text, starting anew in every archive or sub-folder",
    "lexicographic-backgrounds": "composites in natural order, backgrounds sorted as text",
}
"""Orders in which `index // ratio` may be meant."""

COMPOSED = re.compile(r"(.+?)__(.+)__\d+")
"""What `limner compose` calls its pictures: background, cut-out, number."""

_MOST_CYCLES = 50
_WORDS = re.compile(r"[^0-9a-z]+")


@dataclass(frozen=True)
class Rule:
    """Which background belongs to each composite, according to one way of telling.

    Attributes:
        text: The rule in words.
        options: What to type for it in `data.layout_options`.
        backgrounds: Number of the background per composite.
        places: Place of each composite among those of its background, from 0, in the rule's order; empty
            where the rule knows of no order.
        cycles: How often the backgrounds run from first to last.
    """

    text: str
    options: str
    backgrounds: Int64[np.ndarray, " composites"]
    places: Int64[np.ndarray, " places"] = field(default_factory=lambda: np.empty(0, np.int64))
    cycles: int = 1


def order_rule(order: str, backgrounds: PictureSet, composites: PictureSet, ratio: int | None = None) -> Rule | None:
    """`index // ratio` in one of the `ORDERS`; None where the counts do not divide.

    Args:
        order: Key of `ORDERS`.
        backgrounds: The backgrounds.
        composites: The composites.
        ratio: Composites of one background that follow one another. With fewer than all of them the
            backgrounds begin again after the last. None: all, of every block or of the whole.
    """
    groups = _groups(composites, blockwise=order.endswith("blocks"))
    as_text = order.startswith("lexicographic") and order != "lexicographic-backgrounds"
    ranked = np.array(_ranked(backgrounds.names, order.startswith("lexicographic")))
    chosen = np.full(len(composites), -1, np.int64)
    places = np.zeros(len(composites), np.int64)
    before = np.zeros(len(ranked), np.int64)
    cycles = 0
    for group in groups:
        run = ratio or len(group) // len(ranked)
        if not run or len(group) % (run * len(ranked)):
            return None
        members = group[_ranked([composites.names[number] for number in group], as_text)] if as_text else group
        index = np.arange(len(group))
        turns = index // (run * len(ranked))
        chosen[members] = ranked[index // run % len(ranked)]
        places[members] = before[chosen[members]] + turns * run + index % run
        before += len(group) // len(ranked)
        cycles += int(turns[-1]) + 1
    options = f"order: {order}" + (f", ratio: {ratio}" if ratio else "")
    return Rule(f"index // {run} with {ORDERS[order]}", options, chosen, places, cycles)


def order_rules(backgrounds: PictureSet, composites: PictureSet) -> Iterator[Rule]:
    """Every order that the counts allow, the plainest first; at last natural order in several turns."""
    for order in ORDERS:
        if order.endswith("blocks") and len(composites.blocks) == 1:
            continue
        rule = order_rule(order, backgrounds, composites)
        if rule is not None:
            yield rule
    whole, rest = divmod(len(composites), len(backgrounds))
    if not rest:
        for cycles in range(2, _MOST_CYCLES + 1):
            rule = None if whole % cycles else order_rule("natural", backgrounds, composites, whole // cycles)
            if rule is not None:
                yield rule


def name_rules(backgrounds: PictureSet, composites: PictureSet) -> Iterator[Rule]:
    """Rules by which the composite's name (or sub-folder) holds the name of its background."""
    composed = _composed(backgrounds, composites)
    if composed is not None:
        yield composed
        return
    known: dict[tuple[str, ...], int] = {}
    for number, name in enumerate(backgrounds.names):
        known[_words(without_suffix(name))] = number
    if len(known) < len(backgrounds) or () in known:
        return
    lengths = sorted({len(words) for words in known}, reverse=True)
    parts = [_words(text) for text in _named(composites)]
    for start in range(min(map(len, parts))):
        found = [
            next((known[key] for length in lengths if (key := words[start : start + length]) in known), -1)
            for words in parts
        ]
        chosen = np.array(found, np.int64)
        if (chosen >= 0).all():
            where = "begins with" if start == 0 else f"has as word {start + 1}"
            yield Rule(f"the composite's name {where} its background's", "background: name", chosen)


def _composed(backgrounds: PictureSet, composites: PictureSet) -> Rule | None:
    known = {without_suffix(name): number for number, name in enumerate(backgrounds.names)}
    chosen = np.empty(len(composites), np.int64)
    for place, name in enumerate(composites.names):
        match = COMPOSED.fullmatch(without_suffix(name))
        if match is None or match[1] not in known:
            return None
        chosen[place] = known[match[1]]
    return Rule("composites are named BACKGROUND__FOREGROUND__NUMBER", "background: name", chosen)


def table_rule(
    pairs: Mapping[str, str], backgrounds: PictureSet, composites: PictureSet, table: str
) -> tuple[Rule, list[str]]:
    """The rule that a table states, and what it lacks, in words.

    Args:
        pairs: Composite → background, names with or without folders and endings.
        backgrounds: The backgrounds.
        composites: The composites.
        table: Name of the table.
    """
    numbers = {key: number for number, name in enumerate(backgrounds.names) for key in (name, without_suffix(name))}
    bare = {_bare(composite): _bare(background) for composite, background in pairs.items()}
    chosen = np.full(len(composites), -1, np.int64)
    missing = []
    for place, name in enumerate(composites.names):
        background = bare.get(without_suffix(name))
        chosen[place] = -1 if background is None else numbers.get(background, -1)
        if chosen[place] < 0:
            why = (
                "is not in the table"
                if background is None
                else f"has the background '{background}', which is not there"
            )
            missing.append(f"{composites.shown(place)} {why}")
    return Rule(f"as listed in '{table}'", f"csv: {table}", chosen), missing


def _bare(name: str) -> str:
    return without_suffix(name.replace("\\", "/").rpartition("/")[2])


def _groups(composites: PictureSet, *, blockwise: bool) -> list[Int64[np.ndarray, " group"]]:
    if not blockwise:
        return [np.arange(len(composites))]
    numbers = composites.block_numbers
    return [np.flatnonzero(numbers == block) for block in range(len(composites.blocks))]


def _ranked(names: Sequence[str], as_text: bool) -> list[int]:
    """Numbers of the names in order; they come in natural order."""
    return sorted(range(len(names)), key=names.__getitem__) if as_text else list(range(len(names)))


def _named(composites: PictureSet) -> Iterator[str]:
    """What may tell the background: sub-folders of the set, and the name."""
    for block in composites.blocks:
        inside = block.folder.removesuffix("/").rpartition("/")[2] if block.folder.count("/") > 1 else ""
        for name in block.names:
            yield f"{inside} {without_suffix(name)}"


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in _WORDS.split(text.lower()) if word)
