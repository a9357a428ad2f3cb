"""The viewer in a browser: what a reader sees when layers are switched and the picture is enlarged."""

import shutil

import pytest

from limner.evaluation.report import write_report

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no browser")
def test_layers_and_zoom_follow_the_keyboard(make_run, draw_cases):
    playwright = pytest.importorskip("playwright.sync_api")
    run = make_run()
    draw_cases(run)
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.goto(write_report(run).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        viewer = page.locator(".viewer").first
        errors, truth = viewer.locator(".layer.errors"), viewer.locator(".layer.truth")
        assert (errors.is_visible(), truth.is_visible()) == (False, True)
        for name in ("errors", "truth"):
            viewer.get_by_label(name, exact=True).focus()
            page.keyboard.press("Space")
        assert (errors.is_visible(), truth.is_visible()) == (True, False)
        assert page.locator(".viewer").nth(1).locator(".layer.truth").is_visible()

        frame = viewer.locator(".frame")
        width, height = frame.evaluate("e => [e.clientWidth, e.clientHeight]")
        viewer.get_by_label("1×").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert frame.evaluate("e => [e.scrollWidth, e.clientWidth, e.clientHeight]") == [4 * width, width, height]
        frame.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("e => e.scrollLeft > 0", arg=frame.element_handle())

        page.emulate_media(media="print")
        assert (errors.is_visible(), truth.is_visible()) == (False, True)
        assert not viewer.locator(".controls").is_visible()
        assert frame.evaluate("e => e.scrollWidth == e.clientWidth")
        browser.close()
