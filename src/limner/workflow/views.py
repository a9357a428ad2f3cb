"""What views buy a model, measured on pictures it did not learn from and kept in its bundle.

Layer: workflow, below `predict` and `calibrate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from limner.bundle import BundleMeta, describe_anew, read_meta
from limner.data.catalog import Catalog
from limner.data.labels import LabelMap
from limner.evaluation.run_folder import FOLDS_NAME
from limner.evaluation.views import measure_views
from limner.inference.predictor import Predictor
from limner.training.record import read_data
from limner.types import Progress, no_progress
from limner.workflow.places import find_run


def learn_views(
    bundle: Path,
    catalog: Catalog,
    label_maps: Mapping[str, LabelMap],
    *,
    source: str,
    device: str = "auto",
    engine: str = "torch",
    progress: Progress = no_progress,
) -> BundleMeta:
    """Measure what views buy, and keep it in the bundle, whose description is returned.

    Args:
        bundle: The file; its weights stay as they are.
        catalog: Samples with masks that the model did not learn from.
        label_maps: Meaning of the masks, by target.
        source: What the samples are, in words.
        device: `auto`, `cpu`, `cuda` or `mps`.
        engine: What runs the network.
        progress: Told of the progress.

    Raises:
        DataError: There are no samples, or a file cannot be read.
        OutputError: The bundle cannot be written.
    """
    found = measure_views(
        lambda tta: Predictor.from_file(bundle, device=device, engine=engine, tta=tta),
        catalog,
        label_maps,
        source=source,
        progress=progress,
    )
    meta = read_meta(bundle).model_copy(update={"views": found})
    describe_anew(bundle, meta)
    return meta


def learn_views_of_run(
    bundle: Path, *, device: str = "auto", engine: str = "torch", progress: Progress = no_progress
) -> BundleMeta:
    """As `learn_views`, on the validation samples of the run in which a bundle lies.

    What is known already is not measured again. Where there is no run, no such sample, or only samples from which
    some network of an ensemble learned, nothing is measured.
    """
    meta, run = read_meta(bundle), find_run(bundle)
    if meta.views or run is None or (run / FOLDS_NAME).is_dir():
        return meta
    data = read_data(run)
    samples = data.catalog.subset(data.catalog.indices("val"))
    if not len(samples):
        return meta
    return learn_views(
        bundle, samples, data.label_maps, source="validation pictures", device=device, engine=engine, progress=progress
    )
