"""How often `limner explain` names a planted fault first, and how often it names one where there is none.

    python benchmarks/explain.py runs/isic runs/nuclei --count 20

Each argument is a run folder with data set aside (its test samples, else its validation samples). Every fault is
planted in each of the pictures; what comes out first is counted, apart for those pictures whose real Dice fell by more
than 0.1: where the model does not mind a fault, there is nothing to be explained. The model's own faults (threshold,
steps) are planted in its description. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

from limner.bundle import BundleMeta, PostStep, load_bundle
from limner.data.catalog import Catalog
from limner.data.labels import LabelMap, read_target
from limner.data.samples import image_location
from limner.evaluation.explain.findings import Kind
from limner.evaluation.explain.ladder import Background, Explanation, explain_picture
from limner.evaluation.explain.looking import Model
from limner.images import read_image, resize_image, resize_mask, to_channels

Pair = tuple[np.ndarray, np.ndarray]
HARM = 0.1


def crop(pair: Pair, times: int) -> Pair:
    """The middle, at the size of the whole: objects are so many times as large."""
    found = []
    for array, resize in zip(pair, (resize_image, resize_mask), strict=True):
        height, width = array.shape[:2]
        rows, columns = (slice((n - n // times) // 2, (n - n // times) // 2 + n // times) for n in (height, width))
        found.append(resize(np.ascontiguousarray(array[rows, columns]), (height, width)))
    return found[0], found[1]


def repeat(pair: Pair, times: int) -> Pair:
    """The picture mirrored again and again at the size of one: objects are so many times smaller."""
    found = []
    for array, resize in zip(pair, (resize_image, resize_mask), strict=True):
        height, width = array.shape[:2]
        small = resize(array, (height // times, width // times))
        top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
        margins = [(top, height - small.shape[0] - top), (left, width - small.shape[1] - left)]
        found.append(np.pad(small, margins + [(0, 0)] * (array.ndim - 2), mode="symmetric"))
    return found[0], found[1]


def numbers(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Pair], Pair]:
    """A fault of the values alone, of pictures from 0 to 255."""
    return lambda pair: (change(pair[0].astype(np.float64)).clip(0, 255).round().astype(np.uint8), pair[1])


def noisy(picture: np.ndarray) -> np.ndarray:
    return picture + np.random.default_rng(0).normal(0, 60, picture.shape)


def blurred(picture: np.ndarray) -> np.ndarray:
    sigma = max(picture.shape[:2]) / 32
    return ndimage.gaussian_filter(picture, (sigma, sigma, 0))


def blocks(picture: np.ndarray) -> np.ndarray:
    """A picture of another kind: a board of random colours."""
    height, width = picture.shape[:2]
    tiles = np.random.default_rng(0).integers(0, 256, (10, 10, picture.shape[2])).astype(np.uint8)
    return resize_mask(tiles, (height, width)).astype(np.float64)


FAULTS: dict[str, tuple[Kind | None, Callable[[Pair], Pair]]] = {
    "none": (None, lambda pair: pair),
    "BGR for RGB": ("channels", numbers(lambda picture: picture[..., ::-1])),
    "inverted": ("inverted", numbers(lambda picture: 255 - picture)),
    "a fifth as bright": ("exposure", numbers(lambda picture: picture * 0.2)),
    "2.5 times as bright": ("exposure", numbers(lambda picture: picture * 2.5)),
    "gamma 3": ("exposure", numbers(lambda picture: 255 * (picture / 255) ** 3)),
    "0 to 1 as float": ("values", lambda pair: ((pair[0] / 255).astype(np.float32), pair[1])),
    "objects 4 times as large": ("size", lambda pair: crop(pair, 4)),
    "objects 4 times smaller": ("size", lambda pair: repeat(pair, 4)),
    "blurred": ("blurred", numbers(blurred)),
    "noise of 60": ("noisy", numbers(noisy)),
    "upside down": ("turned", lambda pair: (np.ascontiguousarray(pair[0][::-1]), np.ascontiguousarray(pair[1][::-1]))),
    "a board of colours": ("another kind", numbers(blocks)),
    "steps remove all": ("steps", lambda pair: pair),
}


def samples(run: Path, count: int) -> list[tuple[str, str]]:
    """Locations of pictures and masks that were set aside, evenly spread."""
    catalog = Catalog.load(run / "samples.csv")
    split = "test" if len(catalog.indices("test")) else "val"
    chosen = catalog.indices(split)
    places = [int(chosen[place]) for place in np.linspace(0, len(chosen) - 1, min(count, len(chosen))).astype(int)]
    (target,) = catalog.targets.values()
    return [(image_location(catalog, place), target[place]) for place in places]


def planted(meta: BundleMeta, fault: str) -> BundleMeta:
    """The description of the model, with a fault of its own."""
    if fault != "steps remove all":
        return meta
    ((name, spec),) = meta.targets.items()
    return meta.model_copy(
        update={"post_processing": [PostStep(target=name, label=spec.names[1], step="min_area", area=10**9)]}
    )


def real_dice(found: Explanation, truth: np.ndarray) -> float:
    assert found.prediction is not None
    answer, true = found.prediction.mask == 1, truth == 1
    both = int(answer.sum() + true.sum())
    return 2 * int((answer & true).sum()) / both if both else 1.0


def measure(run: Path, count: int, *, with_mask: bool) -> list[str]:
    """Lines of the table."""
    bundle = load_bundle(run / "model.safetensors")
    pairs = samples(run, count)
    usual = Background(float(bundle.meta.scores.get("val_dice", np.nan)), "on validation samples")
    (label_map,) = (LabelMap.from_dict(spec.label_map) for spec in bundle.meta.targets.values())
    ((target, _),) = bundle.meta.targets.items()
    before: list[float] = []
    lines = []
    for fault, (kind, plant) in FAULTS.items():
        named: Counter[str] = Counter()
        harmed = hits = hits_of_harmed = 0
        model = Model(bundle.model, planted(bundle.meta, fault))
        for number, (picture, mask) in enumerate(pairs):
            pixels = to_channels(read_image(picture), bundle.meta.inputs.channels)
            given, truth = plant((pixels, read_target(mask, label_map)))
            found = explain_picture(model, given, fault, {target: truth} if with_mask else {}, usual)
            dice = real_dice(found, truth)
            if kind is None:
                before.append(dice)
            first = found.cause.kind if found.cause else "nothing"
            refused = given.dtype != bundle.meta.inputs.dtype
            named[first] += 1
            hit = first == (kind or "nothing")
            harm = refused or dice < before[number] - HARM or kind == "another kind"
            hits, harmed, hits_of_harmed = hits + hit, harmed + harm, hits_of_harmed + (hit and harm)
        others = ", ".join(f"{name} {times}" for name, times in named.most_common() if name != (kind or "nothing"))
        of_harmed = f"{hits_of_harmed} of {harmed}" if kind else "–"
        lines.append(
            f"| {run.name} | {fault} | {kind or 'nothing'} | {hits} of {len(pairs)} | {of_harmed} | {others} |"
        )
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--mask", action="store_true", help="Give the true masks.")
    options = parser.parse_args()
    print("| run | planted | right answer | named first | of pictures it harms | named instead |")
    print("|---|---|---|--:|--:|---|")
    for run in options.runs:
        measure(run, options.count, with_mask=options.mask)


if __name__ == "__main__":
    main()
