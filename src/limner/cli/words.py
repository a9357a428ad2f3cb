"""The words of a command whose first is a model, unless an option names it.

Layer: cli.
"""

from __future__ import annotations

from collections.abc import Sequence

from limner.errors import ConfigError


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
