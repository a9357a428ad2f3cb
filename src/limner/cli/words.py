"""The words of commands: a model, which comes first unless an option names it, sizes, settings, and what int8 costs.

Layer: cli.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from limner.errors import ConfigError
from limner.types import Spacing


def split_model(words: Sequence[str | None], option: str | None) -> tuple[str, list[str]]:
    """The model of a command, and its other words.

    Args:
        words: In their order; None where one was left out.
        option: What `--from` named.

    Raises:
        ConfigError: Neither names a model.

    Example:
        >>> split_model(["runs/cells", "new/"], None), split_model(["new/"], "runs/cells")
        (('runs/cells', ['new/']), ('runs/cells', ['new/']))
    """
    given = [word for word in words if word is not None]
    if option is not None:
        return option, given
    if not given:
        raise ConfigError(
            "a run folder or .safetensors file", "no model was named", "Name it first, or with --from (-k)."
        )
    return given[0], given[1:]


def data_settings(*, skip_unmatched: bool = False, skip_unreadable: bool = False, **options: object) -> dict[str, Any]:
    """The settings of `data` that options stand for, without those of options that were left out.

    Args:
        skip_unmatched: Whether files without a partner are left out.
        skip_unreadable: Whether damaged files are left out.
        **options: Further ones by the name of their setting; None where left out.

    Example:
        >>> data_settings(val=0.2, test=None, skip_unmatched=True)
        {'data.val': 0.2, 'data.unmatched': 'skip'}
    """
    skipped = {"unmatched": skip_unmatched, "unreadable": skip_unreadable}
    given = options | {name: "skip" if skip else None for name, skip in skipped.items()}
    return {f"data.{name}": value for name, value in given.items() if value is not None}


def spacing_of(text: str) -> Spacing:
    """The size of a pixel that `--spacing` states.

    Raises:
        ConfigError: It is none.

    Example:
        >>> spacing_of("0.8,0.5")
        (0.8, 0.5)
    """
    from limner.data.spacing import parse_spacing

    size = parse_spacing(text)
    if size is None:
        raise ConfigError(
            "a size of a pixel in mm above 0, as 0.5, or 0.8,0.5 for row and column", repr(text), "Change --spacing."
        )
    return size


def int8_sentence(measured: Mapping[str, Any]) -> str:
    """What int8 costs, from what `limner.workflow.int8.prepare_int8` found.

    Example:
        >>> found = {"dice": 0.9, "dice_exported": 0.898, "error": None, "error_exported": None}
        >>> int8_sentence({"pictures": 20, "source": "validation samples of the run", "targets": {"mask": found}})
        'int8: Dice of mask 0.8980, not 0.9000, on 20 validation samples of the run'
    """
    parts = []
    for name, target in measured["targets"].items():
        for what, kind in (("dice", "Dice"), ("error", "error")):
            if target[what] is not None:
                parts.append(f"{kind} of {name} {target[f'{what}_exported']:.4f}, not {target[what]:.4f}")
    return f"int8: {'; '.join(parts)}, on {measured['pictures']} {measured['source']}"
