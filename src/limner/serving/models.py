"""Which models are served; a bundle that changes on the disk is loaded again.

Layer: serving. Imports no web library.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limner._version import __version__
from limner.bundle import BundleMeta, TargetSpec
from limner.errors import ConfigError, LimnerError
from limner.inference.predicting import Predicting
from limner.serving.batching import Batcher
from limner.serving.counting import Counting
from limner.serving.refusals import Refusal, unknown
from limner.serving.settings import Settings

_log = logging.getLogger(__name__)

OpenModel = Callable[[Path], Predicting]
"""Loads a bundle or an exported file."""


@dataclass(eq=False)
class Served:
    """One model.

    Attributes:
        name: By which clients name it.
        path: Its file.
        predictor: What predicts now; another one as soon as the file has changed.
        batcher: What hands it pictures.
        state: Of the file when it was loaded.
        version: How many times it has been loaded.
    """

    name: str
    path: Path
    predictor: Predicting
    batcher: Batcher
    state: tuple[int, int, int]
    version: int = 1

    def describe(self) -> dict[str, Any]:
        """What `GET /v1/models` says of it."""
        meta = self.predictor.meta
        inputs = meta.inputs
        return {
            "name": self.name,
            "targets": [describe_target(name, spec) for name, spec in meta.targets.items()],
            "inputs": {
                "channels": inputs.channels,
                "dtype": inputs.dtype,
                "low": inputs.low,
                "high": inputs.high,
                "fit": inputs.fit,
                "size": None if inputs.size is None else list(inputs.size),
                "parts": list(inputs.parts),
            },
            "engine": self.predictor.engine_name,
            "scores": _scores(meta),
            "created": meta.created,
            "limner": meta.limner,
            "version": self.version,
        }


def describe_target(name: str, spec: TargetSpec) -> dict[str, Any]:
    """What `GET /v1/models` says of a target."""
    thresholds = spec.thresholds or [0.5] * len(spec.names)
    background = spec.task in ("binary", "multiclass")
    classes = [
        {
            "id": number,
            "name": label,
            "color": list(spec.colors[number]),
            "threshold": None if background and number == 0 else thresholds[number],
        }
        for number, label in enumerate(spec.names)
        if spec.task != "regression"
    ]
    numbers = {"low": spec.low, "high": spec.high} if spec.task == "regression" else {"low": None, "high": None}
    return {"name": name, "task": spec.task, "classes": classes, "unit": spec.unit, **numbers}


def _scores(meta: BundleMeta) -> dict[str, Any]:
    """Scores alone: what else stands there may be names of files."""
    return {name: value for name, value in meta.scores.items() if isinstance(value, int | float | dict)}


class Models:
    """The models that are served, by name.

    Args:
        paths: Bundles and exported files by name; the first is meant where none is named.
        open_model: What loads them.
        settings: Of the server.
        counting: Told of batches and of models that were loaded.
        patient: Whether those that are not there, or cannot be loaded, are waited for; then there may be none.

    Raises:
        LimnerError: One cannot be loaded, unless `patient`.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        open_model: OpenModel,
        settings: Settings,
        counting: Counting,
        *,
        patient: bool = False,
    ) -> None:
        self._open, self._settings, self._counting = open_model, settings, counting
        self._served: dict[str, Served] = {}
        self._refused: dict[str, tuple[int, int, int]] = {}
        self._loading = threading.Lock()
        self._awaited = dict(paths) if patient else {}
        for name, path in {} if patient else paths.items():
            self.add(name, path)
        self._look_for_awaited()

    def add(self, name: str, path: Path) -> None:
        """Serve a further model, or another one under a name that there is.

        Raises:
            LimnerError: It cannot be loaded; then what was served still is.
        """
        with self._loading:
            state = _state(path)
            predictor = self._open(path)
            known = self._served.get(name)
            if known is not None:
                # What waits keeps the predictor it was made for; new requests see the new one.
                known.predictor, known.state, known.path, known.version = predictor, state, path, known.version + 1
            else:
                batcher = Batcher(
                    name,
                    batch=self._settings.batch,
                    latency=self._settings.latency,
                    tell=lambda count, seconds: self._counting.batch(name, count, seconds),
                )
                self._served[name] = Served(name, path, predictor, batcher, state)
            self._counting.loaded(name)

    def refresh(self) -> None:
        """Load again what has changed on the disk; what cannot be loaded is reported once, and the old one stays."""
        self._look_for_awaited()
        for served in list(self._served.values()):
            try:
                state = _state(served.path)
                if state in (served.state, self._refused.get(served.name)):
                    continue
                try:
                    self.add(served.name, served.path)
                except LimnerError as error:
                    self._refused[served.name] = state
                    self._counting.not_loaded(served.name)
                    _log.warning(
                        "The changed file of model %s is not served; the old model stays.\n%s", served.name, error
                    )
                else:
                    _log.warning("Model %s was loaded again.", served.name)
            except (ConfigError, OSError):
                continue  # gone for a moment, as it is while it is replaced; the old one stays

    def _look_for_awaited(self) -> None:
        for name, path in list(self._awaited.items()):
            try:
                state = _state(path)
            except ConfigError:
                continue  # not yet there
            if state == self._refused.get(name):
                continue
            try:
                self.add(name, path)
            except LimnerError as error:
                self._refused[name] = state
                _log.warning("The model %s is not served.\n%s", name, error)
            else:
                del self._awaited[name]

    @property
    def missing(self) -> dict[str, str] | None:
        """Why there is no model, in the parts of an error; None where there is one."""
        if self._served:
            return None
        if self._refused:
            return {
                "expected": f"a model that Limner {__version__} can load",
                "found": "one that it cannot, such as one of another version, or a damaged one",
                "remedy": "See what the server says where it was started; training anew makes one that it can.",
            }
        return {
            "expected": "a model",
            "found": "none yet: the run has not finished its first epoch",
            "remedy": "It appears here by itself if the training goes on; see limner train --resume.",
        }

    def find(self, name: str | None) -> Served:
        """The model of a name; without one, the first.

        Raises:
            Refusal: There is none of that name, or none at all.
        """
        if missing := self.missing:
            raise Refusal(404, "NotFound", missing["expected"], missing["found"], missing["remedy"])
        if not name:
            return next(iter(self._served.values()))
        if name not in self._served:
            raise unknown("the name of a model", name, list(self._served))
        return self._served[name]

    def describe(self) -> list[dict[str, Any]]:
        """What `GET /v1/models` says."""
        return [served.describe() for served in list(self._served.values())]

    @property
    def waiting(self) -> int:
        """Pictures that wait to be predicted."""
        return sum(served.batcher.waiting for served in list(self._served.values()))

    def close(self) -> None:
        """Finish what was accepted."""
        for served in self._served.values():
            served.batcher.close()


def _state(path: Path) -> tuple[int, int, int]:
    """What differs once a file was replaced."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise ConfigError(f"a model at '{path}'", "nothing is there", "Give the path of one.") from None
    return found.st_ino, found.st_size, found.st_mtime_ns


def model_names(paths: list[Path], labels: list[str]) -> dict[str, Path]:
    """A name for each model: that of its run folder or file, with a number where two have the same.

    Args:
        paths: Of files.
        labels: What the user called each: a run folder or a file, perhaps as `NAME=PLACE`.
    """
    named: dict[str, Path] = {}
    for path, label in zip(paths, labels, strict=True):
        name = label or "model"
        number = 2
        while name in named:
            name, number = f"{label}-{number}", number + 1
        named[name] = path
    return named
