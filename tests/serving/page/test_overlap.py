"""Correcting classes that overlap: each on its own plane, saved as training reads it, to the pixel."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import limner
from limner.bundle import TargetSpec, read_meta
from limner.data.catalog import Catalog
from limner.data.labels import LabelMap, read_target
from limner.data.layouts import find_samples
from limner.images import encode_png
from limner.serving.saving import Dataset

SIZE = (48, 64)
ROWS, COLUMNS = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5


def planes(labels, count=2):
    return np.stack([(labels >> place) & 1 for place in range(count)], axis=-1).astype(np.uint8)


def disc(x, y, radius):
    return (COLUMNS - x) ** 2 + (ROWS - y) ** 2 <= radius**2


def read(folder):
    """Masks by picture and target, as training reads them."""
    found = find_samples(folder)
    return {
        name: {
            target: read_target(column[number], found.labels[target])
            for target, column in found.catalog.targets.items()
            if column[number]
        }
        for number, name in enumerate(found.catalog.ids)
    }


@pytest.fixture
def model(every_task):
    return every_task("unet")


@pytest.fixture
def file(picture, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(picture(*SIZE)))
    return path


@pytest.fixture
def before(model, file):
    return limner.load(model, device="cpu").predict(file).masks


@pytest.fixture
def page(show, model, file, tmp_path):
    """The page with the target `multilabel`, of the classes x and y, ready to be corrected."""
    page = show([file], models={"all": model}, save=tmp_path / "saved")
    page.select_option("#target", "multilabel")
    page.focus("#correct")
    page.keyboard.press("Enter")
    page.settle()
    return page


def paint(page, name):
    page.get_by_role("radio", name=name, exact=True).check()
    page.focus("#canvas")


def at(page, x, y):
    """Where a point of the picture lies on the page."""
    return page.evaluate(
        "async ([x, y]) => { const { toCanvas, scales } = await import('/page/view.js');"
        " const box = document.getElementById('canvas').getBoundingClientRect(); const { density } = scales();"
        " const [left, top] = toCanvas(x, y); return [box.left + left / density, box.top + top / density]; }",
        [x, y],
    )


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)
    page.settle()


def test_every_tool_acts_on_the_plane_of_its_class_alone(page, before, tmp_path):
    expected = before["multilabel"].astype(bool)
    assert page.counts() == expected.sum(axis=(0, 1)).tolist()
    page.uncheck("#snap")
    paint(page, "y")
    # The tool begins in the middle of the picture; arrows move it by 4 pixels.
    press(page, "Space")
    expected[..., 1] |= disc(32, 24, 8)
    assert np.array_equal(planes(page.labels("multilabel")), expected)
    press(page, "e", "ArrowRight", "Space")
    expected[..., 1] &= ~disc(36, 24, 8)
    assert np.array_equal(planes(page.labels("multilabel")), expected)
    press(
        page,
        "p",
        "Space",
        *["ArrowLeft"] * 5,
        "Space",
        *["ArrowUp"] * 4,
        "Space",
        *["ArrowRight"] * 5,
        "Space",
        "Enter",
    )
    expected[8:24, 16:36, 1] = True
    assert np.array_equal(planes(page.labels("multilabel")), expected)
    press(page, "f", *["ArrowRight"] * 3, *["ArrowDown"] * 6)
    column, row = (int(part.split()[1]) for part in page.inner_text("#probe").split(" · ")[0].split(", "))
    press(page, "Space")
    if not expected[row, column, 1]:
        regions, _ = ndimage.label(~expected[..., 1])
        expected[..., 1] |= regions == regions[row, column]
    assert np.array_equal(planes(page.labels("multilabel")), expected)
    press(page, "c", "b", "Space")
    expected[..., 0] |= disc(column, row, 8)
    assert np.array_equal(planes(page.labels("multilabel")), expected)
    assert page.inner_text("#status").endswith("in x.")
    assert page.counts() == expected.sum(axis=(0, 1)).tolist()
    steps = 0
    while page.locator("#undo").is_enabled():
        press(page, "Control+z")
        steps += 1
    assert 4 <= steps <= 5
    assert page.counts() == before["multilabel"].sum(axis=(0, 1)).tolist()
    press(page, *["Control+Shift+z"] * steps)
    assert np.array_equal(planes(page.labels("multilabel")), expected)
    page.click("#save")
    page.wait_for_selector("#save:has-text('Saved')")
    assert np.array_equal(read(tmp_path / "saved")["a"]["multilabel"], expected)


def test_the_pointer_draws_erases_and_snaps_in_one_plane(show, model, tmp_path):
    halves = np.full((*SIZE, 3), 30, np.uint8)
    halves[:, 32:] = 220
    file = tmp_path / "halves.png"
    file.write_bytes(encode_png(halves))
    page = show([file], models={"all": model})
    page.select_option("#target", "multilabel")
    x = limner.load(model, device="cpu").predict(file).masks["multilabel"][..., 0]
    page.click("#correct")
    paint(page, "y")
    page.uncheck("#snap")
    press(page, "e")
    page.slide("#radius", 60)
    page.mouse.move(*at(page, 4, 24))
    page.mouse.down()
    page.mouse.move(*at(page, 60, 24), steps=4)
    page.mouse.up()
    page.settle()
    assert page.counts() == [x.sum(), 0]
    press(page, "b")
    page.slide("#radius", 10)
    page.check("#snap")
    page.mouse.click(*at(page, 35, 24))
    page.settle()
    found = planes(page.labels("multilabel"))
    assert np.array_equal(found[..., 0], x)
    assert found[:, 32:, 1].any()
    assert not found[:, :32, 1].any(), "the brush stays on its side of the edge"


def test_the_class_that_is_drawn_in_lies_over_the_others(page):
    page.uncheck("#snap")
    page.slide("#cover", 1)
    page.uncheck("#outline")
    for name, keys in (("x", ["Space"]), ("y", ["ArrowRight", "Space"])):
        paint(page, name)
        press(page, "b", *keys)
    colors = [page.input_value(f"[aria-label='Colour of {name}']") for name in "xy"]
    x, y = ([int(color[place : place + 2], 16) for place in (1, 3, 5)] for color in colors)

    def seen(column):
        return page.evaluate(
            "async (column) => { const { toCanvas } = await import('/page/view.js');"
            " const context = document.getElementById('canvas').getContext('2d');"
            " const [left, top] = toCanvas(column, 28.5);"
            " return [...context.getImageData(Math.round(left), Math.round(top), 1, 1).data.slice(0, 3)]; }",
            column,
        )

    assert seen(34.5) == y
    press(page, "v", "c")
    assert seen(34.5) == x, "both are there, and x is drawn in now"
    page.get_by_role("switch", name="Show x").uncheck()
    page.settle()
    assert seen(34.5) == x, "what is drawn in is never hidden"
    page.click("#correct")
    page.settle()
    assert seen(34.5) == y


def test_several_targets_of_a_picture_are_saved_beside_one_another(page, before, tmp_path):
    press(page, "Space")
    multilabel = planes(page.labels("multilabel"))
    page.click("#save")
    page.wait_for_selector("#save:has-text('Saved')")
    page.select_option("#target", "multiclass")
    page.settle()
    assert page.locator("#undo").is_disabled(), "nothing of this target was changed"
    page.get_by_role("radio", name="c", exact=True).check()
    page.focus("#canvas")
    press(page, "b", "Space")
    multiclass = page.labels("multiclass")
    page.click("#save")
    page.wait_for_selector("#save:has-text('Saved')")
    assert "1 corrected picture" in page.inner_text("#dataset-note")
    page.select_option("#target", "multilabel")
    page.settle()
    assert page.locator("#undo").is_enabled()
    assert read(tmp_path / "saved").keys() == {"a"}
    found = read(tmp_path / "saved")["a"]
    assert found.keys() == {"multiclass", "multilabel"}
    assert np.array_equal(found["multilabel"], multilabel)
    assert np.array_equal(found["multiclass"], multiclass)
    assert not np.array_equal(multiclass, before["multiclass"])


def test_the_zip_has_corrected_planes(page):
    paint(page, "y")
    press(page, "Space")
    expected = planes(page.labels("multilabel"))
    with page.expect_download() as coming:
        page.click("#download")
    with zipfile.ZipFile(coming.value.path()) as found:
        for place, name in enumerate("xy"):
            stored = np.array(Image.open(io.BytesIO(found.read(f"masks/a/{name}.png"))))
            assert np.array_equal(stored > 0, expected[..., place] == 1)


@pytest.fixture(scope="module")
def hearts(small_train, tmp_path_factory):
    """A trained model of two classes that overlap."""
    place = tmp_path_factory.mktemp("hearts")
    spec = TargetSpec(task="multilabel", names=["heart", "ventricle"], colors=[(0, 0, 255), (0, 255, 0)])
    dataset = Dataset(place / "data")
    rows, columns = np.mgrid[:32, :32]
    for seed in range(6):
        heart = (rows - 16) ** 2 + (columns - 12 - seed) ** 2 < 100
        ventricle = (rows - 16) ** 2 + (columns - 12 - seed) ** 2 < 30
        image = np.random.default_rng(seed).integers(0, 60, (32, 32, 1)) + 80 * (heart * 1 + ventricle)[..., None]
        mask = np.stack([heart, ventricle], axis=-1).astype(np.uint8)
        dataset.save(f"h{seed}", {"image": image.astype(np.uint8)}, "mask", mask, {"mask": spec}, replace=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMNER_CACHE", str(place / "cache"))
        run = small_train(place / "data", place / "run")
    return run.folder / "model.safetensors", sorted((place / "data/images").iterdir())


@pytest.mark.slow
def test_a_model_of_overlapping_classes_learns_from_corrections(show, hearts, tmp_path):
    bundle, files = hearts
    page = show(files, models={"hearts": bundle}, save=tmp_path / "saved")
    page.click("#correct")
    page.uncheck("#snap")
    expected = {}
    for file in files:
        page.open(file.name)
        paint(page, "ventricle")
        press(page, "b", "Space")
        expected[file.stem] = planes(page.labels())
        page.click("#save")
        page.wait_for_selector("#save:has-text('Saved')")
    page.fill("#length", "1")
    page.select_option("#length-unit", "epochs")
    page.click("#train")
    page.wait_for_selector("#use:visible", timeout=240_000)
    page.click("#use")
    page.wait_for_selector(f":nth-match(#list li[data-state=ready], {len(files)})")
    run = tmp_path / "saved/.runs/trained-1"
    spec = read_meta(run / "model.safetensors").targets["mask"]
    assert (spec.task, spec.names) == ("multilabel", ["heart", "ventricle"])
    catalog, label_map = Catalog.load(run / "samples.csv"), LabelMap.from_dict(spec.label_map)
    found = dict(zip(catalog.ids, catalog.targets["mask"], strict=True))
    assert found.keys() == expected.keys()
    for name, location in found.items():
        assert np.array_equal(read_target(location, label_map), expected[name])
