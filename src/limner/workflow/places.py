"""Where runs and bundles lie.

Layer: workflow, below all others.
"""

from __future__ import annotations

from pathlib import Path

from limner.bundle import BUNDLE_NAME
from limner.errors import BundleError
from limner.evaluation.run_folder import CANDIDATES_NAME, FOLDS_NAME


def find_run(place: str | Path | None) -> Path | None:
    """The run folder that a place is, or that its bundle lies in; None where it is neither."""
    if place is None:
        return None
    path = Path(place)
    folder = path.parent if path.name == BUNDLE_NAME else path
    return folder if (folder / "data.json").is_file() and (folder / "samples.csv").is_file() else None


def bundle_path(model: str | Path) -> Path:
    """The bundle of a run folder, or the bundle itself.

    Raises:
        BundleError: Nothing is there, or a folder without a bundle.
    """
    path = Path(model)
    if not path.exists():
        raise BundleError(
            f"a run folder or bundle at '{path}'",
            "nothing is there",
            f"Give the folder that limner train made, or its {BUNDLE_NAME}; upper and lower case differ.",
        )
    if path.is_dir():
        folds = sorted(path.glob(f"{FOLDS_NAME}/*/{BUNDLE_NAME}"), key=str)
        folds = folds or sorted(path.glob(f"{CANDIDATES_NAME}/*/{FOLDS_NAME}/*/{BUNDLE_NAME}"), key=str)
        if folds and not (path / BUNDLE_NAME).is_file():
            raise BundleError(
                f"one model at '{path}'",
                f"a training in folds, with {len(folds)} models: {folds[0].parent} … {folds[-1].parent}",
                "Name the folder of one. None is known to be better than another, since each was scored on other "
                "samples; for one model of all samples train without folds.",
            )
        if not (path / BUNDLE_NAME).is_file():
            raise BundleError(
                f"a run folder or bundle at '{path}'",
                f"a folder without {BUNDLE_NAME}",
                "Give the folder that limner train made, after its first epoch.",
            )
        return path / BUNDLE_NAME
    return path
