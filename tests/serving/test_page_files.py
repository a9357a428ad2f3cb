"""The page's files, without a browser."""

import re

import pytest

from limner.serving.app import PAGE

SCRIPTS = sorted(PAGE.glob("*.js"))
INDEX = (PAGE / "index.html").read_text()


def test_every_element_that_a_script_wants_is_in_the_page():
    known = set(re.findall(r'\bid="([^"]+)"', INDEX))
    wanted = {name for script in SCRIPTS for name in re.findall(r'byId\("([^"]+)"\)', script.read_text())}
    assert wanted <= known


def test_every_import_is_a_file_and_a_name_in_it():
    for script in SCRIPTS:
        for names, module in re.findall(
            r'import (?:\{([^}]*)\} from |\* as \w+ from )?"\./([\w.]+)"', script.read_text()
        ):
            exported = set(re.findall(r"export (?:async )?(?:function|const|class) (\w+)", (PAGE / module).read_text()))
            wanted = {name.split(" as ")[0].strip() for name in names.split(",") if name.strip()}
            assert wanted <= exported, (script.name, module, wanted - exported)


def test_nothing_comes_from_elsewhere_and_nothing_is_inline():
    for file in PAGE.iterdir():
        found = re.findall(r"https?://[^\s\"']+", file.read_text())
        assert all(address.startswith("http://www.w3.org/") for address in found), (file.name, found)
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", INDEX)
    for script in SCRIPTS:
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", script.read_text())


def test_every_control_has_a_name():
    labelled = re.sub(r"<label.*?</label>", "", INDEX, flags=re.S)
    for tag in re.findall(r"<(?:input|select|progress|canvas)\b[^>]*>", labelled):
        assert "aria-label" in tag or "hidden" in tag or 'role="img"' in tag, tag


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_scripts_stay_short(file):
    assert len(file.read_text().splitlines()) <= 400


def _tokens(theme: str) -> dict[str, str]:
    css = (PAGE / "style.css").read_text()
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", css)
    return {name: (light if theme == "light" else dark) for name, light, dark in pairs}


def _luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_edges_have_contrast(theme):
    """WCAG 2.2: 4.5 to 1 for text (1.4.3), 3 to 1 for the edges of controls (1.4.11)."""
    tokens = _tokens(theme)

    def contrast(one: str, other: str) -> float:
        low, high = sorted((_luminance(tokens[one]), _luminance(tokens[other])))
        return (high + 0.05) / (low + 0.05)

    text = [(ink, ground) for ink in ("ink", "soft", "accent", "stop") for ground in ("page", "card", "sunk")]
    text += [("on-accent", "accent"), ("warn", "warn-soft"), ("warn", "card"), ("accent", "accent-soft")]
    text += [("soft", "accent-soft"), ("warn", "accent-soft"), ("soft", "table"), ("stop", "table")]
    assert {pair: contrast(*pair) for pair in text if contrast(*pair) < 4.5} == {}
    edges = [("edge", "card"), ("edge", "page"), ("edge", "sunk"), ("accent", "card"), ("accent", "page")]
    assert {pair: contrast(*pair) for pair in edges if contrast(*pair) < 3} == {}
