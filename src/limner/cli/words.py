"""The words of commands: a model, which comes first unless an option names it, and sizes.

Layer: cli.
"""

from __future__ import annotations

from collections.abc import Sequence

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
