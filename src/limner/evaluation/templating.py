"""Templates of the pages.

Layer: part of `evaluation`. Text from files is escaped by the template engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment(**filters: Callable[..., Any]) -> Environment:
    """The templates, with the filters they use; a name that is not given is an error."""
    made = Environment(
        loader=PackageLoader("limner.evaluation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= filters
    return made
