from __future__ import annotations

import pytest

from limner.augment import NO_AUGMENTATION, PRESETS, Augmentation, create_augmentation
from limner.errors import ConfigError


def test_the_default_preset_is_the_default_specification():
    assert PRESETS["default"] == Augmentation() == create_augmentation()
    assert PRESETS["none"] == NO_AUGMENTATION == Augmentation.none()


def test_no_preset_turns_pictures_upside_down():
    assert not any(preset.flip_v or preset.rotate90 for preset in PRESETS.values())


def test_changes_win_over_the_preset_and_none_keeps_it():
    augmentation = create_augmentation("strong", flip_v=True, blur=None)
    assert augmentation.flip_v
    assert augmentation.blur == PRESETS["strong"].blur


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="Did you mean 'strong'"):
        create_augmentation("stong")
    with pytest.raises(ConfigError, match="Did you mean 'rotate90'"):
        create_augmentation(rotate_90=True)
    with pytest.raises(ConfigError, match="none, light, default, strong"):
        create_augmentation("xyz")
