"""Pictures that come in, and what goes out."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

import limner


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
    page.slide("#class-list input[type=range]", 0.7)
    page.click("#correct")
    page.mouse.click(*page.center())
    page.settle()
    with page.expect_download() as coming:
        page.click("#download")
    with zipfile.ZipFile(coming.value.path()) as found:
        corrected, moved = (
            np.array(Image.open(io.BytesIO(found.read(f"masks/{file.name}")))) > 0 for file in pictures[:2]
        )
    assert corrected.sum() == page.count()
    unsure = np.abs(probs - 0.7) < 1 / 255
    assert np.array_equal(moved[~unsure], probs[~unsure] > 0.7)


def test_a_token_is_asked_for_once(show, pictures):
    page = show(pictures[:1], token="a-token-of-24-characters")
    assert page.locator("#token-dialog").is_hidden()
    page.reload()
    page.wait_for_selector("#model option", state="attached")
    assert page.locator("#token-dialog").is_hidden()


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
