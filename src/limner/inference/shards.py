"""A part of the pictures, for one of several processes that share the work.

Layer: inference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from limner.errors import ConfigError

Item = TypeVar("Item")

_SHARD = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True)
class Shard:
    """The part `number` (from 1) of `count`.

    All parts together are the whole, and no picture is in two, as long as all processes see the same pictures.
    """

    number: int = 1
    count: int = 1

    def take(self, items: Sequence[Item], unit: Callable[[Item], str]) -> list[Item]:
        """Every `count`-th unit, in order: parts are of equal size, and each has of the early and of the late.

        Args:
            items: All of them, those of one unit one after another.
            unit: Name of what must stay together, such as the slices of a volume.

        Example:
            >>> Shard(2, 3).take(list("aabcde"), lambda name: name)
            ['b', 'e']
        """
        if self.count == 1:
            return list(items)
        taken, before, place = [], None, -1
        for item in items:
            name = unit(item)
            if name != before:
                before, place = name, place + 1
            if place % self.count == self.number - 1:
                taken.append(item)
        return taken

    def name(self, path: Path) -> Path:
        """The part's own name of a table that each part writes.

        Example:
            >>> str(Shard(3, 8).name(Path("out/doubts.csv"))), str(Shard().name(Path("doubts.csv")))
            ('out/doubts-3-of-8.csv', 'doubts.csv')
        """
        return path if self.count == 1 else path.with_name(f"{path.stem}-{self.number}-of-{self.count}{path.suffix}")

    @staticmethod
    def files(path: Path) -> list[Path]:
        """Those that parts of any number have written in place of one, in order."""
        stem, suffix = re.escape(path.stem), re.escape(path.suffix)
        of_part = re.compile(rf"{stem}-[0-9]+-of-[0-9]+{suffix}")
        return sorted(one for one in path.parent.glob("*") if of_part.fullmatch(one.name))


def parse_shard(text: str) -> Shard:
    """The shard of a text such as `3/8`.

    Raises:
        ConfigError: It is none.

    Example:
        >>> parse_shard("3/8")
        Shard(number=3, count=8)
    """
    match = _SHARD.fullmatch(text.strip())
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ConfigError(
            "a part of the pictures as NUMBER/COUNT, counted from 1, such as 3/8", f"'{text}'", "Correct --shard."
        )
    return Shard(int(match[1]), int(match[2]))
