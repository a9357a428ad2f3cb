"""`export`: a trained model as a file for other programs, with the proof that it answers the same.

Layer: workflow.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from limner.allocator import keep_large_blocks
from limner.bundle import Bundle, load_bundle
from limner.data.catalog import Catalog, spread
from limner.data.labels import LabelMap
from limner.data.prepare import prepare_to_score
from limner.data.samples import image_location, image_locations
from limner.errors import DataError, OutputError
from limner.exporting.formats import check_format, describe_file, write_model
from limner.exporting.proof import Proof, ProofError, prove
from limner.exporting.reader import DESCRIPTION, EXPORT, PROOF, SUFFIXES, ExportedModel
from limner.files import output_error
from limner.inference.hardware import has_fast_bf16
from limner.inference.inputs import read_input
from limner.inference.predictor import Predictor
from limner.models import members
from limner.training.record import read_data
from limner.types import Progress, no_progress
from limner.workflow.places import bundle_path, find_run

PROOF_PICTURES = 20
CALIBRATION_PICTURES = 100


@dataclass(frozen=True)
class Exported:
    """What `export` wrote.

    Attributes:
        path: The file; OpenVINO's weights lie beside it, in a `.bin` of the same name.
        to: Its format.
        proof: What the comparison with the predictor found.
        bytes: Size, of both files where there are two.
    """

    path: Path
    to: str
    proof: Proof
    bytes: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"path": str(self.path), "to": self.to, "bytes": self.bytes, "proof": self.proof.to_dict()}


def export(
    model: str | Path,
    *,
    to: str,
    out: str | Path | None = None,
    precision: str = "float32",
    data: str | Path | None = None,
    overwrite: bool = False,
    progress: Progress = no_progress,
) -> Exported:
    """Write a model as a file that needs neither Limner nor its networks, and prove that it answers the same.

    The graph takes pixels as stored, `batch height width channels` of any size, and gives for each target
    probabilities, or numbers in its unit, `batch classes height width`. Up to 20 validation pictures go through the
    predictor and through the file; if they differ by more than `limner.exporting.proof` allows, no file is left.

    Args:
        model: Run folder or bundle.
        to: `onnx`, `openvino` or `torchscript`.
        out: The file. Default: beside the model, `model.onnx`, `.xml` or `.pt`, with the precision in its name.
        precision: `float32`; `bf16` (OpenVINO, TorchScript); `int8` (ONNX, OpenVINO), calibrated on up to 100 training
            pictures.
        data: Folder, .csv or .zip of pictures with masks to prove it on. Default: the run's validation samples.
        overwrite: Replace a file that is there.
        progress: Told of the progress.

    Raises:
        ProofError: The file differs from the predictor by more than is allowed.
        LimnerError: See `limner.errors`.
    """
    keep_large_blocks()
    check_format(to, precision)
    path = bundle_path(model)
    out = _out(path, to, precision, out, overwrite=overwrite)
    catalog, label_maps, source = proof_samples(path, data)
    bundle = load_bundle(path)
    shown = chosen_samples(catalog, "val", PROOF_PICTURES)
    about = {
        DESCRIPTION: bundle.meta.model_dump_json(),
        EXPORT: json.dumps({"to": to, "precision": precision, "stride": _stride(bundle)}),
    }
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # All that is not proven yet lies apart, and is gone whatever happens.
        with tempfile.TemporaryDirectory(prefix=".limner-export-", dir=out.parent) as folder:
            made = Path(folder) / out.name
            examples = calibration_pictures(path, catalog, bundle, progress) if precision == "int8" else iter(())
            write_model(made, bundle, to=to, precision=precision, about=about, examples=examples)
            proof = prove(
                Predictor(bundle.model, bundle.meta, device="cpu", precision="float32"),
                ExportedModel.from_file(made),
                shown,
                label_maps,
                source=source,
                precision=precision,
                computed=_computed(to, precision),
                progress=progress,
            )
            if problems := proof.problems():
                raise ProofError(
                    f"the {to} file answers as the model does ({precision}, on {proof.pictures} pictures)",
                    f"it differs by more than is allowed; no file was left at '{out}'",
                    "Use a more exact precision."
                    if precision != "float32"
                    else "Use the bundle itself, or report this.",
                    details=problems,
                )
            describe_file(made, to, {PROOF: json.dumps(proof.to_dict())})
            # The weights first: who sees the graph finds them.
            files = sorted(Path(folder).iterdir(), key=lambda file: file == made)
            size = sum(file.stat().st_size for file in files)
            for file in files:
                file.replace(out.parent / file.name)
    except OSError as error:
        raise output_error(out, error) from error
    return Exported(out, to, proof, size)


def _out(bundle: Path, to: str, precision: str, asked: str | Path | None, *, overwrite: bool) -> Path:
    suffix = next(suffix for suffix, name in SUFFIXES.items() if name == to)
    name = bundle.stem if precision == "float32" else f"{bundle.stem}-{precision}"
    out = Path(asked) if asked else bundle.with_name(f"{name}{suffix}")
    if out.suffix != suffix:
        raise OutputError(f"a name that ends in {suffix}, by which it is known as {to}", f"'{out}'", "Change --out.")
    if out.exists() and not overwrite:
        raise OutputError(
            f"nothing at '{out}'", "a file", "Choose another place with --out, or replace it with --overwrite."
        )
    return out


def proof_samples(bundle: Path, data: str | Path | None) -> tuple[Catalog, dict[str, LabelMap], str]:
    """Samples with masks, and what they are: those of `data`, or of the run."""
    if data is not None:
        targets = load_bundle(bundle).meta.targets
        label_maps = {name: LabelMap.from_dict(target.label_map) for name, target in targets.items()}
        return prepare_to_score(data, label_maps), label_maps, str(data)
    if not find_run(bundle):
        raise DataError(
            "pictures with masks to prove the export on",
            f"'{bundle}' does not lie in a run folder, whose validation samples would be taken",
            "Name some with --data.",
        )
    prepared = read_data(bundle.parent)
    source = "validation samples of the run" if len(prepared.catalog.indices("val")) else "samples of the run"
    return prepared.catalog, dict(prepared.label_maps), source


def chosen_samples(catalog: Catalog, split: str, count: int) -> Catalog:
    """Some samples of a split, evenly spread; of all, where there is no such split."""
    indices = catalog.indices(split)
    return catalog.subset(spread(indices if len(indices) else np.arange(len(catalog)), count))


def calibration_pictures(
    path: Path, catalog: Catalog, bundle: Bundle, progress: Progress
) -> Iterator[Shaped[np.ndarray, "height width channels"]]:
    """Training pictures as the network sees them, cut to the size of a tile; without a run, some of the catalog."""
    catalog = read_data(path.parent).catalog if find_run(path) else catalog
    chosen = chosen_samples(catalog, "train", CALIBRATION_PICTURES)
    inputs, most = bundle.meta.inputs, bundle.meta.tiling.size
    for index in range(len(chosen)):
        given = image_locations(chosen, index) if inputs.parts else image_location(chosen, index)
        yield read_input(given, inputs).pixels[:most, :most]
        progress("calibrate", index + 1, len(chosen))


def _computed(to: str, precision: str) -> str:
    """In which the file computes here: OpenVINO takes float32 where the CPU has no bf16; torch computes it anyway."""
    return "float32" if precision == "bf16" and to == "openvino" and not has_fast_bf16("cpu") else precision


def _stride(bundle: Bundle) -> int:
    return int(str(members(bundle.model)[0].stride))
