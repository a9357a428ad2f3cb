"""The page on a phone, with the keyboard, and for screen readers."""

import pytest

from limner.images import encode_png


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


def test_tools_are_reached_with_the_tab_key_and_told_to_screen_readers(show, every_task, picture, tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(encode_png(picture(48, 64)))
    page = show([file], models={"all": every_task("unet")})
    page.select_option("#target", "multilabel")
    assert page.locator("#correct").get_attribute("aria-expanded") == "false"
    page.focus("#correct")
    page.keyboard.press("Enter")
    page.settle()
    assert page.locator("#correct").get_attribute("aria-expanded") == "true"
    assert page.evaluate("document.activeElement.id") == "canvas"
    page.keyboard.press("Space")
    assert page.inner_text("#status").endswith(" pixels changed in x.")
    for key, said in (("c", "Brush, in y."), ("e", "Eraser, in y."), ("]", "20 pixels"), ("Control+z", "Undone.")):
        page.keyboard.press(key)
        assert page.inner_text("#status") == said
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Shift+C")
    page.focus("#correct")
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("(({ dataset, id, name }) => id || dataset.tool || name)(document.activeElement)"))
    assert reached[:10] == ["move", "brush", "eraser", "polygon", "fill", "undo", "radius", "snap", "paint", "canvas"]
    tree = page.locator("#tools").aria_snapshot()
    for line in (
        'group "Tools to correct with"',
        'button "Eraser" [pressed]',
        'button "Polygon"',
        'button "Undo"',
        'button "Redo" [disabled]',
        'slider "Size',
        'checkbox "Snap to edges" [checked]',
        'radiogroup "Draw in"',
        'radio "x" [checked]',
        'radio "y"',
    ):
        assert line in tree, tree
    nodes = page.context.new_cdp_session(page.page).send("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "checkbox", "combobox", "radio", "slider", "spinbutton", "switch", "textbox", "progressbar")
    found = [
        (node["role"]["value"], node["name"]["value"]) for node in nodes if node.get("role", {}).get("value") in roles
    ]
    assert len(found) > 30
    assert [role for role, name in found if not name.strip()] == []
