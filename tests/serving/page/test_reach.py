"""The page on a phone, with the keyboard, and for screen readers."""

import pytest


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(show, pictures, scheme):
    page = show(pictures[:2], width=390, height=844)
    page.emulate_media(color_scheme=scheme)
    page.click("#correct")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    box = page.locator("#canvas").bounding_box()
    assert box["width"] >= 340
    assert box["height"] >= 250
    small = [
        button.inner_text() for button in page.locator("button:visible").all() if button.bounding_box()["height"] < 24
    ]
    assert small == []  # WCAG 2.2, 2.5.8


def test_everything_is_reached_with_the_tab_key(show, pictures):
    page = show(pictures[:1])
    page.focus("body")
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.id || document.activeElement.name || document.activeElement.className"
            )
        )
    assert {
        "model",
        "theme",
        "add",
        "pick",
        "mode",
        "zoom-in",
        "correct",
        "canvas",
        "layer",
        "cover",
        "palette",
        "download",
    } <= reached
