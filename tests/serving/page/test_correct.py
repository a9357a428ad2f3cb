"""Correcting a mask of one class per pixel by hand."""

import numpy as np
from PIL import Image

import limner
from limner.images import encode_png


def test_corrections_are_undone_and_saved(show, bundle, pictures, tmp_path):
    page = show(pictures[:1], save=tmp_path / "corrected")
    mask = limner.load(bundle, device="cpu").predict(pictures[0]).mask
    page.click("#correct")
    page.uncheck("#snap")
    x, y = page.center()
    page.get_by_role("button", name="Eraser").click()
    page.slide("#radius", 30)
    page.mouse.move(x - 80, y)
    page.mouse.down()
    page.mouse.move(x + 80, y, steps=6)
    page.mouse.up()
    page.settle()
    erased = page.count()
    assert erased < mask.sum()
    page.keyboard.press("Control+z")
    page.settle()
    assert page.count() == mask.sum()
    page.keyboard.press("Control+Shift+z")
    page.settle()
    assert page.count() == erased
    page.keyboard.press("b")
    page.mouse.click(x, y)
    page.settle()
    painted = page.count()
    assert painted > erased
    page.keyboard.press("p")
    for corner in ((-200, -200), (200, -200), (200, 200), (-200, 200)):
        page.mouse.click(x + corner[0], y + corner[1])
    page.keyboard.press("Enter")
    page.settle()
    polygon = page.count()
    assert polygon > painted
    page.click("#save")
    page.wait_for_selector("#save:has-text('Saved')")
    (stored,) = (tmp_path / "corrected" / "masks").iterdir()
    saved = np.array(Image.open(stored))
    assert (saved > 0).sum() == polygon
    assert np.array_equal(
        np.array(Image.open(tmp_path / "corrected" / "images" / stored.name)), np.array(Image.open(pictures[0]))
    )
    page.keyboard.press("f")
    page.mouse.click(x, y - 250)
    page.settle()
    assert page.count() >= polygon
    page.click("#save")
    page.get_by_role("button", name="Replace").click()
    page.wait_for_selector("#save:has-text('Saved')")
    assert (np.array(Image.open(stored)) > 0).sum() == page.count()


def test_correcting_with_the_keyboard_alone(show, bundle, pictures):
    page = show(pictures[:1])
    page.focus("#correct")
    page.keyboard.press("Enter")
    page.focus("#canvas")
    page.keyboard.press("e")
    for _ in range(12):
        page.keyboard.press("]")
    before = page.count()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.settle()
    assert page.count() < before


def test_snap_keeps_the_brush_on_one_side_of_an_edge(show, bundle, tmp_path):
    halves = np.full((96, 96, 1), 30, np.uint8)
    halves[:, 48:] = 220
    (tmp_path / "halves.png").write_bytes(encode_png(halves))
    page = show([tmp_path / "halves.png"])
    page.click("#correct")
    page.get_by_role("button", name="Eraser").click()
    page.slide("#radius", 60)
    page.uncheck("#snap")
    x, y = page.center()
    for row in (-300, 0, 300):
        for column in (-300, 0, 300):
            page.mouse.click(x + column, y + row)
    page.settle()
    assert page.count() == 0
    page.keyboard.press("b")
    page.slide("#radius", 10)
    page.check("#snap")
    page.mouse.click(x + 30, y)
    page.settle()
    mask = page.evaluate(
        "async () => { const { app } = await import('/page/state.js'); return [...app.opened.item.edits.get('mask')]; }"
    )
    mask = np.reshape(mask, (96, 96))
    assert mask[:, 48:].any()
    assert not mask[:, :48].any()
