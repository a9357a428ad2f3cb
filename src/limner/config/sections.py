"""What the settings are called and what they may be.

Layer: config.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from limner.config.candidates import split_outside
from limner.config.durations import parse_duration, parse_interval
from limner.config.yaml12 import dump_yaml
from limner.errors import ConfigError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class TargetConfig(_Section):
    """One target: numbers with a unit, or classes whose values are given."""

    task: Literal["regression"] | None = Field(
        None, description="`regression`: a number per pixel, such as a depth. Else found by inspection."
    )
    unit: str | None = Field(None, description="Unit of the numbers, such as `m`.")
    factor: Positive | None = Field(None, description="A stored number × `factor` is the value in the unit.")
    class_names: list[str] | None = Field(None, description="As `data.class_names`.")
    values: list[list[Any]] | None = Field(None, description="As `data.values`.")
    ignore_values: list[int] = Field([], description="As `data.ignore_values`.")


class DataConfig(_Section):
    """Where the samples are, how they are read, and how they are split."""

    path: str | None = Field(None, description="Folder, .csv or .zip that holds pictures and masks.")
    images: str | None = Field(None, description="Folder of pictures, when it is not inside `path`.")
    masks: str | None = Field(None, description="Folder of masks, when it is not inside `path`.")
    layout: str = Field("auto", description="How samples lie on disk: auto, or a layout's name.")
    layout_options: dict[str, Any] | None = Field(None, description="Options of a layout that has some.")
    page: Annotated[int, Field(ge=0)] | Literal["all"] | None = Field(
        None, description="Which page of multi-page files: a number from 0, or `all` for one sample each."
    )
    plane: Literal["auto", "sagittal", "coronal", "axial"] = Field(
        "auto", description="How volumes are cut into slices, a sample each: by their spacing, or in this plane."
    )
    window: tuple[float, Positive] | None = Field(
        None,
        description="Centre and width of the values the network tells apart, such as `[40, 400]` for soft tissue in "
        "CT; those beyond are cut off. Default: nearly all values of the training pictures (0.1 to 99.9 %).",
    )
    unmatched: Literal["stop", "skip"] = Field("stop", description="Files without a partner: stop, or leave them out.")
    unreadable: Literal["stop", "skip"] = Field("stop", description="Damaged files: stop, or leave them out.")
    scan: Literal["auto", "all"] = Field(
        "auto",
        description="Files looked at before training: all, or of more than 20,000 samples whose masks a layout knows, "
        "2,000 drawn at random.",
    )
    split: str | None = Field(None, description="Shares as `train:val:test`, such as `70:15:15`, or `train:val`.")
    val: float | None = Field(None, ge=0, description="Validation samples: a share below 1, or a count. Default 0.15.")
    test: float | None = Field(None, ge=0, description="Test samples: a share below 1, or a count. Default 0.15.")
    seed: Seed = Field(0, description="Seed of the split.")
    folds: Annotated[int, Field(ge=2)] | None = Field(
        None,
        description="Train one model for each of so many folds; each sample is scored by the one that did not see it. "
        "Test samples are then drawn only if `data.test` says so.",
    )
    keep_splits: str | None = Field(
        None,
        description="Run folder or `samples.csv` of an earlier run: samples it has keep their split, or their fold.",
    )
    review: str | None = Field(
        None, description="`review.csv` of `limner review`: samples that it marks `drop` take no part."
    )
    group: str | None = Field(
        None,
        description="Samples that no split parts: a column of the CSV, or a regular expression with one group, "
        "such as `^(patient[0-9]+)_`, searched for in the names.",
    )
    class_names: list[str] | None = Field(None, description="Names by class id, background first.")
    values: list[list[Any]] | None = Field(
        None, description="Stored mask values of each class id, such as `[[0], [255]]`; found by inspection if absent."
    )
    ignore_values: list[int] = Field([], description="Stored mask values that take no part in training or scores.")
    spacing: Positive | tuple[Positive, Positive] | None = Field(
        None,
        description="Size of a pixel in mm: a number, or `[row, column]`. The evaluation's distances and areas are "
        "then in mm. Default: the CSV's column `spacing`, or pixels.",
    )
    channels: Literal[1, 3, 4] | None = Field(
        None,
        description="Channels the network sees: grey pictures are repeated, colour becomes grey only where it is none. "
        "Default: the pictures' own, and 3 for a pretrained encoder on grey pictures.",
    )
    targets: dict[str, TargetConfig] | None = Field(
        None,
        description="By target: `task: regression`, `unit` and `factor` of numbers, or `class_names`, `values` and "
        "`ignore_values`, such as `{depth: {task: regression, unit: m, factor: 0.001}}`.",
    )
    fit: Literal["resize", "native"] | None = Field(
        None, description="`resize`: every picture to `size`. `native`: own scale, trained on crops of `size`."
    )
    size: tuple[Count, Count] | None = Field(None, description="Working size or crop, `[height, width]` in pixels.")
    check: Literal["full", "quick", "off"] = Field(
        "quick",
        description="Look at the pictures before training: all, 2,000 evenly spread ones, or none. "
        "`limner check` looks at all.",
    )
    cache: bool = Field(True, description="Keep decoded pictures in a memory-mapped cache.")
    cache_dir: str | None = Field(None, description="Folder of the cache. Default: the user's cache folder.")
    cache_limit_gb: Positive = Field(20.0, description="Most disk space the cache may take, in 10⁹ bytes.")


class ModelConfig(_Section):
    """The network. A key left out has the value that is usual for the architecture."""

    name: str = Field(
        "unet",
        description="Architecture: `unet`, `improved_unet` or `encoder_unet`. An encoder or decoder implies the last.",
    )
    conv_sizes: list[Count] | None = Field(
        None,
        min_length=1,
        description="Filters of each encoder level, finest first. `unet` doubles the last for its bottleneck; "
        "`improved_unet` has none below the last.",
    )
    norm: Literal["batch", "instance", "group"] | None = Field(
        None, description="Normalisation. `unet`: batch; `improved_unet`: instance."
    )
    dropout: float | None = Field(
        None, ge=0, lt=1, description="Dropout between the convolutions of each pair. `unet`: 0; `improved_unet`: 0.3."
    )
    up: Literal["transpose", "bilinear"] | None = Field(
        None, description="Up-sampling of `unet`: transpose unless set. `improved_unet` has one way only."
    )
    deep_supervision: bool = Field(False, description="Also train the coarser decoder levels.")
    shared_levels: Count | None = Field(
        None,
        description="Finest encoder levels of `unet` that all targets share; below them each has a branch of its own. "
        "Default: they share all but the heads.",
    )
    encoder: str | None = Field(None, description="Encoder of `encoder_unet`: a timm model. Default mobilenetv2_100.")
    encoder_options: dict[str, Any] | None = Field(None, description="Further arguments of the timm model.")
    decoder: Literal["unet", "pix2pix"] | None = Field(None, description="Decoder of `encoder_unet`: unet unless set.")
    decoder_sizes: list[Count] | None = Field(
        None, min_length=1, description="Filters of each decoder level of `encoder_unet`, coarsest first."
    )
    freeze_encoder: bool | None = Field(None, description="Leave the encoder of `encoder_unet` as it is.")
    input_mean: float | list[float] | None = Field(
        None, description="Mean that pretrained weights want, on the scale 0 to 1. Default: what timm says."
    )
    input_std: float | list[float] | None = Field(
        None, description="Standard deviation that pretrained weights want. Default: what timm says."
    )
    pretrained: bool | None = Field(
        None, description="Start `encoder_unet` from weights that timm fetches: yes, unless set."
    )
    encoder_weights: str | None = Field(
        None, description="File of pretrained encoder weights (safetensors or state dict), instead of fetching them."
    )

    @model_validator(mode="before")
    @classmethod
    def _encoders_have_one_model(cls, values: Any) -> Any:
        """Only one architecture has an encoder to choose, so that need not be said."""
        own = ("encoder", "encoder_options", "decoder", "decoder_sizes", "freeze_encoder", "encoder_weights")
        if isinstance(values, dict) and "name" not in values and any(values.get(key) is not None for key in own):
            return {"name": "encoder_unet", **values}
        return values


class PhaseConfig(_Section):
    """One phase of a training; what it leaves out is as in the training's own settings."""

    epochs: Count = Field(description="Passes over the training samples.")
    size: Count | tuple[Count, Count] | None = Field(None, description="Working size: `[height, width]`, or one side.")
    batch: Count | None = Field(None, description="Samples per step.")
    lr: Positive | None = Field(None, description="Highest learning rate.")
    loss: str | dict[str, str] | None = Field(None, description="Losses, as in `training.loss`.")
    target_weights: dict[str, Weight] | None = Field(None, description="Weight of each target's loss.")
    freeze: list[str] | None = Field(None, description="What does not learn, as in `training.freeze`.")


class TrainingConfig(_Section):
    """How the network learns."""

    epochs: Count | None = Field(None, description="Passes over the training samples.")
    time: str | None = Field(None, description="Time budget, such as `90s`, `15m`, `2h`; the schedule fits into it.")
    batch: Count | None = Field(
        None, description="Samples per step; of several processes those of all of them together."
    )
    sync_batchnorm: bool = Field(
        True,
        description="Where several processes train together: batch norms use the statistics of all their samples, as "
        "one process would. Otherwise those of the few samples of each; faster over slow networks.",
    )
    accumulate: Count | None = Field(
        None, description="Pieces that a batch is computed in, one after the other. Default: as few as fit in memory."
    )
    recompute: bool | None = Field(
        None,
        description="Compute activations again for the backward pass instead of keeping them: less memory, about a "
        "third more time. Default: where memory asks for it.",
    )
    steps_per_epoch: Count | None = Field(
        None, description="Least steps per epoch: small data sets are passed several times, augmented anew."
    )
    phases: list[PhaseConfig] | None = Field(
        None,
        min_length=1,
        description="Phases one after the other, such as `[{size: 64, batch: 128, epochs: 3}, {size: 224, batch: 32, "
        "epochs: 2}]`: weights, moving average and optimiser are carried over, the schedule starts anew. Each has "
        "`epochs`, and may have `size`, `batch`, `lr`, `loss`, `target_weights` and `freeze`.",
    )
    start_from: str | None = Field(
        None, description="Run folder or bundle whose weights, architecture and normalisation the training starts from."
    )
    freeze: list[str] = Field(
        [],
        description="What does not learn: targets that have a branch of their own (`model.shared_levels`), and "
        "`encoder`.",
    )
    loss: str | dict[str, str] | None = Field(
        None,
        description="Losses joined by +, such as `ce+dice`, `0.5*bce+tversky`, `focal`, for all targets of masks; or "
        "one for each target, such as `{mask: bce, depth: l1}`.",
    )
    target_weights: dict[str, Weight] | None = Field(
        None, description="Weight of each target's loss, such as `{depth: 0.5}`; 1 for those left out."
    )
    class_weights: list[Positive] | None = Field(None, description="Weight of each class in the loss.")
    optimizer: Literal["adamw", "adam", "sgd"] = Field("adamw", description="Optimiser.")
    lr: Positive | Literal["find"] | None = Field(
        None, description="Highest learning rate; `find`: by a range test, with up to 100 steps before the first."
    )
    weight_decay: float = Field(1e-4, ge=0, description="Weight decay, on convolution kernels only.")
    momentum: Fraction = Field(0.9, description="Momentum of SGD (Nesterov).")
    schedule: Literal["onecycle", "cosine", "polynomial", "exponential", "constant"] = Field(
        "onecycle", description="How the learning rate runs over the training."
    )
    gamma: Fraction = Field(0.985, description="Factor per epoch of the exponential schedule.")
    ema: Fraction | None = Field(None, description="Decay of the weights' moving average; 0 switches it off.")
    grad_clip: float = Field(1.0, ge=0, description="Largest gradient norm; 0 switches clipping off.")
    patience: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Epochs without improvement before stopping; 0 never stops early."
    )
    foreground_crops: Fraction | None = Field(
        None, description="Share of crops around foreground, when pictures are trained on crops. Default: 0.33."
    )
    collapse_guard: bool = Field(
        True, description="Stop a training that predicts one class alone, with the likely reason."
    )
    auto_fix: bool = Field(
        False,
        description="Begin once more where a training has collapsed, with another loss, a lower rate and crops with "
        "foreground; the report shows both attempts.",
    )
    pilot: bool | None = Field(
        None,
        description="Before training, learn two batches, measure, and go the whole way once with a few samples. "
        "Default: where training is likely to take more than ten minutes.",
    )
    save_every: str = Field(
        "10m",
        description="Time or steps after which a checkpoint is written within an epoch, such as `90s`, `10m` or "
        "`500 steps`; there is one after each epoch in any case.",
    )
    precision: Literal["auto", "bf16", "float32"] = Field("auto", description="Arithmetic of the network.")
    memory_format: Literal["auto", "channels_last", "contiguous"] = Field("auto", description="Order in memory.")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="Where to train.")
    compile: bool = Field(False, description="Compile the network with torch.compile before training.")
    val_samples: Count | None = Field(
        None, description="Validation samples scored after each epoch. Default: all, but at most 500."
    )
    previews: int = Field(4, ge=0, description="Validation samples drawn after each epoch.")
    seed: Seed = Field(0, description="Seed of weights, order, augmentation and dropout.")

    @field_validator("time", "save_every", mode="before")
    @classmethod
    def _bare_number_is_seconds(cls, value: Any) -> Any:
        return f"{value}s" if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("time")
    @classmethod
    def _time_is_readable(cls, value: str | None) -> str | None:
        try:
            if value is not None:
                parse_duration(value)
        except ConfigError as error:
            raise ValueError(f"must be {error.expected}") from None
        return value

    @field_validator("save_every")
    @classmethod
    def _interval_is_readable(cls, value: str) -> str:
        try:
            parse_interval(value)
        except ConfigError as error:
            raise ValueError(f"must be {error.expected}") from None
        return value


class AugmentConfig(_Section):
    """Random changes to training samples. A key left out keeps the preset's value."""

    preset: Literal["none", "light", "default", "strong"] | None = Field(None, description="Starting point.")
    flip_h: bool | None = Field(None, description="Mirror left and right. Default: unless classes mirror one another.")
    flip_v: bool | None = Field(None, description="Mirror top and bottom, for pictures that have no up.")
    rotate90: bool | None = Field(
        None, description="Quarter turns (half turns where pictures are not square), for pictures that have no up."
    )
    rotate: float | None = Field(None, ge=0, le=180, description="Largest rotation in degrees.")
    scale: tuple[Positive, Positive] | None = Field(None, description="Smallest and largest zoom.")
    shift: Fraction | None = Field(None, description="Largest shift as a share of the picture.")
    elastic: float | None = Field(None, ge=0, description="Elastic deformation as a share of the picture.")
    brightness: Fraction | None = Field(None, description="Largest change of brightness, of the full range.")
    contrast: Fraction | None = Field(None, description="Largest relative change of contrast.")
    gamma: Fraction | None = Field(None, description="Largest relative change of gamma.")
    noise: Fraction | None = Field(None, description="Largest standard deviation of noise, of the full range.")
    blur: float | None = Field(None, ge=0, description="Largest sigma of blur in pixels.")


class EvaluationConfig(_Section):
    """What follows a training."""

    calibrate: bool = Field(
        True,
        description="Fit a temperature per target on the validation samples, so that probabilities hold.",
    )
    goal: str | None = Field(
        None,
        description="What thresholds are chosen for: `max-dice`, `area`, `recall>=0.95` or `precision>=0.9`. "
        "Default: 0.5 for all classes.",
    )


class ExperimentConfig(_Section):
    """Several trainings on the same samples."""

    compare: list[str] | None = Field(
        None,
        description="Candidates to train and compare, each with the same share of the time: networks, encoders or "
        "settings, such as `unet, improved_unet, unet loss=dice`. The best on the validation samples is kept.",
    )
    repeats: Annotated[int, Field(ge=2)] | None = Field(
        None, description="Train so often with another `training.seed` each, to see how far scores differ by chance."
    )

    @field_validator("compare", mode="before")
    @classmethod
    def _text_is_a_list(cls, value: Any) -> Any:
        return split_outside(value, ",") if isinstance(value, str) else value

    @field_validator("compare")
    @classmethod
    def _one_compares_with_nothing(cls, value: list[str] | None) -> list[str] | None:
        if value is not None and len(value) < 2:
            raise ValueError("must be two candidates or more, such as unet,improved_unet")
        return value


class RecipeConfig(_Section):
    """What a recipe repeats. It changes nothing; a run keeps it to say where its settings come from."""

    title: str = Field("", description="Name of the recipe.")
    summary: str = Field("", description="What it does, in a line.")
    example: str | None = Field(None, description="Example data set with the layout of the project.")
    sources: list[str] = Field([], description="Where the settings were published.")


class Config(_Section):
    """All settings of a run, as saved in its `config.yaml`."""

    recipe: RecipeConfig = Field(default_factory=RecipeConfig)
    data: DataConfig = Field(default_factory=DataConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    training: TrainingConfig = Field(default_factory=TrainingConfig)
    augment: AugmentConfig = Field(default_factory=AugmentConfig)
    evaluation: EvaluationConfig = Field(default_factory=EvaluationConfig)
    experiment: ExperimentConfig = Field(default_factory=ExperimentConfig)

    def to_yaml(self) -> str:
        """YAML of every setting that was given; the plan records what was chosen for the rest."""
        values = self.model_dump(mode="json", exclude_unset=True)
        return dump_yaml(values)
