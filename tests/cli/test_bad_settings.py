"""Settings that are wrong: the nearest right one, and the line where the mistake stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Refused = Callable[..., str]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("epoch=3", "Did you mean 'training.epochs'?"),
        ("training.losss=dice", "Did you mean 'training.loss'?"),
        ("model.epochs=3", "Did you mean 'training.epochs'?"),
        ("trainning.epochs=3", "Did you mean 'training.epochs'?"),
        ("seed=3", "data.seed or training.seed"),
        ("data=cells", "data has path"),
        ("epochs=0", "training.epochs"),
        ("epochs=many", "'many'"),
        ("lr=-1", "training.lr"),
        ("model.dropout=1.5", "model.dropout"),
        ("size=[64]", "data.size"),
        ("optimizer=adamm", "'adamm'"),
        ("time=soon", "90s, 15m"),
        ("split=70-30", "70:15:15"),
        ("val=0", "data.val"),
        ("loss=dicee", "dice"),
        ("data.layout=paris", "pairs"),
        ("class_weights=[1,2,3]", "class"),
        ("model.name=unett", "unet"),
        ("class_names=[a]", "data.class_names"),
    ],
)
def test_on_the_command_line(refused: Refused, data: Path, tmp_path: Path, word: str, expected: str) -> None:
    assert expected in refused("train", data, word, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("training:\n  epochs: 3\n  bach: 4\n", ("line 3", "Did you mean 'training.batch'?")),
        ("training:\n  epochs: -3\n", ("line 2", "training.epochs")),
        ("training:\n  epochs: '3'\n", ("line 2", "integer")),
        ("trainin:\n  epochs: 3\n", ("line 1", "'training'")),
        ("epochs: 3\n", ("line 1", "'training.epochs'")),
        ("- epochs\n- 3\n", ("sections",)),
        ("just text\n", ("sections",)),
        ("training:\n\tepochs: 3\n", ("line 2", "YAML")),
        ("training: [1\n", ("line", "YAML")),
        ("training:\n  epochs: 3\n  epochs: 4\n", ("line 2", "line 3")),
    ],
)
def test_in_a_file(refused: Refused, data: Path, tmp_path: Path, text: str, expected: tuple[str, ...]) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    message = refused("train", data, "--config", path, "-o", tmp_path / "out")
    assert str(path) in message
    for part in expected:
        assert part in message
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there(refused: Refused, data: Path, tmp_path: Path) -> None:
    assert "nothing.yaml'" in refused("train", data, "-c", tmp_path / "nothing.yaml")


def test_options_that_contradict(refused: Refused, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "either data.split or" in refused("train", data, "--split", "70:15:15", "--val", "0.2", "-o", out)
    assert "no masks" in refused("train", "--images", data / "images", "-o", out)
    assert not out.exists()


def test_words_that_are_no_settings(refused: Refused, data: Path) -> None:
    message = refused("train", data, "epochs", "3")
    assert f"'{data}', 'epochs', '3'" in message
    assert "key=value" in message


def test_no_words(refused: Refused) -> None:
    assert "Name a folder" in refused("train")
    assert "Name a folder" in refused("train", "epochs=3")


def test_an_unknown_example(refused: Refused, tmp_path: Path) -> None:
    message = refused("sample", "cell", tmp_path / "x")
    assert "Did you mean 'cells'?" in message
    assert "coins" in message
