import itertools

import numpy as np
import pytest
import torch

from limner.errors import ConfigError
from limner.inference.views import AS_IS, TTA, View, symmetric_views, tta_views, views
from limner.types import SYMMETRIES

PICTURE = np.arange(6 * 4 * 2, dtype=np.uint8).reshape(6, 4, 2)


@pytest.mark.parametrize("v", [False, True])
@pytest.mark.parametrize("h", [False, True])
@pytest.mark.parametrize("t", [False, True])
def test_undoing_a_view_gives_every_pixel_its_place(v: bool, h: bool, t: bool) -> None:
    view = View(v, h, t)
    seen = torch.from_numpy(view.show(PICTURE).copy()).permute(2, 0, 1).float()
    np.testing.assert_array_equal(view.undo(seen, (6, 4)).permute(1, 2, 0).numpy(), PICTURE)


def test_a_zoomed_view_comes_back_at_the_size_of_the_picture() -> None:
    rows = np.repeat(np.linspace(0, 200, 40).astype(np.uint8)[:, None, None], 30, axis=1)
    view = View(zoom=1.15)
    seen = view.show(rows)
    assert seen.shape == (46, 34, 1)
    back = view.undo(torch.from_numpy(seen).permute(2, 0, 1).float(), (40, 30))
    np.testing.assert_allclose(back[0].numpy()[2:-2], rows[2:-2, :, 0], atol=3)


@pytest.mark.parametrize(
    ("symmetries", "count"),
    [
        ([], 1),
        (["flip_h"], 2),
        (["flip_h", "flip_v"], 4),
        (["rotate90"], 4),
        (["rotate90", "flip_v"], 8),
        (["flip_h", "flip_v", "rotate90"], 8),
    ],
)
def test_views_are_all_that_the_symmetries_lead_to_and_no_more(symmetries: list, count: int) -> None:
    square = np.arange(9).reshape(3, 3, 1)
    found = symmetric_views(symmetries)
    assert found[0] == AS_IS
    seen = {view.show(square).tobytes() for view in found}
    assert len(seen) == len(found) == count
    # A group: a view of a view is one of them.
    for one, other in itertools.product(found, found):
        assert other.show(one.show(square)).tobytes() in seen


def test_a_network_that_has_seen_nothing_mirrored_is_shown_nothing_mirrored() -> None:
    assert all(not (view.flip_h or view.flip_v or view.transpose) for view in views([]))
    assert len(views([])) > 1
    assert views(SYMMETRIES) == symmetric_views(SYMMETRIES)


@pytest.mark.parametrize(("name", "count"), [("none", 1), ("flips", 4), ("symmetries", 8), ("scales", 3)])
def test_views_go_by_name_and_the_plain_one_is_among_them(name: str, count: int) -> None:
    found = tta_views(name)
    assert (len(found), found[0]) == (count, AS_IS)
    assert len(set(found)) == count


def test_an_unknown_name_is_corrected() -> None:
    assert len(TTA) == 4
    with pytest.raises(ConfigError, match="Did you mean 'flips'"):
        tta_views("flip")
