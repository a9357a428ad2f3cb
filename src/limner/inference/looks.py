"""Looks: the ways in which the networks of a model are asked about one picture.

Layer: inference. The answer is the mean of all looks; how far they differ is the uncertainty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from limner.errors import ConfigError
from limner.inference.engine import Engine
from limner.inference.views import AS_IS, View, tta_views, views
from limner.types import Symmetry

Source: TypeAlias = Literal["single", "auto", "tta", "dropout", "members"]
SOURCES: tuple[Source, ...] = get_args(Source)
"""Where doubts come from: a single look; the members of an ensemble, else `tta`; views of the picture; features
dropped as in training (Gal & Ghahramani 2016, arXiv 1506.02142); the members of an ensemble."""

DROPOUT_LOOKS = 8


@dataclass(frozen=True, eq=False)
class Look:
    """One network, asked about one view.

    Attributes:
        engine: The network.
        view: What it is shown.
        dropout: Seed of what is dropped; None drops nothing.
    """

    engine: Engine
    view: View = AS_IS
    dropout: int | None = None


def make_looks(engines: Sequence[Engine], source: str, symmetries: Sequence[Symmetry], tta: str = "none") -> list[Look]:
    """The looks of a model whose doubts come from `source`.

    Args:
        engines: The networks of the model.
        source: One of `SOURCES`.
        symmetries: Under which they were trained.
        tta: Which views each network is asked about, of `limner.inference.views.TTA`; of `none`, doubts from `tta`
            take those by the symmetries.

    Raises:
        ConfigError: The source is or the views are unknown, or the model has no dropout or no members.
    """
    if source not in SOURCES:
        raise ConfigError(f"uncertainty is one of {', '.join(SOURCES)}", f"'{source}'", "Choose one of them.")
    shown = tta_views(tta)
    if source == "auto":
        source = "members" if len(engines) > 1 else "tta"
    if source == "tta":
        shown = shown if len(shown) > 1 else views(symmetries)
        return [Look(engine, view) for engine in engines for view in shown]
    if source == "dropout":
        if not all(engine.drops for engine in engines):
            raise ConfigError(
                "a network that was trained with dropout",
                "this one has none",
                "Use --uncertainty tta, or train with model.dropout=0.2.",
            )
        return [Look(engine, view, seed) for engine in engines for view in shown for seed in range(DROPOUT_LOOKS)]
    if source == "members" and len(engines) < 2:
        raise ConfigError(
            "a model of several networks",
            "this one is a single network",
            "Use --uncertainty tta, or train in folds (--folds 5), which leaves an ensemble.",
        )
    return [Look(engine, view) for engine in engines for view in shown]
