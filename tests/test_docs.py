"""The documentation tells the truth: generated pages are current, links resolve, nothing is left out."""

from __future__ import annotations

import importlib.util
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import limner
from limner.config import Config, load_config, parse_override

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def fences(page: Path, language: str) -> list[str]:
    return [text for kind, text in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language]


def links(page: Path) -> Iterator[str]:
    without_code = re.sub(r"`[^`\n]*`", "", prose(page))
    yield from re.findall(r"\]\(([^)\s]+)\)", without_code)
    yield from re.findall(r'(?:src|href)="([^"]+)"', without_code)


def anchors(page: Path) -> set[str]:
    """Anchors as GitHub makes them from headings."""
    headings = re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_generated_pages_are_current():
    command = [sys.executable, "docs/generate.py", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_check_names_a_stale_page(generate, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(generate, "REFERENCE", tmp_path)
    assert generate.main(["--check"]) == 1
    assert "docs/reference/cli.md is stale" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert generate.main(["--check"]) == 0
    (tmp_path / "settings.md").write_text("old")
    assert generate.main(["--check"]) == 1


def test_every_setting_is_documented(generate):
    text = generate.settings_page()
    for name, section in Config.model_fields.items():
        part = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for key, field in section.annotation.model_fields.items():
            assert re.search(rf"^\| `{key}` \|.*\| {re.escape(field.description)} \|$", part, re.MULTILINE)


def test_every_command_and_option_is_documented(generate):
    text = generate.cli_page()
    found = generate.commands()
    assert {"limner train", "limner evaluate", "limner predict", "limner report"} <= set(found)
    for name, command in found.items():
        part = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                written = f"`{option}`" if option.startswith("-") else option
                assert written.lower() in part.lower(), f"{name} {option}"
            assert parameter.help, f"{name} {parameter.name} says nothing about itself"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_resolve(page):
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{link} leads nowhere"
        if anchor and path.suffix == ".md":
            assert anchor in anchors(path), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_yaml_examples_are_valid_settings(page, tmp_path):
    for example in fences(page, "yaml"):
        (tmp_path / "example.yaml").write_text(example, encoding="utf-8")
        load_config(tmp_path / "example.yaml")


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_python_examples_use_names_that_exist(page):
    for example in fences(page, "python"):
        compile(example, page.name, "exec")
        for name in re.findall(r"\blimner\.(\w+)", example):
            assert name in limner.__all__, name


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_shell_examples_use_commands_options_and_settings_that_exist(page, generate):
    found = generate.commands()
    for example in fences(page, "sh"):
        for line in example.replace("\\\n", " ").splitlines():
            words = line.split("#")[0].split()
            if words[:1] != ["limner"]:
                continue
            command = found.get(" ".join(words[:2])) or found["limner"]
            known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
            options = {word.partition("=")[0] for word in words if word.startswith("-")}
            assert options <= known | {"-h", "--help"}, line
            for before, word in itertools.pairwise(words[1:]):
                if re.match(r"[a-z_.]+=", word) and not before.startswith("-"):
                    parse_override(word)


def test_every_page_is_reached_from_the_index():
    seen, waiting = set(), [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if ":" not in link]
        waiting += [target for target in targets if target.suffix == ".md" and target.exists()]
    assert set(ROOT.glob("docs/**/*.md")) <= seen
