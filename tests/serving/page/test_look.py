"""What the page shows of a prediction, and how."""

import numpy as np
import tifffile
from PIL import Image

import limner
from limner.images import encode_png


def test_a_picture_appears_with_the_area_of_the_predictors_mask(show, bundle, pictures):
    page = show(pictures[:3])
    expected = limner.load(bundle, device="cpu").predict(pictures[0])
    assert 0 < expected.mask.sum() < expected.mask.size
    assert page.count() == expected.mask.sum()
    assert page.locator("#list li").count() == 3
    page.fill("#pixel", "0.5")
    page.settle()
    said, unit = page.inner_text("#class-list .area").split()[:2]
    assert unit == "µm²"
    assert abs(int(said.replace(",", "")) - expected.mask.sum() / 4) <= 0.5
    page.fill("#pixel", "")
    page.locator("#list li:nth-child(2) .pick").click()
    page.wait_for_selector("#canvas[aria-label*='" + pictures[1].name + "']")
    page.settle()
    assert page.count() == limner.load(bundle, device="cpu").predict(pictures[1]).mask.sum()


def test_a_threshold_acts_at_once_and_without_the_server(show, bundle, pictures):
    page = show(pictures[:1])
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    probs = limner.load(bundle, device="cpu").predict(pictures[0]).probs["mask"][0]
    quantised = np.round(probs * 255)
    before = page.pixels()
    for threshold in (0.2, 0.8):
        page.slide("#class-list input[type=range]", threshold)
        # A probability in the middle between two steps may fall to either.
        assert abs(page.count() - (quantised > 255 * threshold).sum()) <= (np.abs(probs * 255 % 1 - 0.5) < 1e-3).sum()
    assert np.abs(page.pixels() - before).sum() > 0
    page.click("#reset")
    page.settle()
    assert np.array_equal(page.pixels(), before)
    assert asked == []


def test_how_it_is_drawn(show, pictures):
    page = show(pictures[:1])
    drawn = page.pixels()
    page.get_by_role("switch").uncheck()
    page.settle()
    bare = page.pixels()
    assert not np.array_equal(drawn, bare)
    page.get_by_role("switch").check()
    page.get_by_label("Fill", exact=True).first.uncheck()
    page.settle()
    outlined = page.pixels()
    changed = (outlined != bare).any(axis=2)
    assert 0 < changed.sum() < (drawn != bare).any(axis=2).sum()
    color = page.input_value("#class-list input[type=color]")
    assert (outlined[changed] == [int(color[at : at + 2], 16) for at in (1, 3, 5)]).all()
    page.select_option("#palette", "bright")
    page.settle()
    assert page.input_value("#class-list input[type=color]") == "#4477aa"
    assert (page.pixels()[changed] == [0x44, 0x77, 0xAA]).all()
    page.get_by_label("Outline", exact=True).uncheck()
    page.settle()
    assert np.array_equal(page.pixels(), bare)


def test_side_by_side_and_swipe_show_the_original_beside(show, pictures):
    page = show(pictures[:1])
    page.slide("#cover", 1)
    colored = lambda part: (np.ptp(part, axis=2) > 60).any()  # noqa: E731  (cells are grey)
    page.choose("mode", "beside")
    width = page.pixels().shape[1]
    assert not colored(page.pixels()[:, : width // 2 - 4])
    assert colored(page.pixels()[:, width // 2 + 4 :])
    page.choose("mode", "swipe")
    assert not colored(page.pixels()[:, : width // 2 - 4])
    page.focus("#divider")
    page.keyboard.press("Home")
    page.settle()
    assert colored(page.pixels()[:, : width // 2 - 4])
    page.keyboard.press("End")
    page.settle()
    assert not colored(page.pixels())


def test_zoom_pan_and_probe_with_pointer_and_keys(show, bundle, pictures):
    page = show(pictures[:1])
    probs = limner.load(bundle, device="cpu").predict(pictures[0]).probs["mask"][0]
    page.mouse.move(*page.center())
    height, width = probs.shape
    said = page.inner_text("#probe")
    x, y = (int(part.split()[1]) for part in said.split(" · ")[0].split(", "))
    assert abs(x - width / 2) <= 1
    assert abs(y - height / 2) <= 1
    assert f"{probs[y, x]:.2f}" in said or f"{np.round(probs[y, x] * 255) / 255:.2f}" in said
    before = page.pixels()
    page.mouse.wheel(0, -600)
    page.settle()
    assert not np.array_equal(page.pixels(), before)
    page.focus("#canvas")
    page.keyboard.press("1")
    assert page.inner_text("#zoom") == "100 %"
    page.keyboard.press("ArrowRight")
    assert f"x {width // 2 + 48}" in page.inner_text("#probe")
    page.keyboard.press("0")
    page.settle()
    assert np.array_equal(page.pixels(), before)


def test_uncertainty_and_probability_have_scales(show, bundle, pictures):
    page = show(pictures[:1])
    dice = limner.load(bundle, device="cpu").predict(pictures[0]).expected_dice["mask"][1]
    assert f"expected Dice {dice:.2f}" in page.inner_text("#class-list")
    mask = page.pixels()
    for layer, title in (("probability", "P("), ("uncertainty", "entropy")):
        page.choose("layer", layer)
        assert title in page.inner_text("#scale-title")
        assert not np.array_equal(page.pixels(), mask)


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
    page.settle()
    page.mouse.move(*page.center())
    x, y = (int(part.split()[1]) for part in page.inner_text("#probe").split(" · ")[0].split(", "))
    assert abs(float(page.inner_text("#probe").split(" · ")[1]) - values[y, x]) < 2e-3
    assert abs(float(page.inner_text("#scale-low")) - values.min()) < 2e-3
    assert page.locator("#correct").is_disabled()
    page.select_option("#target", "multilabel")
    page.settle()
    assert page.locator("#class-list li").count() == 2
    page.select_option("#target", "multiclass")
    page.settle()
    masks = limner.load(model, device="cpu").predict(file).masks["multiclass"]
    areas = [int(text.split()[0].replace(",", "")) for text in page.locator("#class-list .area").all_inner_texts()]
    assert areas == [(masks == 1).sum(), (masks == 2).sum()]


def test_pictures_that_browsers_cannot_read_are_shown_as_the_server_reads_them(show, pictures, tmp_path):
    deep = np.array(Image.open(pictures[0]))
    tifffile.imwrite(tmp_path / "deep.tif", deep)
    page = show([tmp_path / "deep.tif", pictures[0]])
    page.get_by_role("switch").uncheck()
    page.settle()
    shown = page.pixels()
    assert np.ptp(shown[200:500, 300:500]) > 30
    assert page.locator("#list li:nth-child(1) canvas").evaluate("(canvas) => canvas.width") > 1
