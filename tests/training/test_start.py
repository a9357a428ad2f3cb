"""Starting from a bundle: what is taken over, what is new, what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from limner.bundle import read_meta
from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.errors import ConfigError, DataError, OutputError
from limner.training.progress import Silent
from limner.training.start import agreed
from limner.workflow.train import Run

Train = Callable[..., Run]

STILL = {"training.epochs": 1, "training.lr": 1e-12, "training.ema": 0.0, "model.conv_sizes": None, "data.size": None}
"""A training that changes nothing to speak of, with nothing said about the network."""


class Notes(Silent):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


def same_weights(first: Run, second: Run, *, but: str = "\0") -> dict[str, bool]:
    before, after = load_file(first.model), load_file(second.model)
    moving = ("running_mean", "running_var", "num_batches_tracked")
    return {
        name: torch.allclose(before[name], after[name], atol=1e-6)
        for name in before
        if not name.endswith(moving) and but not in name
    }


def test_architecture_scale_classes_and_splits_come_from_the_bundle(
    trained: Run, cells: Path, small_train: Train, tmp_path: Path
) -> None:
    notes = Notes()
    source = trained.model.read_bytes()
    settings = STILL | {"data.size": [64, 48], "data.seed": 5}
    run = small_train(cells, tmp_path / "run", start_from=trained.folder, settings=settings, reporter=notes)
    assert all(same_weights(trained, run).values())
    before, after = read_meta(trained.model), read_meta(run.model)
    assert (after.model, after.inputs.mean, after.targets) == (before.model, before.inputs.mean, before.targets)
    assert (before.inputs.size, after.inputs.size) == ((32, 32), (64, 48))
    catalogs = [Catalog.load(folder / "samples.csv") for folder in (trained.folder, run.folder)]
    assert catalogs[0].splits == catalogs[1].splits, "whatever the seed: no sample trained on is scored"
    record = json.loads((run.folder / "run.json").read_text())
    assert record["started_from"]["data_hash"] == before.data.hash
    assert record["started_from"]["new"] == []
    carried = record["started_from"]["carried"]
    assert any(f"{carried} of its {carried} tensors" in text for text in notes.texts)
    assert trained.model.read_bytes() == source
    assert run.report
    assert before.data.hash[:16] in run.report.read_text()


@pytest.mark.slow
def test_what_is_started_goes_on_without_its_source(
    trained: Run, cells: Path, small_train: Train, tmp_path: Path
) -> None:
    copy = tmp_path / "source.safetensors"
    copy.write_bytes(trained.model.read_bytes())
    run = small_train(cells, tmp_path / "run", start_from=copy, settings=STILL)
    copy.unlink()
    again = small_train(None, resume=run.folder, settings={"training.epochs": 2})
    assert json.loads((again.folder / "run.json").read_text())["started_from"]["bundle"] == str(copy)
    with pytest.raises(ConfigError, match="a run to resume, alone"):
        small_train(None, resume=run.folder, start_from=trained.folder)


@pytest.mark.slow
def test_without_data_the_run_goes_on_with_its_own(trained: Run, small_train: Train, tmp_path: Path) -> None:
    run = small_train(None, tmp_path / "run", start_from=trained.folder, settings=STILL)
    catalogs = [Catalog.load(folder / "samples.csv") for folder in (trained.folder, run.folder)]
    assert (catalogs[0].ids, catalogs[0].splits) == (catalogs[1].ids, catalogs[1].splits)
    assert read_meta(run.model).inputs.size == (32, 32)


def test_other_classes_get_a_new_head_and_keep_the_rest(
    trained: Run, cells: Path, small_train: Train, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    (data / "images").mkdir(parents=True)
    (data / "masks").mkdir()
    for image in (cells / "images").iterdir():
        (data / "images" / image.name).write_bytes(image.read_bytes())
        mask = (np.asarray(Image.open(cells / "masks" / image.name)) > 0).astype(np.uint8)
        mask[:, : mask.shape[1] // 2] *= 2
        Image.fromarray(mask).save(data / "masks" / image.name)
    notes = Notes()
    run = small_train(data, tmp_path / "run", start_from=trained.folder, settings=STILL, reporter=notes)
    assert all(same_weights(trained, run, but="heads").values())
    record = json.loads((run.folder / "run.json").read_text())
    assert record["started_from"]["new"] == ["heads.0.convs.to_mask.weight", "heads.0.convs.to_mask.bias"]
    assert any("new at random: heads.0.convs.to_mask.weight" in text for text in notes.texts)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"model.conv_sizes": [4, 16]}, r"conv_sizes=\[4, 8\](.|\n)*conv_sizes=\[4, 16\]"),
        ({"model.name": "improved_unet"}, "name=unet"),
        ({"model.norm": "instance"}, "norm=batch"),
        ({"model.pretrained": True}, "the bundle's own weights"),
    ],
)
def test_another_network_is_refused(
    trained: Run, cells: Path, small_train: Train, tmp_path: Path, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        small_train(cells, tmp_path / "run", start_from=trained.folder, settings=STILL | settings)


def test_other_pictures_are_refused(trained: Run, cells: Path, small_train: Train, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(cells, data)
    for path in (data / "images").iterdir():
        grey = np.asarray(Image.open(path))
        Image.fromarray(np.stack([grey, grey // 2, grey // 3], axis=-1)).save(path)
    with pytest.raises(DataError, match=r"1 channel\n(.|\n)*3 channels that differ"):
        small_train(data, tmp_path / "run", start_from=trained.folder, settings=STILL)


def test_the_source_cannot_be_overwritten(trained: Run, cells: Path, small_train: Train) -> None:
    with pytest.raises(OutputError, match="it holds files already"):
        small_train(cells, trained.folder, start_from=trained.folder, settings=STILL)


def label_map(task: str, values: tuple[tuple[object, ...], ...], **more: object) -> LabelMap:
    names = tuple(f"class {number}" for number in range(len(values)))
    return LabelMap(task, names, ((0, 0, 0),) * len(values), "values", values, **more)  # type: ignore[arg-type]


def test_which_label_maps_mean_the_same_classes() -> None:
    three = label_map("multiclass", ((0,), (1,), (2,)))
    two = label_map("binary", ((0,), (1,)))
    assert agreed(two, three, given=False) == three, "one class does not occur in these data"
    assert agreed(two, three, given=True) is None, "the user says that there are two"
    assert agreed(three, two, given=False) is None
    assert agreed(label_map("binary", ((0,), (255,))), two, given=False).values == ((0,), (255,))
    assert agreed(label_map("multiclass", ((0,), (1,), (3,))), three, given=False) is None
    partly = label_map("multiclass", ((0,), (1,), (2,)), ignore=(255,))
    assert agreed(partly, three, given=False) == partly, "pixels that nobody knew stay out of it"


def test_planes_in_another_order_are_refused_and_not_renamed() -> None:
    known = replace(label_map("multilabel", ((1,), (1,))), encoding="planes", names=("heart", "left ventricle"))
    turned = replace(known, names=known.names[::-1])
    with pytest.raises(ConfigError, match="heart, left ventricle") as caught:
        agreed(turned, known, given=False)
    assert "left ventricle, heart" in str(caught.value)
    other = replace(known, names=("coeur", "ventricule gauche"))
    assert agreed(other, known, given=False) == known, "names alone may differ"


def test_numbers_keep_the_scale_of_the_bundle() -> None:
    known = label_map("regression", (), unit="m", low=1.0, high=5.0)
    found = label_map("regression", (), unit="m", low=0.0, high=9.0)
    assert agreed(found, known, given=False) == known
    with pytest.raises(ConfigError, match="numbers in m"):
        agreed(label_map("regression", (), unit="cm"), known, given=False)
