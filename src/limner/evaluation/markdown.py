"""Markdown that text from files cannot break: escaping, tables, code, front matter.

Layer: part of `evaluation`. Imports nothing of Limner. The dialect is CommonMark with the tables of GitHub's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

_ALWAYS = re.compile(r"([\\`*\[\]|~$])")
_UNDERSCORE = re.compile(r"(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?=[#A-Za-z])")
# What begins a list, a heading, a quotation or a rule, where it stands at the beginning of a line.
_BLOCK = re.compile(r"^(?:[-+](?=[-+\s]|$)|[#=>]|\d{1,9}(?=[.)](?:\s|$)))")
_PLAIN_CODE = re.compile(r"[^`|\\]+")
# A line break would end a cell or a list entry, and the marks of writing direction would turn what follows.
_VISIBLE = (
    {code: 0x2400 + code for code in range(0x20)}
    | {0x7F: 0x2421}
    | dict.fromkeys([*range(0x80, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)
)


class Markdown(str):
    """Text that is Markdown already, and is not escaped again."""

    __slots__ = ()


def escape(value: Any) -> Markdown:
    r"""Any value as text on one line that a reader of Markdown shows as it is.

    Example:
        >>> print(escape("a|b*c <img> my_name"))
        a\|b\*c &lt;img> my_name
    """
    if isinstance(value, Markdown):
        return value
    text = str(value).translate(_VISIBLE)
    text = _ALWAYS.sub(r"\\\1", _ENTITY.sub("&amp;", text))
    text = _UNDERSCORE.sub(r"\\_", _TAG.sub("&lt;", text))
    # A number before a dot begins a list: the dot, not the number, can be escaped.
    found = _BLOCK.match(text)
    if found is None:
        return Markdown(text)
    at = found.end() if found[0][0].isdigit() else 0
    return Markdown(f"{text[:at]}\\{text[at:]}")


def code(value: Any) -> Markdown:
    r"""Text as code; escaped as any other where code could not hold it.

    Example:
        >>> print(code("runs/my_cells"), code("a`b"))
        `runs/my_cells` a\`b
    """
    text = str(value).translate(_VISIBLE)
    fits = _PLAIN_CODE.fullmatch(text) and text == text.strip()
    return Markdown(f"`{text}`") if fits else escape(text)


def table(headings: Sequence[Any], rows: Sequence[Sequence[Any]], *, texts: int = 1) -> Markdown:
    """A table; its first `texts` columns are text, the others numbers.

    Example:
        >>> print(table(["class", "Dice"], [["cell", "0.91"]]))
        | class | Dice |
        |---|--:|
        | cell | 0.91 |
    """
    marks = "".join("---|" if place < texts else "--:|" for place in range(len(headings)))
    lines = [_row(headings), f"|{marks}", *map(_row, rows)]
    return Markdown("\n".join(lines))


def _row(cells: Sequence[Any]) -> str:
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"


def front_matter(values: Mapping[str, Any]) -> Markdown:
    """YAML between two lines of dashes, as hubs read it from the head of a card; empty values are left out."""
    known = {name: value for name, value in values.items() if value not in (None, "", [], {})}
    text = yaml.safe_dump(known, sort_keys=False, allow_unicode=True, width=120)
    return Markdown(f"---\n{text}---")
