"""The report is for everyone: contrast, words for pictures, headings, labels, keyboard."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

import limner.evaluation
from limner.evaluation.report import write_report

TEMPLATES = Path(limner.evaluation.__file__).parent / "templates"

# Every colour of text that the style sheets use, and what it stands on.
TEXT = {
    "ink": ("page", "card", "sunk"),
    "soft": ("page", "card", "sunk"),
    "accent": ("page", "card"),
    "warn": ("warn-soft",),
    "card": ("accent",),  # buttons of a review
    "stop": ("page", "card"),
    "doubt": ("page", "card"),
}
GRAPHICS = {"series-1": ("card",), "series-2": ("card",), "bar": ("card",), "accent": ("page", "card")}


def variables(block: str) -> dict[str, str]:
    found = re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", block)
    return {
        name: value if len(value) == 7 else "#" + "".join(2 * digit for digit in value[1:]) for name, value in found
    }


def themes() -> dict[str, dict[str, str]]:
    css = (TEMPLATES / "report.css").read_text() + (TEMPLATES / "check.css").read_text()
    blocks = re.findall(r"(@media [^{]*\{\s*)?:root \{([^}]*)\}", css)
    found: dict[str, dict[str, str]] = {"light": {}, "dark": {}, "print": {}}
    for media, block in blocks:
        found["dark" if "dark" in media else "print" if "print" in media else "light"] |= variables(block)
    return {theme: found["light"] | own for theme, own in found.items()}


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2.2."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_by_hand():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_text_and_graphics_stand_out(theme):
    colors = themes()[theme]
    for pairs, least in ((TEXT, 4.5), (GRAPHICS, 3.0)):
        for front, backs in pairs.items():
            for back in backs:
                assert contrast(colors[front], colors[back]) >= least, (theme, front, back)


def test_every_colour_of_text_is_looked_at():
    css = "".join(path.read_text() for path in TEMPLATES.glob("*.css"))
    used = set(re.findall(r"(?<![\w-])(?:color|fill): var\(--([\w-]+)\)", css))
    assert used - {"bar", "series-1", "series-2", "accent-soft"} <= set(TEXT)


@pytest.fixture
def page(make_run, draw_cases, read_page):
    run = make_run()
    draw_cases(run)
    return read_page(write_report(run))


def test_pictures_headings_and_tables_have_words(page):
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) > 60
    assert all(picture["alt"].strip() for picture in pictures)
    assert len({picture["alt"] for picture in pictures}) > 50  # not one word for all
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in page.tags if tag == "th")
    assert all(cell.strip() for rows in page.tables.values() for cell in rows[0])
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables == sum(tag == "caption" for tag, _ in page.tags) > 5
    assert ("html", {"lang": "en"}) in page.tags


def test_ids_are_single_and_links_lead_somewhere(page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {attributes["href"][1:] for tag, attributes in page.tags if tag == "a"} <= set(ids)
    first = next(attributes for tag, attributes in page.tags if tag == "a")
    assert (first["class"], first["href"]) == ("skip", "#content")
    named = [attributes["aria-labelledby"] for _, attributes in page.tags if "aria-labelledby" in attributes]
    assert set(named) <= set(ids)


def test_what_scrolls_can_be_reached_by_keyboard_and_has_a_name(page):
    for _, attributes in page.tags:
        if {"scroll", "frame"} & set((attributes.get("class") or "").split()):
            assert attributes["tabindex"] == "0"
            assert attributes["aria-label"]
            assert attributes["role"] in ("region", "group")


def test_controls_are_labelled_and_say_what_is_shown(page):
    css = (TEMPLATES / "viewer.css").read_text()
    inside, radios, state = [], {}, {}
    for place, (tag, attributes) in enumerate(page.tags):
        if tag == "article":
            state = {}
        if tag == "img" and "layer" in (attributes.get("class") or ""):
            classes = attributes["class"].split()
            state[classes[2][1:]] = "first" in classes
        if tag == "input":
            # A label is opened just before, and nothing else in between.
            assert page.tags[place - 1][0] == "label"
            inside.append(attributes)
            if attributes["type"] == "checkbox":
                assert state.pop(attributes["class"][1:]) == ("checked" in attributes)
            else:
                radios.setdefault(attributes["name"], []).append("checked" in attributes)
    assert len(inside) == 12 * (4 + 3)
    assert all(values == [True, False, False] for values in radios.values())
    assert len(radios) == 12
    sets = sum(tag == "fieldset" for tag, _ in page.tags)
    assert sets == sum(tag == "legend" for tag, _ in page.tags) == 24
    assert ".viewer:has(.z4:checked)" in css


def test_layers_follow_their_own_checkbox(make_run, draw_cases):
    run = make_run()
    draw_cases(run)
    html = write_report(run).read_text()
    for number in range(1, 5):
        assert f".viewer:has(.t{number}:not(:checked)) .stack .y{number} {{ display: none; }}" in html
        assert f".viewer:has(.t{number}:checked) .stack .y{number} {{ display: block; }}" in html
    assert "script" not in re.sub(r"Content-Security-Policy.*", "", html)


def test_focus_is_seen():
    css = (TEMPLATES / "report.css").read_text()
    assert re.search(r":focus-visible \{[^}]*outline: 2px solid var\(--accent\)", css)
    assert "outline: none" not in css
    assert "outline: 0" not in css
