"""The predictor: pictures of any size, one after another or in batches, whole or in tiles.

Layer: inference.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from limner.bundle import BundleMeta, TargetSpec, load_bundle
from limner.errors import ResourceError
from limner.inference.engine import Engine, TorchEngine, memory_errors
from limner.inference.engines import bundle_engines
from limner.inference.familiarity import Familiarity, Strangeness
from limner.inference.hardware import choose_device, choose_precision
from limner.inference.inputs import Given, ModelInput, read_input, stack_padded
from limner.inference.looks import Look, make_looks
from limner.inference.opinion import Opinion
from limner.inference.predicting import Predicting
from limner.inference.prediction import Prediction
from limner.inference.result import attempt_prediction
from limner.inference.runtimes import OutOfMemory
from limner.inference.tiling import Tile, plan_tiles
from limner.inference.view_evidence import chosen_views
from limner.models import members
from limner.types import Size

_log = logging.getLogger(__name__)

_LEAST_TILE = 64
_MOST_PER_BATCH = 64
# Pixels that keep a device busy; more in a batch only takes memory.
_PIXELS_PER_BATCH = {"cpu": 2**18, "mps": 2**20, "cuda": 2**22}

_ON_CPU = ("onnxruntime", "openvino")

Logits = dict[str, Tensor]
"""Per target `classes height width`, float32, at the network's scale."""


class Predictor(Predicting):
    """Predicts pictures with one network, or with the members of an ensemble.

    Everything about the pictures comes from `meta`, so a call needs nothing but the picture. Pictures
    that do not fit in memory are predicted in smaller batches, then in smaller tiles, and this is logged.

    Args:
        model: A module with `stride` that maps images to `{target: logits}`; one that is being
            trained will do, and is left as it was found.
        meta: The description of a bundle.
        device: `auto` (where the model is), `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: `auto` (what the training asked for, else bf16 where the device computes it in
            hardware), `bf16`, `float32`, `int8` (only by other engines than torch).
            Probabilities are float32 always.
        batch_size: Pictures or tiles at once; by default as many as keep the device busy.
        uncertainty: Where doubts come from, see `limner.inference.looks.SOURCES`. With several looks at each
            picture the mean of their probabilities decides; it takes as many times as long.
        tta: Views of each picture whose mean decides, of `limner.inference.views.TTA`; `auto`: those that were shown
            to help on pictures the network did not learn from (`BundleMeta.views`), else none.
        engines: What runs the networks, in place of torch; then `model` is not asked.
        engine_name: What these are.
        window: What weighs the pixels of tiles that overlap, of `limner.inference.tiling.WINDOWS`; by default what
            the bundle says.

    Attributes:
        engine_name: What runs the networks: `torch`, `onnxruntime` or `openvino`.
        tta: The views in use; never `auto`.

    Raises:
        ConfigError: The device, precision or views are unknown or not available; the model cannot doubt in that way.
    """

    def __init__(
        self,
        model: nn.Module,
        meta: BundleMeta,
        *,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        uncertainty: str = "single",
        tta: str = "none",
        engines: Sequence[Engine] = (),
        engine_name: str = "torch",
        window: str | None = None,
    ) -> None:
        self.meta = meta
        self.engine_name = engine_name
        self._familiarity = Familiarity.of(meta.familiar, meta.inputs) if meta.familiar else None
        precision = meta.precision if precision == "auto" else precision
        engines = engines or [
            TorchEngine(member, meta.inputs, device=device, precision=precision) for member in members(model)
        ]
        self.engine: Engine = engines[0]
        self.tta = chosen_views(meta, tta)
        self._looks = make_looks(engines, uncertainty, meta.symmetries, self.tta)
        self._as_calibrated = uncertainty == "single" and self.tta == "none"
        self._batch_size = batch_size
        self._most_at_once = batch_size or _MOST_PER_BATCH
        self._tile = meta.tiling.size
        self._window = window or meta.tiling.window

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        batch_size: int | None = None,
        uncertainty: str = "single",
        tta: str = "none",
        engine: str = "torch",
        window: str | None = None,
    ) -> Predictor:
        """A predictor for a bundle; `auto` is the fastest device of this machine.

        Args:
            path: The bundle.
            device: See the class.
            precision: See the class.
            batch_size: See the class.
            uncertainty: See the class.
            tta: See the class.
            engine: One of `limner.inference.engines.ENGINES`; `auto` is the fastest that is installed.
            window: See the class.

        Raises:
            BundleError: The file is not a bundle this version can use.
            ConfigError: See the class; the engine is unknown or cannot do what is wanted.
            MissingExtra: The engine is not installed.
        """
        # Other engines compute on the CPU, whatever else the machine has.
        chosen = choose_device("cpu" if device == "auto" and (engine in _ON_CPU or precision == "int8") else device)
        bundle = load_bundle(path)
        precision = choose_precision(bundle.meta.precision if precision == "auto" else precision, chosen)
        name, engines = bundle_engines(
            path, bundle, engine=engine, device=chosen, precision=precision, dropout=uncertainty == "dropout"
        )
        return cls(
            bundle.model,
            bundle.meta,
            batch_size=batch_size,
            uncertainty=uncertainty,
            tta=tta,
            engines=engines,
            engine_name=name,
            window=window,
        )

    def make_input(self, picture: Given | Mapping[str, Given], where: str = "the picture") -> ModelInput:
        """See `Predicting`."""
        return read_input(picture, self.meta.inputs, where)

    def strangeness(self, picture: ModelInput) -> Strangeness | None:
        """See `Predicting`."""
        return self._familiarity.strangeness(picture.pixels) if self._familiarity else None

    def attempt_inputs(
        self, inputs: Iterable[ModelInput], *, probabilities: bool = True, doubts: bool = False
    ) -> Iterator[Prediction | ResourceError]:
        """See `Predicting`."""
        for picture, opinion in self.attempt_opinions(inputs):
            if isinstance(opinion, ResourceError):
                yield opinion
                continue
            yield attempt_prediction(
                opinion,
                self._targets(),
                picture,
                self.engine.device,
                probabilities=probabilities,
                doubts=doubts,
                steps=self.meta.post_processing,
            )

    def attempt_opinions(self, inputs: Iterable[ModelInput]) -> Iterator[tuple[ModelInput, Opinion | ResourceError]]:
        """What the networks say about each picture, at their scale, or that it does not fit in memory."""
        for group in self._groups(inputs):
            try:
                found: Sequence[Opinion | ResourceError] = self._opinions(group)
            except ResourceError as error:
                found = [error] * len(group)
            yield from zip(group, found, strict=True)

    def _targets(self) -> dict[str, TargetSpec]:
        """What the targets mean to these looks."""
        if self._as_calibrated:
            return self.meta.targets
        # What a promise is worth was found with the plain looks; others promise less.
        return {name: spec.model_copy(update={"dice_curve": []}) for name, spec in self.meta.targets.items()}

    def opinion(self, picture: ModelInput) -> Opinion:
        """What all looks say about one picture, at the network's scale.

        Raises:
            ResourceError: It does not fit in memory, even in small tiles.
        """
        return self._opinions([picture])[0]

    @property
    def looks(self) -> Sequence[Look]:
        """The ways in which the networks are asked."""
        return self._looks

    @property
    def window(self) -> str:
        """What weighs the pixels of tiles that overlap."""
        return self._window

    def tile_side(self) -> int:
        """Side of a tile in pixels: the bundle's, as a multiple of the network's stride."""
        return _round_up(self.meta.tiling.size, self.engine.stride)

    def logits_of_tiles(self, look: Look, tiles: Sequence[np.ndarray]) -> Iterator[Logits]:
        """Logits of tiles of one shape, in order, in batches that keep the device busy.

        Raises:
            ResourceError: Not even one tile fits in memory.
        """
        at_once = self._at_once((tiles[0].shape[0], tiles[0].shape[1])) if tiles else 1
        for start in range(0, len(tiles), at_once):
            batch = [look.view.show(tile) for tile in tiles[start : start + at_once]]
            try:
                found = self._run(look, np.stack(batch))
            except OutOfMemory as error:
                raise ResourceError(
                    f"enough memory for a tile of {tiles[0].shape[0]}×{tiles[0].shape[1]} pixels",
                    str(error),
                    "Close other programs, or use device=cpu.",
                ) from error
            for place in range(len(batch)):
                size = tiles[0].shape[0], tiles[0].shape[1]
                yield {name: look.view.undo(logits[place], size) for name, logits in found.items()}

    def _groups(self, inputs: Iterable[ModelInput]) -> Iterator[list[ModelInput]]:
        """Neighbours of one shape, at most a batch of them; large pictures come alone."""
        group: list[ModelInput] = []
        for picture in inputs:
            if group and picture.pixels.shape != group[0].pixels.shape:
                yield group
                group = []
            group.append(picture)
            # Of pictures in tiles, one at a time: its tiles are the batch, and its logits are large.
            if max(_size(picture)) > self._tile or len(group) >= self._at_once(_size(picture)):
                yield group
                group = []
        if group:
            yield group

    def _at_once(self, size: Size) -> int:
        if self._batch_size:
            return self._most_at_once
        pixels = min(size[0], self._tile) * min(size[1], self._tile)
        return max(1, min(self._most_at_once, _PIXELS_PER_BATCH.get(self.engine.device.type, 2**18) // pixels))

    def _opinions(self, group: Sequence[ModelInput]) -> list[Opinion]:
        """What all looks say about pictures of one shape."""
        found = [Opinion() for _ in group]
        size = _size(group[0])
        for look in self._looks:
            logits = self._logits(look, [look.view.show(picture.pixels) for picture in group], group[0].where)
            for opinion, seen in zip(found, logits, strict=True):
                opinion.add({name: look.view.undo(numbers, size) for name, numbers in seen.items()}, self.meta.targets)
        return found

    def _logits(self, look: Look, group: list[np.ndarray], where: str) -> list[Logits]:
        """Logits of pictures of one shape, with smaller tiles as long as memory does not suffice."""
        size = group[0].shape[0], group[0].shape[1]
        while True:
            try:
                with memory_errors(self.engine.device):
                    return self._logits_in_tiles(look, group, size)
            except OutOfMemory as error:
                message = str(error)
            smaller = min(self._tile, max(size)) // 2
            if smaller < _LEAST_TILE:
                # The next picture may be a smaller one, and starts afresh.
                self._tile, self._most_at_once = self.meta.tiling.size, self._batch_size or _MOST_PER_BATCH
                raise ResourceError(
                    f"enough memory to predict '{where}' ({size[0]}×{size[1]})",
                    f"too little even for tiles of {2 * smaller} pixels: {message}",
                    "Close other programs, use device=cpu, or cut the picture into parts.",
                )
            _log.warning("Memory does not suffice for tiles of %d pixels; going on with %d.", self._tile, smaller)
            self._tile = smaller

    def _logits_in_tiles(self, look: Look, pictures: list[np.ndarray], size: Size) -> list[Logits]:
        stride = self.engine.stride
        padded = (_round_up(size[0], stride), _round_up(size[1], stride))
        tiles = plan_tiles(padded, _round_up(self._tile, stride), self.meta.tiling.overlap, self._window)
        if len(tiles) == 1:
            batches = self._run(look, stack_padded(pictures, padded))
            return [
                {name: logits[place, :, : size[0], : size[1]] for name, logits in batches.items()}
                for place in range(len(pictures))
            ]
        return [self._blend(look, stack_padded([picture], padded)[0], tiles, size) for picture in pictures]

    def _blend(self, look: Look, pixels: np.ndarray, tiles: Sequence[Tile], size: Size) -> Logits:
        """Weighted mean of the tiles' logits, cut to `size`."""
        device, total = self.engine.device, Logits()
        waiting = iter(tiles)
        while batch := list(islice(waiting, self._at_once(tiles[0].size))):
            found = self._run(look, np.stack([pixels[tile.index] for tile in batch]))
            for place, tile in enumerate(batch):
                weights = torch.from_numpy(tile.weights()).to(device)
                for name, logits in found.items():
                    if name not in total:
                        total[name] = torch.zeros((logits.shape[1], *pixels.shape[:2]), device=device)
                    total[name][:, *tile.index].addcmul_(logits[place], weights)
        return {name: logits[:, : size[0], : size[1]] for name, logits in total.items()}

    def _run(self, look: Look, pixels: np.ndarray) -> dict[str, Float32[Tensor, "batch _ height width"]]:
        """Logits of a batch, in parts of half the size as long as memory does not suffice."""
        while True:
            at_once = min(len(pixels), self._most_at_once)
            try:
                parts = [
                    look.engine.logits(pixels[start : start + at_once], dropout=look.dropout)
                    for start in range(0, len(pixels), at_once)
                ]
                # The usual single part is not worth a copy.
                return parts[0] if len(parts) == 1 else _joined(parts)
            except OutOfMemory:
                if at_once == 1:
                    raise
            self._most_at_once = at_once // 2
            _log.warning("Memory does not suffice for %d at once; going on with %d.", at_once, self._most_at_once)


def _size(picture: ModelInput) -> Size:
    return picture.pixels.shape[0], picture.pixels.shape[1]


def _joined(parts: Sequence[Logits]) -> Logits:
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _round_up(length: int, stride: int) -> int:
    return -(-length // stride) * stride
