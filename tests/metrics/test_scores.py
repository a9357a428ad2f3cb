from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.metrics import compute_dice, compute_iou
from sklearn import metrics as oracle
from torchmetrics.functional.segmentation import dice_score, mean_iou

from limner.metrics import METRICS, cases, counts, dice, iou, precision, recall

EMPTY = np.zeros((4, 4), dtype=np.uint8)
LEFT = np.array([[1, 1, 0, 0]] * 4, dtype=np.uint8)
RIGHT = 1 - LEFT
MIDDLE = np.array([[0, 1, 1, 0]] * 4, dtype=np.uint8)
NAN = float("nan")

POLICY_TABLE = [
    # truth, prediction, case, dice, iou, precision, recall, specificity
    pytest.param(EMPTY, EMPTY, "both_empty", NAN, NAN, NAN, NAN, 1, id="both empty"),
    pytest.param(EMPTY, LEFT, "false_alarm", 0, 0, 0, NAN, 1 / 2, id="false alarm"),
    pytest.param(LEFT, EMPTY, "missed", 0, 0, NAN, 0, 1, id="missed"),
    pytest.param(LEFT, RIGHT, "present", 0, 0, 0, 0, 0, id="elsewhere"),
    pytest.param(LEFT, MIDDLE, "present", 1 / 2, 1 / 3, 1 / 2, 1 / 2, 1 / 2, id="half"),
    pytest.param(LEFT, LEFT, "present", 1, 1, 1, 1, 1, id="perfect"),
    pytest.param(EMPTY + 1, LEFT, "present", 2 / 3, 1 / 2, 1, 1 / 2, NAN, id="truth everywhere"),
    pytest.param(EMPTY + 255, LEFT, "both_empty", NAN, NAN, NAN, NAN, NAN, id="all ignored"),
]
DRAWN = [pytest.param(*row.values[:3], id=row.id) for row in POLICY_TABLE if row.id != "all ignored"]


@pytest.mark.parametrize(
    ("truth", "prediction", "case", "dice_", "iou_", "precision_", "recall_", "specificity_"), POLICY_TABLE
)
def test_the_policy(truth, prediction, case, dice_, iou_, precision_, recall_, specificity_):
    result = counts(truth, prediction, classes=2)
    assert cases(result)[1] == case
    scores = [metric(result)[1] for metric in METRICS.values()]
    np.testing.assert_allclose(scores, [dice_, iou_, precision_, recall_, specificity_])


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (dice, oracle.f1_score),
        (iou, oracle.jaccard_score),
        (precision, oracle.precision_score),
        (recall, oracle.recall_score),
    ],
)
def test_scores_are_scikit_learns(metric, expected):
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 5, (2, 20, 30), dtype=np.uint8)
    ours = metric(counts(truth, prediction, classes=5))
    np.testing.assert_allclose(ours, expected(truth.ravel(), prediction.ravel(), average=None))


@pytest.mark.parametrize(("truth", "prediction", "case"), DRAWN)
def test_monai_agrees_but_drops_false_alarms(truth, prediction, case):
    ours = counts(truth, prediction, classes=2)
    planes = [torch.from_numpy(mask)[None, None].float() for mask in (prediction, truth)]
    theirs = [float(compute_dice(*planes)), float(compute_iou(*planes))]
    if case == "false_alarm":
        assert np.isnan(theirs).all()
        assert dice(ours)[1] == iou(ours)[1] == 0
    else:
        np.testing.assert_allclose([dice(ours)[1], iou(ours)[1]], theirs)


@pytest.mark.parametrize(("truth", "prediction", "case"), DRAWN)
def test_torchmetrics_agrees_but_calls_an_empty_iou_minus_one(truth, prediction, case):
    ours = counts(truth, prediction, classes=2)
    masks = [torch.from_numpy(mask)[None].long() for mask in (prediction, truth)]
    settings = {"num_classes": 2, "include_background": False, "input_format": "index"}
    their_dice = dice_score(*masks, average="none", **settings)
    their_iou = mean_iou(*masks, per_class=True, **settings)
    np.testing.assert_allclose(dice(ours)[1], float(their_dice))
    if case == "both_empty":
        assert float(their_iou) == -1
    else:
        np.testing.assert_allclose(iou(ours)[1], float(their_iou))
