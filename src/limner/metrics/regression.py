"""Errors of predicted numbers, such as depths: sums per image, and scores from sums.

Layer: metrics.

RMSE, AbsRel, δ and the scale-invariant error are those of Eigen, Puhrsch & Fergus 2014, "Depth map prediction
from a single image using a multi-scale deep network", section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from limner.metrics.scores import ratio

RATIO = 1.25
"""δ counts pixels whose prediction and truth differ by less than this factor, its square or its cube."""

REGRESSION_POLICY = """\
Numbers are compared in their unit, over the pixels whose truth is known: NaN, infinite and ignored numbers are left \
out.
RMSE is the root of the mean squared error, MAE the mean absolute error.
AbsRel is the mean of |prediction − truth| / truth, and δ < 1.25 the share of pixels where the larger of prediction \
and truth is less than 1.25 times the smaller, likewise δ < 1.25² and δ < 1.25³; all are over pixels whose truth is \
above 0 alone, and the others are counted. A prediction of 0 or less is not within δ.
SILog is the standard deviation of ln prediction − ln truth, which one factor for the whole image does not change, \
over pixels where both are above 0; pixels whose prediction is not, though the truth is, have no logarithm and are \
counted.
Each is computed per image; means are over the images with a known pixel. Pooled scores are over the pixels of all \
images together.
"""
"""What the numbers of a regression target mean, to be shown beside them."""

COLUMNS = (
    *("pixels", "squared", "absolute", "positive", "relative", "within"),
    *("within_square", "within_cube", "logs", "log", "log_squared"),
)


@dataclass(frozen=True)
class ErrorSums:
    """Sums over pixels, each array of the same shape; 0 of everything where no pixel is known.

    Attributes:
        pixels: Pixels whose truth is known.
        squared: Sum of squared errors, unit².
        absolute: Sum of absolute errors, unit.
        positive: Pixels whose truth is above 0.
        relative: Over those, sum of |error| / truth.
        within: Over those, number within a factor of `RATIO`.
        within_square: Likewise of its square.
        within_cube: Likewise of its cube.
        logs: Pixels whose truth and prediction are above 0.
        log: Over those, sum of ln prediction − ln truth.
        log_squared: Over those, sum of its squares.
    """

    pixels: Float64[np.ndarray, "*images"]
    squared: Float64[np.ndarray, "*images"]
    absolute: Float64[np.ndarray, "*images"]
    positive: Float64[np.ndarray, "*images"]
    relative: Float64[np.ndarray, "*images"]
    within: Float64[np.ndarray, "*images"]
    within_square: Float64[np.ndarray, "*images"]
    within_cube: Float64[np.ndarray, "*images"]
    logs: Float64[np.ndarray, "*images"]
    log: Float64[np.ndarray, "*images"]
    log_squared: Float64[np.ndarray, "*images"]

    @property
    def table(self) -> Float64[np.ndarray, "*images 11"]:
        """All in one array, in the order of `COLUMNS`; stack those of many images for `aggregate_errors`."""
        return np.stack([getattr(self, name) for name in COLUMNS], axis=-1)

    @classmethod
    def from_table(cls, table: Float64[np.ndarray, "*images 11"]) -> ErrorSums:
        """The inverse of `table`."""
        return cls(*(np.asarray(table[..., column]) for column in range(len(COLUMNS))))


def error_sums(truth: Float32[np.ndarray, "height width"], prediction: Float32[np.ndarray, "_ _"]) -> ErrorSums:
    """Sums of the errors of one image.

    Args:
        truth: In the unit; NaN where unknown.
        prediction: In the unit, finite.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> truth = np.array([[2, 4, 0, np.nan]], dtype=np.float32)
        >>> prediction = np.array([[3, 4, 1, 7]], dtype=np.float32)
        >>> sums = error_sums(truth, prediction)
        >>> float(sums.squared), float(sums.relative), float(sums.within), float(sums.within_cube)
        (2.0, 0.5, 1.0, 2.0)
    """
    if truth.shape != prediction.shape:
        raise ValueError(f"Expected truth and prediction of one shape, but got {truth.shape} and {prediction.shape}")
    known = np.isfinite(truth)
    true, found = truth[known].astype(np.float64), prediction[known].astype(np.float64)
    error = np.abs(found - true)
    positive = true > 0
    relative = found[positive] / true[positive]
    factor = np.full(relative.shape, np.inf)
    np.divide(1, relative, out=factor, where=relative > 0)
    np.maximum(factor, relative, out=factor)
    logs = np.log(relative[relative > 0])
    sums = (
        *(true.size, np.square(error).sum(), error.sum()),
        *(positive.sum(), (error[positive] / true[positive]).sum()),
        *((factor < RATIO**power).sum() for power in (1, 2, 3)),
        *(logs.size, logs.sum(), np.square(logs).sum()),
    )
    return ErrorSums(*(np.array(total, np.float64) for total in sums))


def rmse(sums: ErrorSums) -> Float64[np.ndarray, "*shape"]:
    """Root of the mean squared error, in the unit; NaN where no pixel is known."""
    return np.asarray(np.sqrt(ratio(sums.squared, sums.pixels)))


def mae(sums: ErrorSums) -> Float64[np.ndarray, "*shape"]:
    """Mean absolute error, in the unit; NaN where no pixel is known."""
    return ratio(sums.absolute, sums.pixels)


def abs_rel(sums: ErrorSums) -> Float64[np.ndarray, "*shape"]:
    """Mean of |error| / truth over pixels whose truth is above 0; NaN where there is none."""
    return ratio(sums.relative, sums.positive)


def delta(sums: ErrorSums) -> Float64[np.ndarray, "*shape"]:
    """Share of pixels within a factor of 1.25, of those whose truth is above 0; NaN where there is none."""
    return ratio(sums.within, sums.positive)


def delta_square(sums: ErrorSums) -> Float64[np.ndarray, "*shape"]:
    """As `delta`, within a factor of 1.25²."""
    return ratio(sums.within_square, sums.positive)


def delta_cube(sums: ErrorSums) -> Float64[np.ndarray, "*shape"]:
    """As `delta`, within a factor of 1.25³."""
    return ratio(sums.within_cube, sums.positive)


def silog(sums: ErrorSums) -> Float64[np.ndarray, "*shape"]:
    """Standard deviation of ln prediction − ln truth where both are above 0; NaN where there is no such pixel.

    The scale-invariant error of Eigen et al. with λ = 1, and its root; the KITTI benchmark multiplies it by 100.
    """
    mean = ratio(sums.log, sums.logs)
    return np.asarray(np.sqrt(np.maximum(ratio(sums.log_squared, sums.logs) - mean**2, 0)))


ERROR_METRICS: dict[str, Callable[[ErrorSums], Float64[np.ndarray, "*shape"]]] = {
    "rmse": rmse,
    "mae": mae,
    "abs_rel": abs_rel,
    "delta": delta,
    "delta_square": delta_square,
    "delta_cube": delta_cube,
    "silog": silog,
}
"""Name → function, in the order of every table."""


@dataclass(frozen=True)
class Errors:
    """One number per metric; NaN where undefined."""

    rmse: float
    mae: float
    abs_rel: float
    delta: float
    delta_square: float
    delta_cube: float
    silog: float


@dataclass(frozen=True)
class ErrorSummary:
    """What a set of images says about one regression target; see `REGRESSION_POLICY`.

    Attributes:
        mean: Means over the images where each is defined.
        pooled: Scores of the pixels of all images together.
        n_pixels: Pixels whose truth is known.
        n_not_positive: Of those, how many are 0 or less, which AbsRel and δ leave out.
        n_unknown: Images without a known pixel.
        n_without_log: Pixels with a truth above 0 and a prediction that is not, which SILog leaves out.
    """

    mean: Errors
    pooled: Errors
    n_pixels: int
    n_not_positive: int
    n_unknown: int
    n_without_log: int


def aggregate_errors(table: Float64[np.ndarray, "images 11"]) -> ErrorSummary:
    """Means and pooled scores of a regression target.

    Args:
        table: `ErrorSums.table` of every image, stacked.

    Example:
        >>> images = [[4, 16, 8, 4, 2, 4, 4, 4, 4, 0, 0], [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]]
        >>> table = np.array(images, dtype=np.float64)
        >>> summary = aggregate_errors(table)
        >>> summary.mean.rmse, summary.mean.delta, summary.pooled.mae, summary.n_not_positive
        (1.5, 1.0, 1.8, 1)
    """
    sums, pooled = ErrorSums.from_table(table), ErrorSums.from_table(table.sum(axis=0))
    return ErrorSummary(
        mean=Errors(**{name: _mean(metric(sums)) for name, metric in ERROR_METRICS.items()}),
        pooled=Errors(**{name: float(metric(pooled)) for name, metric in ERROR_METRICS.items()}),
        n_pixels=int(pooled.pixels),
        n_not_positive=int(pooled.pixels - pooled.positive),
        n_unknown=int((sums.pixels == 0).sum()),
        n_without_log=int(pooled.positive - pooled.logs),
    )


def _mean(values: Float64[np.ndarray, " images"]) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
