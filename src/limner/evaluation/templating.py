"""Templates of the pages.

Layer: part of `evaluation`. Text from files is escaped by the template engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment(**filters: Callable[..., Any]) -> Environment:
    """The templates of pages, with the filters they use; a name that is not given is an error."""
    return _filled(Environment(autoescape=True, **_OPTIONS), filters)


def markdown_environment(escape: Callable[[Any], str], **filters: Callable[..., Any]) -> Environment:
    """The templates of Markdown: whatever an expression gives is passed through `escape`."""
    # HTML's escaping would spoil Markdown, and not protect it.
    made = Environment(autoescape=False, finalize=escape, keep_trailing_newline=True, **_OPTIONS)  # noqa: S701
    return _filled(made, filters)


_OPTIONS: dict[str, Any] = {
    "loader": PackageLoader("limner.evaluation", "templates"),
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
}


def _filled(made: Environment, filters: Mapping[str, Callable[..., Any]]) -> Environment:
    made.filters |= filters
    return made
