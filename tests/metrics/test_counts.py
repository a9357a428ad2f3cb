from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import multilabel_confusion_matrix

from limner.metrics import Counts, counts, plane_counts

#   truth      prediction
#   1 1 . .    1 . . .
#   1 1 . .    1 . . .
#   . . 2 2    2 . 2 2
#   . . 2 ×    . . 2 2     × is ignored
TRUTH = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 2, 2], [0, 0, 2, 255]], dtype=np.uint8)
PREDICTION = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [2, 0, 2, 2], [0, 0, 2, 2]], dtype=np.uint8)


def test_a_drawn_mask():
    result = counts(TRUTH, PREDICTION, classes=3)
    assert result.tp.tolist() == [7, 2, 3]
    assert result.fp.tolist() == [2, 0, 1]
    assert result.fn.tolist() == [1, 2, 0]
    assert result.tn.tolist() == [5, 11, 11]


def test_drawn_planes():
    truth = np.stack([TRUTH == 1, TRUTH == 2], axis=-1).astype(np.uint8)
    truth[3, 3] = [0, 255]
    prediction = np.stack([PREDICTION == 1, PREDICTION != 0], axis=-1).astype(np.uint8)
    assert plane_counts(truth, prediction).table.tolist() == [[2, 0, 2, 12], [3, 3, 0, 9]]


@given(st.data(), st.integers(2, 254))
def test_counts_are_scikit_learns(data, classes):
    shape = data.draw(arrays.array_shapes(min_dims=2, max_dims=2, max_side=12))
    truth, prediction = (
        data.draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, classes - 1))) for _ in range(2)
    )
    ignored = data.draw(arrays.arrays(bool, shape))
    result = counts(np.where(ignored, np.uint8(255), truth), prediction, classes)
    if ignored.all():
        assert not result.table.any()
        return
    oracle = multilabel_confusion_matrix(truth[~ignored], prediction[~ignored], labels=list(range(classes)))
    # scikit-learn lays out [[tn, fp], [fn, tp]].
    np.testing.assert_array_equal(result.table, oracle.reshape(classes, 4)[:, [3, 1, 2, 0]])


def test_a_table_comes_back():
    result = counts(TRUTH, PREDICTION, classes=3)
    np.testing.assert_array_equal(Counts.from_table(result.table).table, result.table)


def test_another_id_may_be_ignored():
    truth = np.where(TRUTH == 255, np.uint8(7), TRUTH)
    np.testing.assert_array_equal(
        counts(truth, PREDICTION, 3, ignore=7).table, counts(TRUTH, PREDICTION, classes=3).table
    )


def test_views_that_are_not_contiguous_count_the_same():
    np.testing.assert_array_equal(counts(TRUTH.T, PREDICTION.T, 3).table, counts(TRUTH, PREDICTION, 3).table)


@pytest.mark.parametrize(
    ("truth", "prediction", "classes", "words"),
    [
        (TRUTH, PREDICTION[:3], 3, r"one shape.*\(4, 4\) and \(3, 4\)"),
        (TRUTH, PREDICTION, 2, "below 2 in the prediction, but got 2"),
        (TRUTH, np.zeros_like(TRUTH), 2, "below 2 in the truth, but got 2"),
        # A mask of 0 and 255 that nobody mapped: it must not pass for one without foreground.
        (TRUTH, np.full_like(TRUTH, 255), 2, "below 2 in the prediction, but got 255"),
        (TRUTH, PREDICTION, 255, "1 to 254 classes"),
    ],
)
def test_what_cannot_be_counted_is_refused(truth, prediction, classes, words):
    with pytest.raises(ValueError, match=words):
        # Without the shape checks of the tests, as in use.
        inspect.unwrap(counts)(truth, prediction, classes)
