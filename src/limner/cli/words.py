"""The words of commands: a model, which comes first unless an option names it, sizes, and settings.

Layer: cli.
"""

from __future__ import annotations

from collections.abc import Sequence
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
