import random
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limner.data.pairing import match_pairs, match_within


def numbered(pattern, numbers=range(1, 6)):
    return [pattern.format(number) for number in numbers]


# Image pattern, mask pattern, the rule in words. From data sets that people have.
CONVENTIONS = [
    ("{}.png", "{}.png", "mask name = image name"),
    ("{}.jpg", "{}_mask.png", "mask name = image name + '_mask'"),
    ("ISIC_{:07}.jpg", "ISIC_{:07}_segmentation.png", "mask name = image name + '_segmentation'"),
    ("{:02}_training.tif", "{:02}_manual1.gif", "image '*_training' goes with mask '*_manual1'"),  # DRIVE
    ("case_{:03}_0000.png", "case_{:03}.png", "image '*_0000' goes with mask '*'"),  # nnU-Net
    ("0001TP_{:06}.png", "0001TP_{:06}_L.png", "mask name = image name + '_L'"),  # CamVid
    ("{}.png", "mask_{}.png", "mask name = 'mask_' + image name"),
    ("{}.png", "GT_{}.png", "mask name = 'GT_' + image name"),
    ("{}.png", "{}.mask.png", "mask name = image name + '.mask'"),
    ("{}.png", "{}-mask.png", "mask name = image name + '-mask'"),
    ("{}.png", "{}_ground_truth.png", "mask name = image name + '_ground_truth'"),
    ("{}.png", "{}mask.png", "mask name = image name + 'mask'"),
    ("cat{}x.png", "cat{}xmask.png", "mask name = image name + 'mask'"),
    ("img_{}.png", "mask_{}.png", "image 'img_*' goes with mask 'mask_*'"),
    ("{}_image.png", "{}_mask.png", "image '*_image' goes with mask '*_mask'"),
    ("{}_sat.jpg", "{}_mask.png", "image '*_sat' goes with mask '*_mask'"),  # DeepGlobe
    ("{}.jpg", "{}.jpg.png", "mask name = image name + '.jpg'"),
    ("{}.ome.tif", "{}_foo.ome.tif", "mask name = image name + '_foo'"),
    ("{}.ome.tif", "{}.png", "mask name = image name"),
    ("{}.nii.gz", "{}.nii", "mask name = image name"),
    ("brain{}.nii.gz", "brain{}_seg.nii.gz", "mask name = image name + '_seg'"),
    ("Präparat (Nr. {}).png", "Präparat (Nr. {}) mask.png", "mask name = image name + ' mask'"),
    ("e\u0301tude {}.png", "\u00e9tude {}_mask.png", "mask name = image name + '_mask'"),  # macOS, others
    ("{}.png", "{}_foo.png", "mask name = image name + '_foo'"),
    ("{}.png", "{}_gtFine_labelIds.png", "mask name = image name + '_gtFine_labelIds'"),
    ("scene-{}.png", "truth-{}.png", "image 'scene-*' goes with mask 'truth-*'"),
    ("a/{}.png", "a/{}_mask.png", "mask name = image name + '_mask'"),
    ("IMG_{}.PNG", "img_{}.png", "mask name = image name, upper and lower case disregarded"),
    ("{}.png", "{:04}.png", "mask name = image name, leading zeros disregarded"),
    ("Scan{}.png", "scan{:04}.png", "mask name = image name, case and leading zeros disregarded"),
    ("patient{0}/slice{0}.png", "slice{}_mask.png", "mask name = image name + '_mask', sub-folders disregarded"),
]


@pytest.mark.parametrize(("image", "mask", "rule"), CONVENTIONS)
def test_conventions_are_recognised(image, mask, rule):
    images, masks = numbered(image), numbered(mask)

    pairing = match_pairs(images, masks)

    assert pairing.pairs == list(zip(images, masks, strict=True))
    assert pairing.rule == rule
    assert pairing.complete


def test_a_mask_may_be_named_after_the_whole_file():
    images = ["cat.jpg", "dog.jpg", "cow.jpeg", "hen.png"]

    pairing = match_pairs(images, [f"{name}.png" for name in images])

    assert pairing.pairs == [(name, f"{name}.png") for name in images]
    assert pairing.rule == "mask name = image name with its ending"


def test_folders_that_run_in_step_are_never_crossed():
    images, masks = numbered("p/{}.png"), numbered("p/{}_mask.png")

    pairing = match_pairs([*images, "a/x.png"], [*masks, "b/x_mask.png"])

    assert pairing.pairs == list(zip(images, masks, strict=True))
    assert (pairing.unmatched_images, pairing.unmatched_masks) == (["a/x.png"], ["b/x_mask.png"])
    within = match_within([*images, "a/x.png", *masks, "b/x_mask.png"])
    assert within.pairs == pairing.pairs
    assert within.unmatched_masks == ["b/x_mask.png"]


def test_a_mask_per_class_is_ambiguous():
    pairing = match_pairs(numbered("{}.png"), numbered("{}_disc.png") + numbered("{}_vertebra.png"))

    assert pairing.pairs == []
    assert pairing.ambiguous[0] == ("1.png", ["1_disc.png", "1_vertebra.png"])


def test_numbers_match_whole():
    pairing = match_pairs(["1.png"], ["11_mask.png", "21.png"])

    assert pairing.pairs == []
    assert pairing.unmatched_images == ["1.png"]
    assert pairing.unmatched_masks == ["11_mask.png", "21.png"]


def test_a_missing_file_leaves_the_other_pairs_alone():
    images, masks = numbered("{}.png", [1, 2, 4, 5]), numbered("{}_mask.png", [1, 3, 4, 5])

    pairing = match_pairs(images, masks)

    assert pairing.pairs == [(f"{number}.png", f"{number}_mask.png") for number in (1, 4, 5)]
    assert (pairing.unmatched_images, pairing.unmatched_masks) == (["2.png"], ["3_mask.png"])


def test_several_candidates_are_reported_not_chosen():
    pairing = match_pairs(["1.png", "2.png", "3.jpg", "3.png"], ["1.png", "1.tif", "2.png", "3.png"])

    assert pairing.pairs == [("2.png", "2.png")]
    assert pairing.ambiguous == [("1.png", ["1.png", "1.tif"]), ("3.jpg", ["3.png"]), ("3.png", ["3.png"])]
    assert pairing.unmatched_images == pairing.unmatched_masks == []


def test_two_rules_that_fit_equally_well_are_ambiguous():
    pairing = match_pairs(numbered("{}.png"), numbered("{}_mask.png") + numbered("{}_gt.png"))

    assert pairing.pairs == []
    assert pairing.ambiguous[0] == ("1.png", ["1_gt.png", "1_mask.png"])


def test_equal_names_win_over_other_pictures_of_the_same_sample():
    pairing = match_pairs(numbered("{}.png"), numbered("{}.png") + numbered("{}_viz.png"))

    assert pairing.pairs == [(name, name) for name in numbered("{}.png")]
    assert pairing.unmatched_masks == numbered("{}_viz.png")


def test_folders_run_in_step():
    pairing = match_pairs(["a/1.png", "b/1.png", "b/2.png"], ["a/1_mask.png", "b/2_mask.png", "c/1_mask.png"])

    assert pairing.pairs == [("a/1.png", "a/1_mask.png"), ("b/2.png", "b/2_mask.png")]
    assert pairing.unmatched_masks == ["c/1_mask.png"]


def test_leading_zeros_are_kept_where_they_tell_files_apart():
    pairing = match_pairs(["1.png", "01.png", "2.png"], ["1.png", "01.png", "002.png"])

    assert pairing.pairs == [("1.png", "1.png"), ("01.png", "01.png")]
    assert pairing.unmatched_masks == ["002.png"]


def test_masks_of_other_patients_are_not_paired_by_a_learned_prefix():
    pairing = match_pairs(["patA_1.png", "patB_1.png", "patB_2.png", "patB_3.png"], numbered("patA_{}.png", [1, 2, 3]))

    assert pairing.pairs == [("patA_1.png", "patA_1.png")]


def test_one_folder_with_both_kinds():
    names = [*numbered("{}.png"), *numbered("{}_mask.png", [1, 2, 3, 7])]

    pairing = match_within(names)

    assert pairing.pairs == [(f"{number}.png", f"{number}_mask.png") for number in (1, 2, 3)]
    assert (pairing.unmatched_images, pairing.unmatched_masks) == (["4.png", "5.png"], ["7_mask.png"])


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("{}.tif", "{}_mask.tif"),
        ("p{0}/x{0}.png", "p{0}/x{0}_foo.png"),
        ("{}_image.png", "{}_mask.png"),
        ("{}_t2.png", "{}_seg.png"),
        ("img_{}.png", "label_{}.png"),
        ("{}/image.png", "{}/mask.png"),
    ],
)
def test_one_folder_conventions(image, mask):
    pairing = match_within(sorted([*numbered(image), *numbered(mask)]))

    assert pairing.pairs == list(zip(numbered(image), numbered(mask), strict=True))
    assert pairing.complete


@pytest.mark.parametrize(
    "names", [[*numbered("cat_{}.png"), *numbered("dog_{}.png")], numbered("{}.png"), ["image.png", "mask.png"], []]
)
def test_one_folder_without_masks(names):
    pairing = match_within(names)

    assert (pairing.pairs, pairing.unmatched_images, pairing.unmatched_masks) == ([], names, [])
    assert pairing.rule == "no naming rule fits"


def test_two_annotators_in_one_folder_are_ambiguous():
    names = [*numbered("{}.jpg"), *numbered("{}_1stHO.png"), *numbered("{}_2ndHO.png")]  # CHASE_DB1

    pairing = match_within(names)

    assert pairing.ambiguous[0] == ("1.jpg", ["1_1stHO.png", "1_2ndHO.png"])
    assert pairing.pairs == []


names = st.lists(
    st.from_regex(r"(p[12]/)?(case)?[0-9]{1,3}([ab]_[0-9])?", fullmatch=True), min_size=1, max_size=20, unique=True
)
tries = settings(derandomize=False)  # new examples each time: one of them found files paired across folders
patterns = st.sampled_from([("{}.png", "{}.png"), ("{}.jpg", "{}_mask.png"), ("{}.png", "{}_foo.png")])


@tries
@given(names=names, pattern=patterns, seed=st.integers(0, 100))
def test_the_order_of_the_listing_changes_no_pair(names, pattern, seed):
    images, masks = numbered(pattern[0], names), numbered(pattern[1], names)
    expected = match_pairs(images, masks)

    random.Random(seed).shuffle(images)
    random.Random(seed + 1).shuffle(masks)
    shuffled = match_pairs(images, masks)

    assert (
        set(shuffled.pairs)
        == set(expected.pairs)
        == set(zip(numbered(pattern[0], names), numbered(pattern[1], names), strict=True))
    )
    assert shuffled.rule == expected.rule


@tries
@given(names=names.filter(lambda names: len(names) > 2), pattern=patterns, data=st.data())
def test_removing_files_shifts_no_other_pair(names, pattern, data):
    lost_images = data.draw(st.sets(st.sampled_from(names), max_size=len(names) // 3))
    lost_masks = data.draw(st.sets(st.sampled_from(names), max_size=len(names) // 3))

    pairing = match_pairs(
        numbered(pattern[0], [name for name in names if name not in lost_images]),
        numbered(pattern[1], [name for name in names if name not in lost_masks]),
    )

    kept = [name for name in names if name not in lost_images | lost_masks]
    assert set(pairing.pairs) == set(zip(numbered(pattern[0], kept), numbered(pattern[1], kept), strict=True))


@tries
@given(
    images=st.lists(st.text("ab1_/.", min_size=1), unique=True),
    masks=st.lists(st.text("ab1_/.", min_size=1), unique=True),
)
def test_every_file_is_accounted_for_once(images, masks):
    pairing = match_pairs(images, masks)

    paired, unclear = [image for image, _ in pairing.pairs], [image for image, _ in pairing.ambiguous]
    assert sorted([*paired, *unclear, *pairing.unmatched_images]) == sorted(images)
    unclear_masks = {mask for _, found in pairing.ambiguous for mask in found}
    assert sorted([*(mask for _, mask in pairing.pairs), *unclear_masks, *pairing.unmatched_masks]) == sorted(masks)


def test_summary_names_what_is_left_over():
    pairing = match_pairs(
        [*numbered("{}.png", range(1, 30)), "x.jpg", "x.png"], [*numbered("{}_mask.png", [1, 2]), "x_mask.png"]
    )

    lines = pairing.summary(most=3).splitlines()

    assert lines[0] == "2 pairs: mask name = image name + '_mask'."
    assert lines[1:6] == ["27 images without a mask:", "  3.png", "  4.png", "  5.png", "  … and 24 more"]
    assert lines[6:] == ["2 images with ambiguous masks:", "  x.jpg ↔ x_mask.png", "  x.png ↔ x_mask.png"]


def test_many_files_take_work_in_proportion():
    def names(count):
        images = [f"p{number % 30}/scan{number}.png" for number in range(count)]
        return images, [f"p{number % 30}/scan{number}_mask.png" for number in range(5, count + 5)]

    def between(count):
        images, masks = names(count)
        assert len(match_pairs(images, masks).pairs) == count - 5

    def within(count):
        images, masks = names(count)
        assert len(match_within([*images, *masks]).pairs) == count - 5

    for work in (between, within):
        few, many = (instructions(work, count) for count in (100, 400))
        assert many < 5 * few  # 16 times as many where all are compared with all


def instructions(work, *arguments):
    """Instructions of Python that the work takes, which no other load of the machine changes."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work(*arguments)
    finally:
        sys.settrace(before)
    return count
