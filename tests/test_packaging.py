"""What a user installs: light to import, one version, licensed, typed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import limner

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "limner"
HEAVY = ("torch", "lightning", "matplotlib", "scipy", "PIL", "tensorboard")


def modules_after(code: str) -> set[str]:
    """Names of top-level modules that a fresh interpreter holds after running `code`."""
    report = "import sys; print('\\n'.join({name.partition('.')[0] for name in sys.modules}))"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(result.stdout.split())


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


class TestImport:
    def test_importing_limner_loads_nothing_heavy(self):
        assert not modules_after("import limner").intersection(HEAVY)

    @pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
    def test_help_loads_nothing_heavy(self, arguments):
        code = (
            f"import sys; sys.argv = ['limner', *{arguments!r}]\n"
            "from limner.cli import main\n"
            "try: main()\n"
            "except SystemExit as end: assert not end.code, end.code"
        )
        assert not modules_after(code).intersection(HEAVY)

    @pytest.mark.parametrize(
        ("module", "unwanted"),
        [
            (
                "predict",
                ("lightning", "matplotlib", "scipy.optimize", "scipy.stats", "timm", "limner.data.traces.kept"),
            ),
            pytest.param("train", ("limner.data.traces.kept", "timm"), marks=pytest.mark.slow),
        ],
    )
    def test_work_begins_without_what_it_may_not_need(self, module, unwanted):
        code = f"import sys, limner.workflow.{module}; print([name for name in {unwanted!r} if name in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
        assert done.stdout.strip() == "[]"

    @pytest.mark.parametrize("module", ["config", "files", "types", "errors", "images", "data", "render", "examples"])
    def test_rooms_below_the_models_load_no_torch(self, module):
        assert "torch" not in modules_after(f"import limner.{module}")

    @pytest.mark.parametrize(
        "arguments",
        [
            ["traces", "nowhere", "-o", "out"],
            ["convert", "nowhere", "-o", "out"],
            ["split", "nowhere"],
            ["compose", "--backgrounds", "nowhere", "--foregrounds", "nowhere", "-o", "out"],
        ],
        ids=lambda arguments: arguments[0],
    )
    def test_verbs_without_a_network_load_no_torch(self, arguments):
        code = (
            f"import sys; sys.argv = ['limner', *{arguments!r}]\n"
            "from limner.cli import main\n"
            "try: main()\n"
            "except SystemExit as end: assert end.code == 2, end.code"
        )
        assert not modules_after(code).intersection(("torch", "lightning"))

    def test_front_door_holds_what_it_says(self):
        assert limner.__all__ == sorted(limner.__all__)
        for name in limner.__all__:
            assert getattr(limner, name) is not None
        assert set(limner.__all__) <= set(dir(limner))

    def test_no_package_takes_the_name_of_a_verb(self):
        # Python binds a package's name when something of it is imported, over what the front door has there.
        assert {module.name for module in pkgutil.iter_modules(limner.__path__)}.isdisjoint(limner.__all__)

    def test_unknown_name_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="no attribute 'trian'"):
            _ = limner.trian

    def test_runs_as_a_module(self):
        command = [sys.executable, "-m", "limner", "--version"]
        result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
        assert result.stdout == f"limner {limner.__version__}\n"


class TestVersion:
    def test_installed_version_is_the_one_in_the_code(self):
        assert importlib.metadata.version("limner") == limner.__version__

    def test_version_is_written_in_one_place(self):
        holders = [path.name for path in SOURCE.rglob("*.py") if f'"{limner.__version__}"' in path.read_text("utf-8")]
        assert holders == ["_version.py"]
        assert "version" in project()["project"]["dynamic"]

    def test_changelog_has_the_version(self):
        assert f"## [{limner.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


class TestFiles:
    def test_licence_is_apache_2_unmodified(self):
        digest = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()
        assert digest == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
        assert project()["project"]["license"] == "Apache-2.0"

    def test_type_checkers_are_told_of_the_annotations(self):
        assert (SOURCE / "py.typed").is_file()

    def test_no_source_file_is_too_long_to_read(self):
        long = {
            path.name: count for path in SOURCE.rglob("*.py") if (count := path.read_text("utf-8").count("\n")) > 400
        }
        assert not long

    def test_every_module_says_what_it_is(self):
        silent = [
            str(path.relative_to(SOURCE))
            for path in SOURCE.rglob("*.py")
            if not path.read_text(encoding="utf-8").startswith('"""')
        ]
        assert not silent


class TestPins:
    def test_every_requirement_is_pinned(self):
        pins = re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
        pinned = {normal(pin) for pin in pins}
        groups = project()["dependency-groups"]
        wanted = [*project()["project"]["dependencies"], *groups["test"], *groups["lint"]]
        assert {normal(re.match(r"[\w.-]+", line)[0]) for line in wanted} <= pinned

    def test_nothing_is_pinned_twice(self):
        lines = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if "==" in line]
        names = [normal(line.partition("==")[0]) for line in lines]
        assert len(names) == len(set(names))

    def test_pins_are_for_every_platform(self):
        assert not re.search(
            r"^(nvidia-|cuda-|triton|limner)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE
        )


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


class TestCommands:
    def test_make_lists_every_target(self):
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
        listed = subprocess.run(["make", "-s", "help"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
        for target in targets:
            assert re.search(rf"^  make {target} +\S", listed, re.MULTILINE), target

    def test_ci_runs_the_tests_as_the_readme_does(self):
        lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
        assert [line.partition(" ||")[0] for line in lines if line.startswith("make")] == [
            "make browser",
            "make test",
            "make test-slow",
            "make lint",
            "make types",
            "make layers",
        ]
