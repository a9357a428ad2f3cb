"""Depth of composites: none, level ground, or a function of the user's.

Layer: workflow.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float32, UInt8

from limner.errors import ConfigError, DataError
from limner.render import Placement, compose, plane_depth

Depth: TypeAlias = Callable[[np.ndarray, np.ndarray, Placement], np.ndarray]
"""From a background, a cut-out and its placement to `height width` numbers from 0 to 1."""


def load_depth(name: str) -> Depth | None:
    """The function that `--depth` names; None for `none`.

    Raises:
        ConfigError: There is no such function.
    """
    if name == "none":
        return None
    if name == "plane":
        return _plane
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise ConfigError("a depth none, plane or MODULE:FUNCTION", f"'{name}'", "Write for example mydepth:render.")
    found = getattr(_imported(module), function, None)
    if not callable(found):
        raise ConfigError(f"a function '{function}' in module '{module}'", "there is none", "Check its name.")
    return _Checked(found, name)


def _imported(module: str) -> Any:
    here = str(Path.cwd())
    sys.path.insert(0, here)  # as `python -m` does: the user's module lies where the command is typed
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"a Python module '{module}' that can be imported", str(error), f"Put {module}.py into '{here}'."
        ) from error
    finally:
        sys.path.remove(here)


def _plane(
    background: UInt8[np.ndarray, "height width 3"], cutout: UInt8[np.ndarray, "_ _ 4"], placement: Placement
) -> Float32[np.ndarray, "height width"]:
    return plane_depth(compose(background, cutout, placement)[1])


class _Checked:
    """A user's function whose results are looked at."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self._name = name

    def __call__(
        self,
        background: UInt8[np.ndarray, "height width 3"],
        cutout: UInt8[np.ndarray, "_ _ 4"],
        placement: Placement,
    ) -> Float32[np.ndarray, "height width"]:
        depth = np.asarray(self._function(background, cutout, placement), np.float32)
        size = background.shape[:2]
        if depth.shape != size:
            found = f"an array of shape {depth.shape}"
        elif not (depth >= 0).all() or not (depth <= 1).all():
            found = f"numbers from {np.nanmin(depth):g} to {np.nanmax(depth):g}, or NaN"
        else:
            return depth
        raise DataError(
            f"'{self._name}' gives {size[0]}×{size[1]} numbers from 0 (near) to 1 (far)", found, "Correct the function."
        )
