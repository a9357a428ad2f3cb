"""The records of a run folder: what stands in its JSON, YAML and CSV files, as checked models.

Layer: part of `evaluation`. Every key may be absent, so that an unfinished run can be reported; a key
that is there must be of its kind.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from limner.types import Color


def _none_if_nan(value: object) -> object:
    if value is None or value == "":
        return None
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_none_if_nan)]
"""A finite number, or None where a metric is undefined (null, NaN or an empty cell on disk)."""

Channel = Annotated[int, Field(ge=0, le=255)]


class Record(BaseModel):
    """What all records share: read-only, and open to keys of later versions."""

    # Later versions may write more; the report shows what it knows.
    model_config = ConfigDict(extra="allow", frozen=True)


class RunRecord(Record):
    """`run.json`: what happened, where and how long it took (seconds)."""

    status: str = ""
    limner: str | None = None
    versions: dict[str, Any] = {}
    machine: dict[str, Any] = {}
    started: str | None = None
    seconds: dict[str, Number] = {}
    parameters: int | None = None
    images_per_s: Number = None
    licence: str | None = None
    started_from: dict[str, Any] | None = None
    reproducible: str = ""


class AttemptRecord(Record):
    """`attempt.json`: a training that collapsed, and the settings that were changed after it, each with a reason."""

    diagnosis: str = ""
    changes: dict[str, Any] = {}
    because: dict[str, str] = {}
    best_score: Number = None


class LabelMapRecord(Record):
    """One target's label map: names and colours by class id."""

    task: str = "binary"
    names: list[str] = []
    colors: list[tuple[Channel, Channel, Channel]] = []
    encoding: str = ""
    values: list[Any] = []
    ignore: list[Any] = []
    because: str = ""
    unit: str = ""
    factor: Number = None
    low: Number = None
    high: Number = None

    @property
    def has_background(self) -> bool:
        """Whether class 0 is background, which no mean includes."""
        return self.task in ("binary", "multiclass")

    def color(self, index: int) -> Color:
        """Colour of a class id; grey where none is recorded."""
        return self.colors[index] if 0 <= index < len(self.colors) else (128, 128, 128)


class DataRecord(Record):
    """`data.json`: what was found on disk and how it was understood."""

    counts: dict[str, Any] = {}
    pairing: dict[str, Any] = {}
    layout: str = ""
    notes: list[str] = []
    label_maps: dict[str, LabelMapRecord] = {}
    fingerprint: dict[str, Any] = {}
    licence: str = ""


class FindingRecord(Record):
    """One thing that the check of the data found."""

    kind: str
    level: str
    title: str
    evidence: list[str] = []
    samples: list[str] = []
    remedy: str = ""


class CheckRecord(Record):
    """`check.json`: what the check of the data found, the worst first."""

    findings: list[FindingRecord] = []


class FitRecord(Record):
    """How well probabilities fit the truth: `count`, `confidence` and `frequency` go by bin of confidence."""

    ece: Number = None
    nll: Number = None
    count: list[int] = []
    confidence: list[float] = []
    frequency: list[float] = []


class ThresholdRecord(Record):
    """The threshold of a class, and what the goal measures at 0.5 and at it."""

    threshold: float
    before: Number = None
    after: Number = None
    because: str = ""


class TargetCalibrationRecord(Record):
    """What one target's probabilities are worth, and what was done about it."""

    temperature: float = 1.0
    because: str = ""
    n_images: int = 0
    before: FitRecord = FitRecord()
    after: FitRecord = FitRecord()
    thresholds: dict[str, ThresholdRecord] = {}


class CalibrationRecord(Record):
    """`calibration.json`: temperatures and thresholds, and the samples (`source`) they were found on."""

    source: str = ""
    goal: str | None = None
    targets: dict[str, TargetCalibrationRecord] = {}


class EpochRecord(Record):
    """One line of `metrics.jsonl`."""

    epoch: int
    seconds: Number = None
    train_loss: Number = None
    val_loss: Number = None
    val_dice: Number = None
    val_iou: Number = None
    val_rmse: Number = None
    val_mae: Number = None
    val_score: Number = None
    lr: Number = None
    images_per_s: Number = None


class IntervalRecord(Record):
    """The interval of a mean over `n` images or groups; None where there is none."""

    low: Number = None
    high: Number = None
    n: int = 0


class IntervalsRecord(Record):
    """How all intervals were made: `over` images or groups, of which fewer than `rough` make them rough."""

    level: float = 0.95
    over: str = "images"
    method: str = ""
    fewest: int = 0
    rough: int = 0


class DistancesRecord(Record):
    """The unit of distances, and the tolerance of surface Dice in it."""

    unit: str
    tolerance: float


class Scores(Record):
    """Scores of an image or means of them, see `limner.metrics`; None where undefined or not measured."""

    dice: Number = None
    iou: Number = None
    precision: Number = None
    recall: Number = None
    specificity: Number = None
    nsd: Number = None
    hd95: Number = None
    assd: Number = None
    boundary_iou: Number = None
    object_f1: Number = None
    area_error: Number = None
    area_abs_error: Number = None


class ClassSummary(Scores):
    """Scores of one class: means over images, and `pooled` over all pixels together."""

    name: str
    id: int
    pooled: Scores = Scores()
    intervals: dict[str, IntervalRecord] = {}
    group_mean: Scores | None = None
    n_present: int = 0
    n_missed: int = 0
    n_false_alarm: int = 0
    n_both_empty: int = 0

    @property
    def n_images(self) -> int:
        """Images that were counted: those with a mask of the target."""
        return self.n_present + self.n_missed + self.n_false_alarm + self.n_both_empty


class TargetFit(Record):
    """How well the probabilities of the evaluated images fit, without and with the bundle's temperature."""

    temperature: float = 1.0
    before: FitRecord = FitRecord()
    after: FitRecord = FitRecord()


class ExpectationRecord(Record):
    """How well a model knew beforehand, image by image, how it would do."""

    n: int = 0
    spearman: Number = None
    expected: Number = None
    real: Number = None
    error: Number = None


class TargetSummary(Record):
    """Scores of one target; `mean` is over its foreground classes."""

    task: str = "binary"
    mean: Scores = Scores()
    intervals: dict[str, IntervalRecord] = {}
    group_mean: Scores | None = None
    classes: list[ClassSummary] = []
    calibration: TargetFit | None = None
    expectation: ExpectationRecord | None = None


class Errors(Record):
    """Errors of a regression target; RMSE and MAE in its unit. None where undefined."""

    rmse: Number = None
    mae: Number = None
    abs_rel: Number = None
    delta: Number = None
    delta_square: Number = None
    delta_cube: Number = None
    silog: Number = None


class NumberSummary(Record):
    """Errors of one regression target: means over images, and `pooled` over all pixels together."""

    unit: str = ""
    low: Number = None
    high: Number = None
    mean: Errors = Errors()
    pooled: Errors = Errors()
    intervals: dict[str, IntervalRecord] = {}
    n_pixels: int = 0
    n_not_positive: int = 0
    n_unknown: int = 0
    n_without_log: int = 0


class FoldRecord(Record):
    """Scores of one fold's samples by its own model: by target, then by name; means over images."""

    fold: int
    n_images: int
    targets: dict[str, dict[str, Number]] = {}


class SpreadRecord(Record):
    """A score over folds or seeds."""

    mean: Number = None
    std: Number = None
    min: Number = None
    max: Number = None


class ComparedRecord(Record):
    """Images of one kind against all others: means of their scores, the difference and its interval."""

    property: str
    part: str
    limit: Number = None
    group: str = ""
    n_images: int
    mean: float
    rest: float
    difference: float
    low: Number = None
    high: Number = None
    stands_out: bool = False


class FailuresRecord(Record):
    """Where the model fails, see `limner.evaluation.failures`; `compared` is sorted, the worst first."""

    measure: str = "Dice"
    n_images: int = 0
    over: str = "images"
    level: float = 0.95
    each_level: float = 0.95
    correction: str = ""
    fewest: int = 0
    least: float = 0.0
    compared: list[ComparedRecord] = []


class SummaryRecord(Record):
    """`evaluation/summary.json`; its targets are told apart into those with classes and `numbers`.

    Of a training in folds it also has the scores of each, and by target and name their `spread`.
    """

    n_images: int
    policy: str = ""
    data_hash: str = ""
    split: str = ""
    intervals: IntervalsRecord | None = None
    distances: DistancesRecord | None = None
    targets: dict[str, TargetSummary] = {}
    numbers: dict[str, NumberSummary] = {}
    folds: list[FoldRecord] = []
    spread: dict[str, dict[str, SpreadRecord]] = {}
    failures: FailuresRecord | None = None

    @model_validator(mode="before")
    @classmethod
    def _tell_apart(cls, values: Any) -> Any:
        targets = values.get("targets") if isinstance(values, dict) else None
        if not isinstance(targets, dict):
            return values
        numbers = {
            name: target
            for name, target in targets.items()
            if isinstance(target, dict) and target.get("task") == "regression"
        }
        return values | {
            "targets": {name: targets[name] for name in targets if name not in numbers},
            "numbers": numbers,
        }


class ImageRow(Scores, Errors):
    """One line of `evaluation/per_image.csv`: one class of one image, or its numbers."""

    id: str
    target: str
    group: str = ""
    class_name: str = Field("", alias="class")
    expected_dice: Number = None
    case: str = ""


class GroupRow(Scores):
    """One line of `evaluation/per_group.csv`: the means of one class over a group's images."""

    group: str
    target: str
    class_name: str = Field("", alias="class")
    n_images: int = 0


class PlanChoice(Record):
    """One automatic choice of `plan.yaml`, with its reason."""

    value: Any = None
    because: str = ""
