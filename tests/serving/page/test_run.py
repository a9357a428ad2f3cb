"""The page of a run: its report, and its samples with the truth beside."""

import shutil

import numpy as np
import pytest

import limner
from limner.data.labels import read_target
from limner.images import read_mask
from limner.training.record import read_data
from limner.workflow.open import show_run

pytestmark = pytest.mark.slow


@pytest.fixture
def open_run(show):
    """Opens the page of a run folder."""

    def start(folder, **settings):
        shown, bundles = show_run(folder)
        page = show(models=bundles, run=shown, **settings)
        page.wait_for_selector("#tabs:not([hidden])")
        return page

    return start


@pytest.fixture
def run(bundle):
    return bundle.parent


@pytest.fixture
def pictures_of(open_run, run):
    """Opens the pictures of the run."""

    def start(folder=run, **settings):
        page = open_run(folder, **settings)
        page.click("#tab-pictures")
        ready(page)
        return page

    return start


def ready(page):
    page.wait_for_selector("#list li[data-state=ready] [aria-current=true]")
    page.wait_for_selector("#class-list .found:not(:empty)")
    page.settle()


def names(page):
    return page.locator("#list .name").all_inner_texts()


def dice(page):
    return page.inner_text("#class-list .found")


def truth_of(run, name):
    data = read_data(run)
    place = data.catalog.ids.index(name)
    mask = read_target(data.catalog.targets["mask"][place], data.label_maps["mask"])
    return data.catalog.inputs["image"][place], mask


def dice_of(found, truth):
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


def test_the_report_is_the_first_page_and_its_names_lead_to_pictures(open_run, run):
    page = open_run(run)
    frame = page.frame_locator("#report-frame")
    assert frame.locator("h1").inner_text() == run.name
    assert page.locator("#work").is_hidden()
    frame.get_by_role("link", name="Examples").click()
    assert frame.locator("#examples-title").is_visible()
    link = frame.locator("article[aria-label^='Best'] .case-head a").first
    name = link.inner_text()
    link.click()
    ready(page)
    assert page.locator("#report").is_hidden()
    assert page.inner_text("#list [aria-current=true] .name") == name
    assert name in page.locator("#canvas").get_attribute("aria-label")
    page.go_back()
    page.wait_for_selector("#report:not([hidden])")


def test_pictures_come_in_the_report_s_order_and_in_others(pictures_of, run):
    page = pictures_of()
    page.wait_for_selector("#list .state:has-text('worst')")
    page.select_option("#order", "worst")
    page.wait_for_selector("#more", state="hidden")
    page.settle()
    scores = [float(text.split("Dice ")[1][:4]) for text in page.locator("#list .state").all_inner_texts()]
    assert scores == sorted(scores)
    (name,) = names(page)[-1:]
    page.fill("#find", name)
    page.wait_for_selector("#list li:only-child")
    assert names(page) == [name]
    page.fill("#find", "nothing is called so")
    page.wait_for_selector("#samples-note:has-text('None is called so.')")


def test_dice_follows_the_threshold(pictures_of, run):
    page = pictures_of()
    name = page.inner_text("#list [aria-current=true] .name")
    image, truth = truth_of(run, name)
    prediction = limner.load(run, device="cpu").predict(image)
    words = f"Dice {dice_of(prediction.mask == 1, truth == 1):.2f}"
    assert dice(page) == words
    assert words in page.inner_text("#list [aria-current=true] .state")
    page.slide("#class-list input[type=range]", 0.9)
    moved = np.round(prediction.probs["mask"][0] * 255) > 255 * 0.9
    expected = dice_of(moved, truth == 1)
    page.wait_for_selector(f"#class-list .found:text-is('Dice {expected:.2f}')")
    area = int(page.locator("#class-list .found").get_attribute("title").split(" has ")[1].split()[0].replace(",", ""))
    assert area == (truth == 1).sum()


def test_the_truth_is_drawn_over_and_beside(pictures_of):
    page = pictures_of()
    over = page.pixels()
    page.uncheck("#true-line")
    page.settle()
    without = page.pixels()
    line = (over != without).any(axis=2)
    assert line.any()
    assert set(np.unique(over[line])) == {0, 255}  # dashes of black and white
    page.choose("mode", "beside")
    truth = page.pixels()
    page.choose("against", "original")
    original = page.pixels()
    width = truth.shape[1]
    changed = (truth != original).any(axis=2)
    assert changed[:, : width // 2].any()
    assert not changed[:, width // 2 + 4 :].any()
    page.choose("mode", "swipe")
    page.choose("against", "truth")
    truth = page.pixels()
    page.choose("against", "original")
    changed = (truth != page.pixels()).any(axis=2)
    assert changed[:, : width // 2].any()
    page.choose("mode", "overlay")
    assert page.locator("#against").is_hidden()
    page.mouse.move(*page.center())
    assert "truth: " in page.inner_text("#probe")


def test_errors_have_the_colours_of_the_report(pictures_of, run):
    page = pictures_of()
    name = page.inner_text("#list [aria-current=true] .name")
    image, truth = truth_of(run, name)
    mask = limner.load(run, device="cpu").predict(image).mask
    page.slide("#cover", 0.4)
    page.choose("layer", "errors")
    page.slide("#cover", 1)
    shown = page.pixels()
    extra, missed = (mask == 1) & (truth != 1), (mask != 1) & (truth == 1)
    for color, there in (((214, 39, 160), extra), ((255, 176, 0), missed)):
        drawn = (np.abs(shown - color) <= 1).all(axis=2).sum()
        scale = float(page.inner_text("#zoom").split()[0]) / 100
        assert drawn / scale**2 == pytest.approx(there.sum(), rel=0.1, abs=12)
    assert page.locator("#errors-key").is_visible()


def test_validation_pictures_are_scored_when_asked(pictures_of):
    page = pictures_of()
    page.select_option("#group", "val")
    page.wait_for_selector("#rate:visible")
    assert "did not score these" in page.inner_text("#samples-note")
    page.click("#rate")
    page.wait_for_selector("#list .state:has-text('Dice')")
    assert page.locator("#rate").is_hidden()


def test_the_true_mask_can_be_corrected_and_saved(pictures_of, run, tmp_path):
    page = pictures_of(save=tmp_path / "corrected")
    name = page.inner_text("#list [aria-current=true] .name")
    _, truth = truth_of(run, name)
    page.click("#from-truth")
    page.wait_for_selector("#class-list .found:text-is('Dice 1.00')")
    page.click("#save")
    page.wait_for_selector("#save:has-text('Saved')")
    stored = read_mask(str(tmp_path / "corrected" / "masks" / f"{name}.png")).array
    assert np.array_equal(stored, truth)
    page.click("#correct")
    page.click("#undo")
    page.settle()
    assert dice(page) != "Dice 1.00"


def test_without_a_folder_the_page_says_how_to_save(pictures_of):
    assert "--save DIR" in pictures_of().inner_text("#no-save")


def test_own_pictures_stand_before_the_samples(pictures_of, pictures):
    page = pictures_of()
    page.set_input_files("#files", [str(pictures[0])])
    page.wait_for_selector(f"#list li:nth-child(1)[data-state=ready] .name:has-text('{pictures[0].name}')")
    assert page.locator("#list li").count() > 1
    assert page.locator("#true-line-box").is_hidden()


def test_what_is_gone_is_said(open_run, run, tmp_path, cells):
    folder = shutil.copytree(run, tmp_path / "run")
    table = folder / "samples.csv"
    table.write_text(table.read_text().replace(str(cells), str(tmp_path / "gone")))
    page = open_run(folder)
    assert page.frame_locator("#report-frame").locator("h1").inner_text() == "run"
    page.click("#tab-pictures")
    page.wait_for_selector("#wait-text:has-text('no longer there')")
    assert str(tmp_path) not in page.content()


def test_a_run_without_a_model_says_so_until_it_comes(browser, serve, run, tmp_path):
    folder = shutil.copytree(run, tmp_path / "run")
    kept = (folder / "model.safetensors").rename(tmp_path / "model.safetensors")
    shown, bundles = show_run(folder)
    server = serve(models=bundles, run=shown, reload=0.1)
    page = browser.new_page()
    page.goto(f"{server.url}/#pictures")
    page.wait_for_selector("#wait-text:has-text('none yet')")
    kept.rename(folder / "model.safetensors")
    page.wait_for_selector("#class-list .found:not(:empty)", timeout=30_000)
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(pictures_of, scheme):
    page = pictures_of(width=390, height=844)
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("#tab-report")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#report-frame").bounding_box()["height"] > 400
