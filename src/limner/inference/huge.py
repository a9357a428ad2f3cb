"""One large picture from file to files: read by window, predicted by tile, written by tile.

Layer: inference. The results are those of the picture predicted at once, except for their form: masks are tiled TIFF
files with reduced copies for viewers, which keep the picture's place on the earth. Memory does not grow with the
picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from limner.bundle import TargetSpec
from limner.errors import OutputError, shorten
from limner.images import TiledTiff, Windows, open_windows
from limner.inference.familiarity import Strangeness
from limner.inference.inputs import ModelInput
from limner.inference.outputs import Outputs, huge_outputs
from limner.inference.prediction import Prediction
from limner.inference.predictor import Predictor
from limner.inference.previews import Preview
from limner.inference.result import make_prediction
from limner.inference.streaming import Band, as_input, check_streamable, predict_bands
from limner.threads import ordered_map
from limner.types import IGNORE, Color, Size


@dataclass(frozen=True)
class HugeResult:
    """What became of a large picture.

    Attributes:
        size: Of the picture.
        written: Its files.
        tiles: How many tiles it has.
        empty: How many of them were not predicted, because there is nothing in them.
        strangeness: How far it is from the training pictures; None where the model does not know them.
    """

    size: Size
    written: Sequence[Path]
    tiles: int
    empty: int
    strangeness: Strangeness | None


def predict_huge(
    predictor: Predictor,
    location: str,
    outputs: Outputs,
    name: str,
    *,
    skip_empty: bool = False,
    replace_existing: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> HugeResult:
    """Predict a picture of any size in memory of a fixed size.

    Pixels where the picture says that there is nothing (its no-data value, or no opacity in a map) become 255 in
    masks, which the file calls no data, and NaN in numbers and probabilities.

    Args:
        predictor: Predicts.
        location: A TIFF file, a zarr array, or with the extra `geo` any raster that GDAL reads.
        outputs: Where results go. Probabilities can be had as `tiff`, overlays as small pictures; see `huge_outputs`.
        name: Of the result.
        skip_empty: Leave out tiles of background, see `limner.inference.empty`; they become class 0.
        replace_existing: Whether results may be there already; the picture itself is never replaced.
        progress: Told how many tiles are done, and of how many.

    Raises:
        ConfigError: The model cannot predict by window.
        DataError: The picture is damaged, or of another kind than the training pictures; nothing is left.
        OutputError: Results are there already, or the disk is full; no part of a file is left.
        ResourceError: Memory does not suffice for a single tile.

    Example:
        outputs = Outputs(Path("masks"), predictor.meta.targets)
        predict_huge(predictor, "slide.svs", outputs, "slide", skip_empty=True).written
    """
    check_streamable(predictor)
    outputs = huge_outputs(outputs)
    check_place(outputs.paths(name), location, None if replace_existing else Path.exists)
    with open_windows(location) as windows:
        preview = Preview(windows.size, windows.channels, windows.dtype)
        tiles = empty = 0
        with ExitStack() as files:
            writer = _Writer(files, outputs, name, predictor.meta.targets, windows, preview)
            bands = predict_bands(predictor, windows, location, skip_empty=skip_empty, progress=progress)
            done = ordered_map(writer.write, files.enter_context(closing(bands)), threads=1, ahead=1)
            for band in files.enter_context(closing(done)):
                tiles, empty = tiles + band.tiles, empty + band.empty
        writer.draw()
    strange = None
    if predictor.meta.familiar:
        small = preview.picture()
        pixels = as_input(small, None, predictor.meta.inputs, location)
        strange = predictor.strangeness(ModelInput(small, pixels, location))
    return HugeResult(windows.size, outputs.paths(name), tiles, empty, strange)


def check_place(paths: Sequence[Path], location: str, there: Callable[[Path], bool] | None) -> None:
    """Refuse to lose a file. Which pictures are large is known only once they are opened.

    Args:
        paths: The results.
        location: The picture.
        there: Tells of a result whether there is one; None where results may be replaced.

    Raises:
        OutputError: A result would replace the picture, or a file that is there.
    """
    source = Path(location.partition("#")[0]).resolve()
    own = [path for path in paths if path.resolve() == source]
    existing = own or ([] if there is None else [path for path in paths if there(path)])
    if existing:
        raise OutputError(
            "results beside the picture, not in its place" if own else f"new names for the results of '{location}'",
            "it would be replaced by its mask" if own else f"{len(existing)} are already there",
            "Choose another output folder." if own else "Choose another place, or allow overwriting (--overwrite).",
            details=shorten([str(path) for path in existing]),
        )


class _Writer:
    """The files of a large picture, to which bands are added."""

    def __init__(
        self,
        files: ExitStack,
        outputs: Outputs,
        name: str,
        targets: dict[str, TargetSpec],
        windows: Windows,
        preview: Preview,
    ) -> None:
        self._outputs, self._name, self._targets = outputs, name, targets
        self._windows, self._preview = windows, preview
        self._nodata = windows.nodata is not None or windows.alpha
        self._masks = {target: self._create_masks(files, target) for target in targets}
        self._probs: dict[str, TiledTiff] = {}
        if outputs.probabilities:
            with_masks = [target for target, spec in targets.items() if spec.task != "regression"]
            for target, path in zip(with_masks, outputs.probs_paths(name), strict=True):
                pages = 1 if targets[target].task == "binary" else len(targets[target].names)
                self._probs[target] = self._create(files, path, np.float32, pages=pages, nodata=np.nan)

    def write(self, band: Band) -> Band:
        """Decide, and add to every file."""
        found = make_prediction(band.opinion, self._targets, band.size, probabilities=bool(self._probs))
        for target, spec in self._targets.items():
            planes = found.values[target] if spec.task == "regression" else found.masks[target]
            fill = np.nan if spec.task == "regression" else 0
            planes = _blank(planes, band.skipped, fill)
            planes = _blank(planes, band.missing, np.nan if spec.task == "regression" else IGNORE)
            found_here = found.values if spec.task == "regression" else found.masks
            found_here[target] = planes
            parts = np.moveaxis(planes, -1, 0) if planes.ndim == 3 else planes[None]
            for file, part in zip(self._masks[target], parts, strict=True):
                file.write(0, band.rows.start, band.columns.start, part)
        for target, file in self._probs.items():
            nothing = (
                band.missing
                if band.skipped is None
                else band.skipped
                if band.missing is None
                else band.skipped | band.missing
            )
            for page, plane in enumerate(found.probs[target]):
                file.write(page, band.rows.start, band.columns.start, _blank(plane, nothing, np.nan))
        self._preview.add(band.rows, band.columns, band.picture, found.masks | found.values)
        return band

    def draw(self) -> None:
        """Draw the small pictures, if they are wanted."""
        if not self._outputs.overlays:
            return
        small = self._preview.masks()
        shown = Prediction({}, {}, {})
        for target, spec in self._targets.items():
            if spec.task == "regression":
                shown.values[target] = np.nan_to_num(small[target], nan=spec.low)
            else:
                shown.masks[target] = small[target]
        self._outputs.write_overlays(self._name, self._preview.picture(), shown)

    def _create_masks(self, files: ExitStack, target: str) -> list[TiledTiff]:
        spec = self._targets[target]
        paths = self._outputs.mask_paths(self._name, target)
        if spec.task == "regression":
            return [self._create(files, paths[0], np.float32, nodata=np.nan)]
        colors: Sequence[Sequence[Color]] = [spec.colors]
        if spec.task == "multilabel":
            colors = [[(0, 0, 0), color] for color in spec.colors]
        nodata = float(IGNORE) if self._nodata else None
        return [
            self._create(files, path, np.uint8, colors=own, nodata=nodata)
            for path, own in zip(paths, colors, strict=True)
        ]

    def _create(
        self,
        files: ExitStack,
        path: Path,
        dtype: type[np.generic],
        *,
        pages: int = 1,
        colors: Sequence[Color] = (),
        nodata: float | None = None,
    ) -> TiledTiff:
        return files.enter_context(
            TiledTiff.create(
                path, self._windows.size, dtype, pages=pages, colors=colors, nodata=nodata, tags=self._windows.tags
            )
        )


def _blank(numbers: np.ndarray, where: np.ndarray | None, value: int | float) -> np.ndarray:
    """Numbers with a value where there is nothing."""
    if where is None:
        return numbers
    numbers = numbers.copy()
    numbers[where] = value
    return numbers
