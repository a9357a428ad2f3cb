"""The page in a browser, on a model that was trained on drawn cells."""

import base64
import io
import shutil
import zipfile

import numpy as np
import pytest
import tifffile
from PIL import Image

import limner
from limner.images import encode_png

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    driver = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("needs a chromium on the path")
    with driver.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def bundle(cells, small_train, tmp_path_factory):
    settings = {"data.size": [64, 64], "model.conv_sizes": [8, 16], "training.steps_per_epoch": 10}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        run = small_train(cells, tmp_path_factory.mktemp("runs") / "page", settings=settings | {"training.epochs": 3})
    return run.folder / "model.safetensors"


@pytest.fixture
def pictures(cells):
    return sorted((cells / "images").glob("*.png"))


@pytest.fixture
def show(browser, serve, bundle):
    """Opens the page of a server and puts files in; whatever the page complains of fails the test."""
    contexts = []

    def start(files=(), models=None, width=1280, height=820, **settings):
        server = serve(models=models or {"cells": bundle}, **settings)
        context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.on("request", lambda request: page.errors.extend([request.url] * (not _own(request.url, server.url))))
        page.goto(server.url)
        if "token" in settings:
            page.fill("#token", "wrong")
            page.keyboard.press("Enter")
            page.wait_for_selector("#token-note:has-text('refused')")
            page.fill("#token", settings["token"])
            page.keyboard.press("Enter")
        page.wait_for_selector("#model option", state="attached")
        if files:
            page.set_input_files("#files", [str(file) for file in files])
            page.wait_for_selector(f":nth-match(#list li[data-state=ready], {len(files)})")
            page.wait_for_selector("#class-list li, #scale:not([hidden])")
        page.server = server
        return page

    yield start
    for context in contexts:
        for page in context.pages:
            assert page.errors == []
        context.close()


def _own(url, server):
    return url.startswith((server, "blob:", "data:"))


def pixels(page):
    """What the canvas shows."""
    data = page.evaluate("document.getElementById('canvas').toDataURL()").split(",")[1]
    return np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)


def settle(page):
    page.evaluate("() => new Promise((resume) => setTimeout(() => requestAnimationFrame(resume), 60))")


def slide(page, selector, value):
    page.locator(selector).evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', {bubbles: true})); }",
        str(value),
    )
    settle(page)


def choose(page, name, value):
    page.locator(f"input[name={name}][value={value}]").check(force=True)
    settle(page)


def count(page):
    return int(page.inner_text("#class-list .area").split()[0].replace(",", ""))


def center(page):
    box = page.locator("#canvas").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_a_picture_appears_with_the_area_of_the_predictors_mask(show, bundle, pictures):
    page = show(pictures[:3])
    expected = limner.load(bundle, device="cpu").predict(pictures[0])
    assert 0 < expected.mask.sum() < expected.mask.size
    assert count(page) == expected.mask.sum()
    assert page.locator("#list li").count() == 3
    page.fill("#pixel", "0.5")
    settle(page)
    assert page.inner_text("#class-list .area").startswith(f"{expected.mask.sum() / 4:,.0f} µm²")
    page.fill("#pixel", "")
    page.locator("#list li:nth-child(2) .pick").click()
    page.wait_for_selector("#canvas[aria-label*='" + pictures[1].name + "']")
    settle(page)
    assert count(page) == limner.load(bundle, device="cpu").predict(pictures[1]).mask.sum()


def test_a_threshold_acts_at_once_and_without_the_server(show, bundle, pictures):
    page = show(pictures[:1])
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    probs = limner.load(bundle, device="cpu").predict(pictures[0]).probs["mask"][0]
    quantised = np.round(probs * 255)
    before = pixels(page)
    for threshold in (0.2, 0.8):
        slide(page, "#class-list input[type=range]", threshold)
        # A probability in the middle between two steps may fall to either.
        assert abs(count(page) - (quantised > 255 * threshold).sum()) <= (np.abs(probs * 255 % 1 - 0.5) < 1e-3).sum()
    assert np.abs(pixels(page) - before).sum() > 0
    page.click("#reset")
    settle(page)
    assert np.array_equal(pixels(page), before)
    assert asked == []


def test_how_it_is_drawn(show, pictures):
    page = show(pictures[:1])
    drawn = pixels(page)
    page.get_by_role("switch").uncheck()
    settle(page)
    bare = pixels(page)
    assert not np.array_equal(drawn, bare)
    page.get_by_role("switch").check()
    page.get_by_label("Fill", exact=True).first.uncheck()
    settle(page)
    outlined = pixels(page)
    changed = (outlined != bare).any(axis=2)
    assert 0 < changed.sum() < (drawn != bare).any(axis=2).sum()
    color = page.input_value("#class-list input[type=color]")
    assert (outlined[changed] == [int(color[at : at + 2], 16) for at in (1, 3, 5)]).all()
    page.select_option("#palette", "bright")
    settle(page)
    assert page.input_value("#class-list input[type=color]") == "#4477aa"
    assert (pixels(page)[changed] == [0x44, 0x77, 0xAA]).all()
    page.get_by_label("Outline", exact=True).uncheck()
    settle(page)
    assert np.array_equal(pixels(page), bare)


def test_side_by_side_and_swipe_show_the_original_beside(show, pictures):
    page = show(pictures[:1])
    slide(page, "#cover", 1)
    colored = lambda part: (np.ptp(part, axis=2) > 60).any()  # noqa: E731  (cells are grey)
    choose(page, "mode", "beside")
    width = pixels(page).shape[1]
    assert not colored(pixels(page)[:, : width // 2 - 4])
    assert colored(pixels(page)[:, width // 2 + 4 :])
    choose(page, "mode", "swipe")
    assert not colored(pixels(page)[:, : width // 2 - 4])
    page.focus("#divider")
    page.keyboard.press("Home")
    settle(page)
    assert colored(pixels(page)[:, : width // 2 - 4])
    page.keyboard.press("End")
    settle(page)
    assert not colored(pixels(page))


def test_zoom_pan_and_probe_with_pointer_and_keys(show, bundle, pictures):
    page = show(pictures[:1])
    probs = limner.load(bundle, device="cpu").predict(pictures[0]).probs["mask"][0]
    page.mouse.move(*center(page))
    height, width = probs.shape
    said = page.inner_text("#probe")
    x, y = (int(part.split()[1]) for part in said.split(" · ")[0].split(", "))
    assert abs(x - width / 2) <= 1
    assert abs(y - height / 2) <= 1
    assert f"{probs[y, x]:.2f}" in said or f"{np.round(probs[y, x] * 255) / 255:.2f}" in said
    before = pixels(page)
    page.mouse.wheel(0, -600)
    settle(page)
    assert not np.array_equal(pixels(page), before)
    page.focus("#canvas")
    page.keyboard.press("1")
    assert page.inner_text("#zoom") == "100 %"
    page.keyboard.press("ArrowRight")
    assert f"x {width // 2 + 48}" in page.inner_text("#probe")
    page.keyboard.press("0")
    settle(page)
    assert np.array_equal(pixels(page), before)


def test_uncertainty_and_probability_have_scales(show, bundle, pictures):
    page = show(pictures[:1])
    dice = limner.load(bundle, device="cpu").predict(pictures[0]).expected_dice["mask"][1]
    assert f"expected Dice {dice:.2f}" in page.inner_text("#class-list")
    mask = pixels(page)
    for layer, title in (("probability", "P("), ("uncertainty", "entropy")):
        choose(page, "layer", layer)
        assert title in page.inner_text("#scale-title")
        assert not np.array_equal(pixels(page), mask)


def test_a_picture_unlike_the_training_set_is_warned_of(show, pictures, tmp_path):
    noise = tmp_path / "noise.png"
    noise.write_bytes(encode_png(np.random.default_rng(0).integers(0, 255, (96, 120, 1), dtype=np.uint8)))
    page = show([noise, pictures[0]])
    assert page.locator("#warning").is_visible()
    assert "unlike training" in page.inner_text("#list li:nth-child(1)")
    page.locator("#list li:nth-child(2) .pick").click()
    page.wait_for_selector(f"#canvas[aria-label*='{pictures[0].name}']")
    assert page.locator("#warning").is_hidden()


def test_depth_is_shown_with_its_scale(show, every_task, picture, tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(encode_png(picture(48, 64)))
    model = every_task("unet")
    page = show([file], models={"all": model})
    values = limner.load(model, device="cpu").predict(file).values["regression"]
    page.select_option("#target", "regression")
    settle(page)
    page.mouse.move(*center(page))
    x, y = (int(part.split()[1]) for part in page.inner_text("#probe").split(" · ")[0].split(", "))
    assert abs(float(page.inner_text("#probe").split(" · ")[1]) - values[y, x]) < 2e-3
    assert abs(float(page.inner_text("#scale-low")) - values.min()) < 2e-3
    assert page.locator("#correct").is_disabled()
    page.select_option("#target", "multilabel")
    settle(page)
    assert page.locator("#class-list li").count() == 2
    page.select_option("#target", "multiclass")
    settle(page)
    masks = limner.load(model, device="cpu").predict(file).masks["multiclass"]
    areas = [int(text.split()[0].replace(",", "")) for text in page.locator("#class-list .area").all_inner_texts()]
    assert areas == [(masks == 1).sum(), (masks == 2).sum()]


def test_corrections_are_undone_and_saved(show, bundle, pictures, tmp_path):
    page = show(pictures[:1], save=tmp_path / "corrected")
    mask = limner.load(bundle, device="cpu").predict(pictures[0]).mask
    page.click("#correct")
    page.uncheck("#snap")
    x, y = center(page)
    page.get_by_role("button", name="Eraser").click()
    slide(page, "#radius", 30)
    page.mouse.move(x - 80, y)
    page.mouse.down()
    page.mouse.move(x + 80, y, steps=6)
    page.mouse.up()
    settle(page)
    erased = count(page)
    assert erased < mask.sum()
    page.keyboard.press("Control+z")
    settle(page)
    assert count(page) == mask.sum()
    page.keyboard.press("Control+Shift+z")
    settle(page)
    assert count(page) == erased
    page.keyboard.press("b")
    page.mouse.click(x, y)
    settle(page)
    painted = count(page)
    assert painted > erased
    page.keyboard.press("p")
    for corner in ((-200, -200), (200, -200), (200, 200), (-200, 200)):
        page.mouse.click(x + corner[0], y + corner[1])
    page.keyboard.press("Enter")
    settle(page)
    polygon = count(page)
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
    settle(page)
    assert count(page) >= polygon
    page.click("#save")
    page.get_by_role("button", name="Replace").click()
    page.wait_for_selector("#save:has-text('Saved')")
    assert (np.array(Image.open(stored)) > 0).sum() == count(page)


def test_correcting_with_the_keyboard_alone(show, bundle, pictures):
    page = show(pictures[:1])
    page.focus("#correct")
    page.keyboard.press("Enter")
    page.focus("#canvas")
    page.keyboard.press("e")
    for _ in range(12):
        page.keyboard.press("]")
    before = count(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    settle(page)
    assert count(page) < before


def test_snap_keeps_the_brush_on_one_side_of_an_edge(show, bundle, tmp_path):
    halves = np.full((96, 96, 1), 30, np.uint8)
    halves[:, 48:] = 220
    (tmp_path / "halves.png").write_bytes(encode_png(halves))
    page = show([tmp_path / "halves.png"])
    page.click("#correct")
    page.get_by_role("button", name="Eraser").click()
    slide(page, "#radius", 60)
    page.uncheck("#snap")
    x, y = center(page)
    for row in (-300, 0, 300):
        for column in (-300, 0, 300):
            page.mouse.click(x + column, y + row)
    settle(page)
    assert count(page) == 0
    page.keyboard.press("b")
    slide(page, "#radius", 10)
    page.check("#snap")
    page.mouse.click(x + 30, y)
    settle(page)
    mask = page.evaluate(
        "async () => { const { app } = await import('/page/state.js'); return [...app.opened.item.edits.get('mask')]; }"
    )
    mask = np.reshape(mask, (96, 96))
    assert mask[:, 48:].any()
    assert not mask[:, :48].any()


@pytest.mark.parametrize("kind", ["png", "bits"])
def test_pngs_are_read_and_written_exactly(show, kind):
    page = show()
    rng = np.random.default_rng(3)
    grey = rng.integers(0, 2 if kind == "bits" else 256, (37, 53), dtype=np.uint8)
    stored = io.BytesIO()
    Image.fromarray(grey * 255).convert("1").save(stored, "png") if kind == "bits" else Image.fromarray(grey).save(
        stored, "png"
    )
    read, written = page.evaluate(
        "async (bytes) => { const { readGrey, writeGrey } = await import('/page/png.js');"
        " const { data, width, height } = await readGrey(new Uint8Array(bytes));"
        " const blob = await writeGrey(data, width, height);"
        " return [[...data], [...new Uint8Array(await blob.arrayBuffer())]]; }",
        list(stored.getvalue()),
    )
    assert np.array_equal(np.reshape(read, grey.shape), grey)
    assert np.array_equal(np.array(Image.open(io.BytesIO(bytes(written)))), grey)


def test_the_queue_tells_of_failures_and_goes_on(show, pictures, tmp_path):
    broken = tmp_path / "<img src=x onerror=alert(1)>.png"
    broken.write_bytes(b"no picture")
    page = show()
    page.set_input_files("#files", [str(broken), *map(str, pictures[:2])])
    page.wait_for_selector(":nth-match(#list li[data-state=ready], 2)")
    page.wait_for_selector("#list li[data-state=failed]")
    assert broken.name in page.inner_text("#list li[data-state=failed]")
    assert page.locator("#wait-text").inner_text().startswith("Expected ")
    assert page.locator("#list img").count() == 0
    page.get_by_label(f"Remove {broken.name}").click(force=True)
    page.wait_for_selector("#class-list li")
    assert page.inner_text("#queue-title") == "2 pictures"


def test_dropped_and_pasted_pictures_are_taken(show, pictures):
    page = show()
    for event, holder in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        page.evaluate(
            "([event, holder, bytes]) => { const data = new DataTransfer();"
            " data.items.add(new File([new Uint8Array(bytes)], 'image.png', { type: 'image/png' }));"
            " const Kind = event === 'drop' ? DragEvent : ClipboardEvent;"
            " document.body.dispatchEvent(new Kind(event, { [holder]: data, bubbles: true, cancelable: true })); }",
            [event, holder, list(pictures[0].read_bytes())],
        )
    page.wait_for_selector(":nth-match(#list li[data-state=ready], 2)")


def test_the_zip_has_what_was_asked_for(show, bundle, pictures):
    page = show(pictures[:2])
    for kind in ("coco", "polygons"):
        page.check(f"#download-kinds input[value={kind}]")
    with page.expect_download() as coming:
        page.click("#download")
    with zipfile.ZipFile(coming.value.path()) as found:
        names = found.namelist()
    stem = pictures[0].stem
    for ending in (f"masks/{stem}.png", ".csv", ".geojson"):
        assert any(name.endswith(ending) for name in names), (ending, names)
    assert any("overlay" in name for name in names)
    assert "annotations.json" in names


def test_the_zip_has_moved_thresholds_and_corrections(show, bundle, pictures):
    page = show(pictures[:2])
    probs = limner.load(bundle, device="cpu").predict(pictures[1]).probs["mask"][0]
    slide(page, "#class-list input[type=range]", 0.7)
    page.click("#correct")
    page.mouse.click(*center(page))
    settle(page)
    with page.expect_download() as coming:
        page.click("#download")
    with zipfile.ZipFile(coming.value.path()) as found:
        corrected, moved = (
            np.array(Image.open(io.BytesIO(found.read(f"masks/{file.name}")))) > 0 for file in pictures[:2]
        )
    assert corrected.sum() == count(page)
    unsure = np.abs(probs - 0.7) < 1 / 255
    assert np.array_equal(moved[~unsure], probs[~unsure] > 0.7)


def test_pictures_that_browsers_cannot_read_are_shown_as_the_server_reads_them(show, pictures, tmp_path):
    deep = np.array(Image.open(pictures[0]))
    tifffile.imwrite(tmp_path / "deep.tif", deep)
    page = show([tmp_path / "deep.tif", pictures[0]])
    page.get_by_role("switch").uncheck()
    settle(page)
    shown = pixels(page)
    assert np.ptp(shown[200:500, 300:500]) > 30
    assert page.locator("#list li:nth-child(1) canvas").evaluate("(canvas) => canvas.width") > 1


def test_training_in_the_background_leads_to_a_new_model(show, pictures, tmp_path):
    page = show(pictures[:8], save=tmp_path / "corrected")
    for number in range(1, 9):
        page.locator(f"#list li:nth-child({number}) .pick").click()
        page.click("#save:has-text('Save mask')")
        page.wait_for_selector("#save:has-text('Saved')")
    assert "Train on 8 pictures" in page.inner_text("#train")
    page.fill("#length", "1")
    page.select_option("#length-unit", "epochs")
    page.click("#train")
    page.click("#stop")
    page.wait_for_selector("#training-text:has-text('stopped')")
    page.click("#train:enabled")
    page.wait_for_selector("#training-text:has-text('epoch 1 of 1')", timeout=150_000)
    page.wait_for_selector("#use:visible", timeout=150_000)
    page.click("#use")
    page.wait_for_selector(":nth-match(#list li[data-state=ready], 8)")
    assert page.input_value("#model") != "cells"
    assert page.locator("#model option").count() == 2


def test_pictures_are_offered_in_the_order_of_their_worth(show, bundle, pictures, tmp_path):
    page = show(pictures[:4], save=tmp_path / "corrected")
    model = limner.load(bundle, device="cpu")
    doubts = {file.name: 1 - model.predict(file).score for file in pictures[:4]}
    page.click("#next")
    page.wait_for_selector("#list .place:not([hidden])")
    names = page.locator("#list .name").all_inner_texts()
    assert names == sorted(doubts, key=lambda name: -doubts[name])
    assert page.locator("#list li:nth-child(1) .pick").get_attribute("aria-current") == "true"
    page.click("#save")
    page.wait_for_selector("#save:has-text('Saved')")
    assert "1 corrected picture" in page.inner_text("#dataset-note")
    page.click("#next")
    page.wait_for_selector(f"#list li:nth-child(4) .name:has-text('{names[0]}')")


def test_a_token_is_asked_for_once(show, pictures):
    page = show(pictures[:1], token="a-token-of-24-characters")
    assert page.locator("#token-dialog").is_hidden()
    page.reload()
    page.wait_for_selector("#model option", state="attached")
    assert page.locator("#token-dialog").is_hidden()


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
