"""What a worker of a cluster is told and says, without a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from limner.errors import ConfigError, DataError, LimnerError, OutputError
from limner.images import write_image
from limner.inference.folder import predict_folder
from limner.inference.pipeline import Failure, WrittenPicture
from limner.inference.predictor import Predictor
from limner.inference.sources import Picture
from limner.inference.tasks import Task
from limner.inference.wanted import Wanted
from limner.inference.worker import STOPPED, Assignment, Worker, _task, answer_in, each_once, question, refusal

ALL = Wanted(probabilities="npz", overlay=True, contours=("labelme",), measure=True)


@pytest.fixture
def bundle(every_task: Callable[..., Path]) -> Path:
    return every_task("unet")


@pytest.fixture
def tasks(tmp_path: Path) -> list[Task]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(5):
        path = tmp_path / "pictures" / f"{number}.png"
        write_image(path, rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))
        found.append(Task(Picture(str(path), path.name), path.stem))
    Path(found[3].picture.location).write_bytes(b"no picture")
    return found


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def questions(tasks: list[Task]) -> list[tuple[int, str]]:
    return [(number, question(task)) for number, task in enumerate(tasks)]


def test_workers_write_what_one_process_does_however_often_they_are_asked(
    bundle: Path, tasks: list[Task], tmp_path: Path
) -> None:
    predict_folder(Predictor.from_file(bundle, device="cpu"), [tmp_path / "pictures"], tmp_path / "one", ALL)
    out, parts = tmp_path / "many", tmp_path / "many" / ".parts"
    parts.mkdir(parents=True)
    assignment = Assignment(ALL, str(out), str(parts), tasks[0].picture.location, device="cpu")
    answers = []
    for share in (tasks[:3], tasks[2:]):
        worker = Worker(bundle.read_bytes(), assignment)
        numbers = [(tasks.index(task), question(task)) for task in share]
        answers += list(worker.answer(numbers))
    outcomes = dict(each_once(answers, tasks))
    assert [isinstance(outcomes[number], WrittenPicture) for number in range(5)] == [True, True, True, False, True]
    failed = outcomes[3]
    assert isinstance(failed, Failure)
    assert "3.png" in str(failed.error)
    one = {name: data for name, data in contents(tmp_path / "one").items() if name != "objects.csv"}
    assert {name: data for name, data in contents(out).items() if ".parts" not in name} == one
    assert not [path for path in parts.rglob("*") if path.is_file()]


def test_names_that_are_no_text_and_samples_of_several_pictures_arrive(tmp_path: Path) -> None:
    name = b"caf\xe9.png".decode(errors="surrogateescape")
    task = Task(Picture(f"/x/{name}", name), "café", {"a": "/a.png", "b": f"/x/{name}"})
    assert _task(question(task)) == task


def test_answers_count_once_and_missing_ones_are_named() -> None:
    tasks = [Task(Picture(f"/{name}.png", f"{name}.png"), name) for name in "abc"]
    said = '{"record": {"apart": false, "strange": ""}}'
    numbers = [number for number, _ in each_once([(2, said), (0, said), (2, said), (1, said)], tasks)]
    assert numbers == [2, 0, 1]
    with pytest.raises(OutputError, match=r"3 pictures\nFound: +none for 1\n +- b\.png\n.*--resume"):
        list(each_once([(0, said), (2, said)], tasks))


def test_errors_come_through_as_they_were() -> None:
    error = DataError("a", "b", "c", details=["d"])
    outcome = answer_in(refusal(error), Picture("/a.png", "a.png"))
    assert isinstance(outcome, Failure)
    assert (type(outcome.error), str(outcome.error)) == (DataError, str(error))
    with pytest.raises(DataError, match=r"Found: +b"):
        list(each_once([(STOPPED, refusal(error))], [Task(Picture("/a.png", "a.png"), "a")]))


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"version": "0.0.9"}, ConfigError, "Limner 0.0.9 on every machine"),
        ({"parts": "/nowhere/parts"}, OutputError, "a folder 'masks' that every machine of the cluster sees"),
        ({"witness": "/nowhere/a.png"}, DataError, "there is no '/nowhere/a.png'"),
    ],
)
def test_machines_that_would_work_on_something_else_are_refused(
    changes: dict[str, Any], kind: type[LimnerError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        Worker(b"", Assignment(Wanted(), "masks", **changes))


def test_a_worker_that_cannot_write_says_so(bundle: Path, tasks: list[Task], tmp_path: Path) -> None:
    out, parts = tmp_path / "out", tmp_path / "out" / ".parts"
    parts.mkdir(parents=True)
    (out / "binary").write_text("a file where a folder must be")
    answers = list(Worker(bundle.read_bytes(), Assignment(Wanted(), str(out), str(parts))).answer(questions(tasks)))
    assert answers[-1][0] == STOPPED
    with pytest.raises(OutputError, match="can be written"):
        list(each_once(answers, tasks))
