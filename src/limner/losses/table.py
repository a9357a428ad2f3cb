"""The table of losses, and weighted sums of them by name.

Layer: losses. Adding a loss is one class and one row here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from limner.errors import ConfigError, did_you_mean
from limner.losses.loss import Loss
from limner.losses.lovasz import Lovasz
from limner.losses.overlap import Dice, Tversky
from limner.losses.pixelwise import AbsoluteError, CrossEntropy, Focal, SquaredError
from limner.losses.truth import Total, own
from limner.types import IGNORE, Task

_SEGMENTATION: tuple[Task, ...] = ("binary", "multiclass", "multilabel")


@dataclass(frozen=True)
class Row:
    """A loss of the table.

    Attributes:
        kind: Class whose fields are the loss's options.
        tasks: Tasks that it fits.
    """

    kind: type[Any]
    tasks: tuple[Task, ...]


LOSSES: dict[str, Row] = {
    "bce": Row(CrossEntropy, ("binary", "multilabel")),
    "ce": Row(CrossEntropy, ("binary", "multiclass")),
    "dice": Row(Dice, _SEGMENTATION),
    "focal": Row(Focal, _SEGMENTATION),
    "tversky": Row(Tversky, _SEGMENTATION),
    "lovasz": Row(Lovasz, _SEGMENTATION),
    "l1": Row(AbsoluteError, ("regression",)),
    "mse": Row(SquaredError, ("regression",)),
}
"""Name → loss."""


def create_loss(
    name: str,
    *,
    task: Task,
    class_weights: Sequence[float] | None = None,
    ignore_index: int = IGNORE,
    total: Total = own,
    **options: Any,
) -> Loss:
    """The loss called `name`.

    Args:
        name: A key of `LOSSES`, or a sum such as `ce+dice` or `0.5*ce+dice`. For a binary task `ce`
            means `bce`.
        task: What the target's numbers mean.
        class_weights: Weight per class id, 0 or more; two for a binary task (background, foreground).
            They weigh pixels in `ce`, `bce` and `focal`, and classes in `dice`, `tversky` and
            `lovasz`; both are means, so that only the ratios matter.
        ignore_index: Id of pixels that take no part.
        total: Makes sums over samples those of the whole batch, where several processes share it.
        **options: Fields of the named losses, such as `gamma` or `smooth`. In a sum, each goes to
            every loss that has it.

    Returns:
        A callable `(logits, target) -> scalar float32`.

    Raises:
        ConfigError: A name, task or option is unknown, impossible, or does not fit the others.

    Example:
        >>> import torch
        >>> loss = create_loss("0.5*ce+dice", task="binary", smooth=2.0)
        >>> round(float(loss(torch.zeros(1, 1, 2, 2), torch.tensor([[[1, 0], [0, 255]]]))), 4)
        0.6799
    """
    shares = _parse(name)
    for term in shares:
        _check_fit(term, task)
    _check_options(list(shares), task, options)
    _check_class_weights(class_weights, task)
    terms = []
    for term, share in shares.items():
        kind = LOSSES[term].kind
        terms.append(
            (share, kind(**{field.name: options[field.name] for field in fields(kind) if field.name in options}))
        )
    return Loss(terms, task=task, class_weights=class_weights, ignore_index=ignore_index, total=total)


def _parse(name: str) -> dict[str, float]:
    """`"0.5*ce+dice"` → `{"ce": 0.5, "dice": 1.0}`."""
    shares: dict[str, float] = {}
    # A plus sign may also belong to a number: 1e+3.
    for part in re.split(r"(?<![0-9]e)\+", name.lower()):
        factor, star, term = part.rpartition("*")
        term = term.strip()
        if term not in LOSSES:
            raise ConfigError(
                "the loss is a known name or a sum such as ce+dice",
                f"'{term}' in '{name}'",
                f"{did_you_mean(term, LOSSES)}Choose from {', '.join(LOSSES)}.",
            )
        if term in shares:
            raise ConfigError("a sum has each loss once", f"'{term}' twice in '{name}'", f"Write 2*{term}.")
        shares[term] = _share(factor, name) if star else 1.0
    return shares


def _share(factor: str, name: str) -> float:
    try:
        share = float(factor)
    except ValueError:
        share = math.nan
    if not (math.isfinite(share) and share > 0):
        raise ConfigError(
            "the factor of a loss is a number above 0", f"'{factor}' in '{name}'", "Write for example 0.5*ce+dice."
        )
    return share


def _check_fit(name: str, task: Task) -> None:
    if task not in LOSSES[name].tasks:
        fitting = [other for other, row in LOSSES.items() if task in row.tasks]
        raise ConfigError(
            f"a loss for the task '{task}'", f"'{name}'", f"Choose from {', '.join(fitting)}, or sums of them."
        )


def _check_options(names: Sequence[str], task: Task, options: dict[str, Any]) -> None:
    choices = sorted({field.name for name in names for field in fields(LOSSES[name].kind)})
    for option in options:
        if option not in choices:
            raise ConfigError(
                f"options of the loss {'+'.join(names)}",
                f"the option '{option}'",
                f"{did_you_mean(option, choices)}It has {', '.join(choices) or 'no options'}.",
            )
    if "focal" in names and options.get("alpha") is not None:
        _check_focal_alpha(names, task)


def _check_focal_alpha(names: Sequence[str], task: Task) -> None:
    if task == "multiclass":
        raise ConfigError(
            "alpha of the focal loss with a binary or multilabel task", "a multiclass task", "Use class_weights."
        )
    if "tversky" in names:
        raise ConfigError(
            "one meaning for alpha", "focal and tversky in one sum, each with its own alpha", "Use class_weights."
        )


def _check_class_weights(class_weights: Sequence[float] | None, task: Task) -> None:
    if class_weights is None:
        return
    if task == "regression":
        raise ConfigError("class weights with a task that has classes", "a regression task", "Leave class_weights out.")
    if (
        not class_weights
        or not all(math.isfinite(weight) and weight >= 0 for weight in class_weights)
        or sum(class_weights) == 0
    ):
        raise ConfigError(
            "class weights are numbers of 0 or more, not all 0",
            f"{list(class_weights)}",
            "1 for each class is neutral.",
        )
