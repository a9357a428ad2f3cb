"""Models of several inputs in the page: each picture with its partners."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

import limner
from limner.images import encode_png

pytestmark = pytest.mark.slow

PARTS = {"background": 3, "composite": 1}


@pytest.fixture
def files(tmp_path, picture):
    """Three composites with a background each, of the same name."""
    for number in range(3):
        for part, channels in PARTS.items():
            path = tmp_path / part / f"scene{number}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(encode_png(picture(channels=channels, seed=number + 5 * channels)))
    return {part: sorted((tmp_path / part).iterdir()) for part in PARTS}


@pytest.fixture
def page(show, every_task, files, tmp_path):
    model = every_task("unet", channels=4, parts=PARTS)
    page = show(models={"pairs": model}, save=tmp_path / "saved")
    page.model = model
    page.set_input_files("#files", [str(file) for file in files["composite"]])
    page.set_input_files("[data-part=background]", [str(file) for file in files["background"]])
    page.wait_for_selector(":nth-match(#list li[data-state=ready], 3)")
    page.select_option("#target", "multiclass")
    page.settle()
    return page


def test_pictures_go_together_by_name_in_zips_and_orders(page, files):
    model = limner.load(page.model, device="cpu")
    with page.expect_download() as coming:
        page.click("#download")
    with zipfile.ZipFile(coming.value.path()) as found:
        for number in range(3):
            sample = {part: files[part][number] for part in PARTS}
            stored = np.array(Image.open(io.BytesIO(found.read(f"masks/multiclass/scene{number}.png"))))
            assert np.array_equal(stored, model.predict(sample).masks["multiclass"])
    page.click("#next")
    page.wait_for_selector("#list .place:not([hidden])")
    doubts = {
        f"scene{number}.png": 1 - model.predict({part: files[part][number] for part in PARTS}).score
        for number in range(3)
    }
    assert page.locator("#list .name").all_inner_texts() == sorted(doubts, key=lambda name: -doubts[name])


def test_a_sample_is_saved_with_all_its_pictures(page, files, tmp_path):
    page.open("scene1.png")
    page.click("#save")
    page.wait_for_selector("#save:has-text('Saved')")
    for part in PARTS:
        stored = np.array(Image.open(tmp_path / "saved" / "images" / part / "scene1.png"))
        assert np.array_equal(stored, np.array(Image.open(files[part][1])))


def test_a_picture_without_a_partner_says_so(page, picture, tmp_path):
    (tmp_path / "alone.png").write_bytes(encode_png(picture(channels=1)))
    page.set_input_files("#files", [str(tmp_path / "alone.png")])
    page.wait_for_selector("#list li[data-state=failed] .name:has-text('alone.png')")
    assert "No background is called alone" in page.locator("#list li[data-state=failed] .state").get_attribute("title")
