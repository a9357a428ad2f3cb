"""Scores of a run's samples that its own evaluation left out, found in the background.

Layer: serving. Imports no web library.

The network is asked through the queue that clients' pictures wait in, a few pictures at a time: one thread uses it, and
a client waits for no more than these.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from limner.errors import LimnerError, ResourceError
from limner.inference.familiarity import Strangeness
from limner.inference.inputs import Given, ModelInput
from limner.inference.predicting import Predicting
from limner.inference.prediction import Prediction
from limner.inference.scoring import score
from limner.serving.batching import Job
from limner.serving.models import Models, Served
from limner.serving.refusals import Refusal, without_folders
from limner.serving.shown import Rated, SampleGroup, ShownRun, Trouble

_log = logging.getLogger(__name__)
_AHEAD = 4
_ENDING = 30.0


class _Stopped(Exception):  # noqa: N818 - nothing went wrong
    """The server ends."""


class Rating:
    """Scores groups of samples, one group at a time.

    Args:
        run: Whose samples.
        models: What is served.
    """

    def __init__(self, run: ShownRun, models: Models) -> None:
        self._run, self._models = run, models
        self._lock = threading.Lock()
        self._found: dict[str, Mapping[str, Rated]] = {}
        self._failed: dict[str, Trouble] = {}
        self._group = ""
        self._done = 0
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()

    def rated(self, group: SampleGroup) -> Mapping[str, Rated] | None:
        """What is known of a group's samples: what the run wrote down, else what was found here; None of neither."""
        known = group.rated()
        return self._found.get(group.name) if known is None else known

    def start(self, group: SampleGroup) -> None:
        """Begin to score a group; nothing happens where it is scored, or being scored.

        Raises:
            Refusal: Another group is being scored; there is no model.
        """
        if self.rated(group) is not None:
            return
        served = self._models.find(group.models[0])
        with self._lock:
            if self._group:
                if self._group == group.name:
                    return
                raise Refusal(409, "Running", "no other scoring", f"that of '{self._group}'", "Wait for it.")
            self._group, self._done = group.name, 0
            self._failed.pop(group.name, None)
            self._thread = threading.Thread(target=self._work, args=(group, served), name="rate", daemon=True)
            self._thread.start()

    def describe(self, group: SampleGroup) -> dict[str, Any]:
        """How far the scoring of a group is."""
        rated = self.rated(group) is not None
        running = self._group == group.name
        failed = self._failed.get(group.name)
        state = "done" if rated else "running" if running else "failed" if failed else "idle"
        return {
            "state": state,
            "done": len(group.places) if rated else self._done if running else 0,
            "error": failed.to_dict() if failed and state == "failed" else None,
        }

    def close(self) -> None:
        """End with the server."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_ENDING)

    def _work(self, group: SampleGroup, served: Served) -> None:
        catalog = self._run.catalog.subset(list(group.places))
        try:
            table = score(
                _InTurn(served), catalog, self._run.label_maps, doubts=True, progress=lambda done, _: self._tell(done)
            )
            self._found[group.name] = dict(zip(catalog.ids, self._run.rate(table), strict=True))
        except _Stopped:
            pass
        except LimnerError as error:
            _log.error("The %s samples were not scored.\n%s", group.name, error)
            self._failed[group.name] = Trouble(
                *(without_folders(text) for text in (error.expected, error.found, error.remedy))
            )
        except Exception:
            _log.exception("The %s samples were not scored.", group.name)
            self._failed[group.name] = Trouble("scores", "an error in the server", "Tell who runs it; it is logged.")
        finally:
            with self._lock:
                self._group = ""

    def _tell(self, done: int) -> None:
        self._done = done
        if self._stop.is_set():
            raise _Stopped


class _InTurn(Predicting):
    """Predicts as a served model does, through its queue."""

    def __init__(self, served: Served) -> None:
        self._model, self._batcher = served.predictor, served.batcher
        self.meta, self.engine_name, self.tta = self._model.meta, self._model.engine_name, self._model.tta

    def make_input(self, picture: Given | Mapping[str, Given], where: str = "the picture") -> ModelInput:
        return self._model.make_input(picture, where)

    def strangeness(self, picture: ModelInput) -> Strangeness | None:
        return self._model.strangeness(picture)

    def attempt_inputs(
        self, inputs: Iterable[ModelInput], *, probabilities: bool = True, doubts: bool = False
    ) -> Iterator[Prediction | ResourceError]:
        waiting: deque[Job] = deque()
        for picture in inputs:
            job = Job(self._model, picture, probabilities, doubts)
            self._batcher.put(job)
            waiting.append(job)
            if len(waiting) >= _AHEAD:
                yield _outcome(waiting.popleft())
        while waiting:
            yield _outcome(waiting.popleft())


def _outcome(job: Job) -> Prediction | ResourceError:
    try:
        return job.future.result()
    except ResourceError as error:
        return error
