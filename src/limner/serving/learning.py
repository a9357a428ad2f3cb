"""Training on what clients have saved, in a process of its own; the new model is served once it is there.

Layer: serving. Imports no web library.

The process is `limner train`, at a lower priority than the server. Its run lies below the folder of saved pairs, hidden
from those who look for pictures there.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path
from typing import Any

from limner.errors import LimnerError
from limner.serving.models import Models, Served
from limner.serving.refusals import Refusal, unprocessable, without_folders
from limner.serving.saving import Dataset

_log = logging.getLogger(__name__)

_RUNS = ".runs"
_LOG, _RESULT = "log.txt", "result.json"
_LINES = 20
_NICER = 10
_ENDING = 30.0


class Learning:
    """Trains on one folder, one training at a time.

    Args:
        dataset: Where pairs are saved.
        models: Told of the new model.
    """

    def __init__(self, dataset: Dataset, models: Models) -> None:
        self._dataset, self._models = dataset, models
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._run: Path | None = None
        self._state, self._epochs, self._name = "idle", 0, ""
        self._problem: dict[str, str] | None = None
        self._waiting: threading.Thread | None = None

    def start(self, served: Served, *, epochs: int | None, time: str | None) -> None:
        """Begin to train from a model's weights.

        Args:
            served: The model.
            epochs: How many; None leaves it to the time.
            time: How long, as `10m`; None leaves it to the epochs.

        Raises:
            Refusal: A training runs; nothing was saved; the model is an exported file.
        """
        with self._lock:
            if self._state == "running":
                raise Refusal(409, "Running", "no other training", "one that runs", "Wait for it, or stop it.")
            if not self._dataset.names():
                raise unprocessable("pictures that were saved with their masks", "none", "Save some first.")
            if served.path.suffix != ".safetensors":
                raise unprocessable("a model that can be trained", f"'{served.name}', an export", "Name another model.")
            number = 1
            while (run := self._dataset.folder / _RUNS / f"trained-{number}").exists():
                number += 1
            run.parent.mkdir(exist_ok=True)
            place = run.parent / f"{run.name}-output"
            place.mkdir(exist_ok=True)
            length = [f"training.epochs={epochs}"] if epochs is not None else ["--time", str(time)]
            command = [sys.executable, "-m", "limner", "train", str(self._dataset.folder), "--from", str(served.path)]
            with (place / _LOG).open("wb") as log, (place / _RESULT).open("wb") as result:
                self._process = subprocess.Popen(  # noqa: S603 - nothing of a client but numbers
                    [*command, "--out", str(run), "--json", *length],
                    stdin=subprocess.DEVNULL, stdout=result, stderr=log, start_new_session=True,
                )  # fmt: skip
            os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICER)
            self._run, self._state, self._epochs, self._name, self._problem = run, "running", epochs or 0, "", None
            self._waiting = threading.Thread(target=self._wait, args=(self._process, run, place), daemon=True)
            self._waiting.start()

    def stop(self) -> None:
        """End the training, if one runs; it saves what it has."""
        with self._lock:
            if self._state != "running" or self._process is None:
                return
            self._state = "stopped"
            process = self._process
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            process.kill()

    def describe(self) -> dict[str, Any]:
        """What `GET /v1/train` says."""
        with self._lock:
            state, run, epochs, name, problem = self._state, self._run, self._epochs, self._name, self._problem
        metrics = [] if run is None else _metrics(run)
        return {
            "state": state,
            "epoch": metrics[-1]["epoch"] if metrics else 0,
            "epochs": epochs or None,
            "metrics": metrics,
            "log": [] if run is None else self._tail(run.parent / f"{run.name}-output" / _LOG),
            "model": name or None,
            "error": problem,
        }

    def close(self) -> None:
        """End the training with the server."""
        self.stop()
        if self._waiting is not None:
            self._waiting.join(_ENDING)

    def _wait(self, process: subprocess.Popen[bytes], run: Path, place: Path) -> None:
        code = process.wait()
        bundle, name, problem = run / "model.safetensors", "", None
        if code == 0 and bundle.is_file():
            try:
                self._models.add(run.name, bundle)
                name = run.name
            except LimnerError as error:
                _log.error("The trained model is not served.\n%s", error)
                problem = self._told("a model", "it cannot be loaded", "Tell who runs the server.")
        else:
            problem = self._failure(place, code)
        with self._lock:
            if self._state == "running":
                self._state, self._name, self._problem = ("done" if name else "failed"), name, problem

    def _failure(self, place: Path, code: int) -> dict[str, str]:
        """What the command said that it missed."""
        try:
            said = json.loads((place / _RESULT).read_text("utf-8"))
            return self._told(said["expected"], said["found"], said["remedy"])
        except (OSError, ValueError, KeyError, TypeError):
            return self._told("a training to its end", f"exit code {code}", "See its log.")

    def _told(self, expected: str, found: str, remedy: str) -> dict[str, str]:
        words = {"expected": expected, "found": found, "remedy": remedy}
        return {"kind": "TrainingError", **{name: self._without_places(text) for name, text in words.items()}}

    def _tail(self, log: Path) -> list[str]:
        try:
            with log.open(encoding="utf-8", errors="replace") as lines:
                return [self._without_places(line.rstrip()) for line in deque(lines, _LINES)]
        except OSError:
            return []

    def _without_places(self, text: str) -> str:
        folder = self._dataset.folder
        return without_folders(text, str(folder.resolve()), str(folder), str(Path.home()))


def _metrics(run: Path) -> list[dict[str, Any]]:
    """Loss and Dice of each epoch; a line that is being written is left out."""
    found = []
    try:
        lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            epoch = json.loads(line)
        except ValueError:
            continue
        found.append({"epoch": epoch["epoch"], "loss": epoch.get("train_loss"), "dice": epoch.get("val_dice")})
    return found
