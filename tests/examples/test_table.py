from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from limner.errors import ConfigError, OutputError
from limner.examples import EXAMPLES, write_example


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(name, tmp_path):
    first, again, other = (
        contents(write_example(name, tmp_path / folder, count=2, seed=seed, size=(64, 96)))
        for folder, seed in [("a", 3), ("b", 3), ("c", 4)]
    )
    assert first == again
    assert first.keys() == other.keys()
    assert all(first[file] != other[file] for file in first if not file.endswith(".DS_Store"))


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_readme_says_what_it_is(name, tmp_path):
    text = (write_example(name, tmp_path / "new" / name, count=1, size=(64, 64)) / "README.txt").read_text(
        encoding="utf-8"
    )
    assert name in text.lower().splitlines()[0]
    assert "CC0" in text
    assert "seed 0" in text


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_each_has_a_line_that_says_what_it_draws(name):
    line = (EXAMPLES[name].__doc__ or "").splitlines()[0]
    assert line.endswith(".")


def test_unknown_names_are_refused_with_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match=r"Did you mean 'cells'\?"):
        write_example("cell", tmp_path)
    with pytest.raises(ConfigError, match="cells, tissue, coins"):
        write_example("xyz", tmp_path)


@pytest.mark.parametrize("wrong", [{"count": 0}, {"seed": -1}, {"size": (63, 64)}])
def test_impossible_numbers_are_refused(wrong, tmp_path):
    with pytest.raises(ConfigError):
        write_example("cells", tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()


def test_nothing_is_written_among_other_files(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(OutputError, match="holds files"):
        write_example("cells", tmp_path, count=1)
    with pytest.raises(OutputError, match="a file"):
        write_example("cells", tmp_path / "mine.txt", count=1)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_more_pictures_leave_the_first_as_they_were(tmp_path):
    few = contents(write_example("coins", tmp_path / "few", count=2))
    many = contents(write_example("coins", tmp_path / "many", count=3))
    assert few.items() <= many.items()


def test_importing_examples_imports_no_torch():
    code = "import sys, limner.examples; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", sorted(EXAMPLES))
@pytest.mark.parametrize("size", [(64, 64), (97, 150)])
def test_other_sizes_can_be_drawn(name, size, tmp_path):
    EXAMPLES[name](tmp_path, 1, 0, size)
    written = [file for file in contents(tmp_path) if file.endswith((".png", ".jpg", ".gif", ".npy", ".zip"))]
    assert len(written) >= 2
    assert (tmp_path / "README.txt").is_file()
