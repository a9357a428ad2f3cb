"""Saving, ordering and training from the page."""

import pytest

import limner


@pytest.mark.slow
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
    page.wait_for_function("() => document.getElementById('model').value !== 'cells'")
    page.wait_for_selector(":nth-match(#list li[data-state=ready], 8)")
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
