"""How often `limner explain` names a planted fault first, and how often it names one where there is none.

    python benchmarks/explain.py runs/isic runs/nuclei runs/cardiac --upright cardiac --count 20

Each argument is a run folder with data set aside (its test samples, then its validation samples). Every fault is
planted in each of the pictures; what comes out first is counted, apart for those pictures whose real Dice fell by more
than 0.1: where the model does not mind a fault, naming it is right but of no use. The model's own faults (threshold,
steps) are planted in its description. No mask is given. A picture as it is counts as right if no fault of the picture
or of the model's settings is named first: that it is a hard one may be said. Strengths are fixed here; the training of
a bundle plants faults of random strength, by other code (JPEG by Pillow, motion at a slant, crops of the original).
Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import io
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from limner.bundle import BundleMeta, PostStep, load_bundle
from limner.data.catalog import Catalog
from limner.data.labels import LabelMap, read_target
from limner.data.samples import image_location
from limner.errors import DataError
from limner.evaluation.explain.causes import Evidence, rank_causes
from limner.evaluation.explain.findings import Cause, Kind, Sight
from limner.evaluation.explain.given import looks_like_a_mask
from limner.evaluation.explain.ladder import Background, explain_picture
from limner.evaluation.explain.looking import Model, how_strange, summarise
from limner.evaluation.explain.suspects import suspect
from limner.images import read_image, resize_image, resize_mask, to_channels
from limner.inference.familiarity import Familiarity
from limner.inference.inputs import scaled

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
    """The picture mirrored at its borders at the size of one: objects are so many times smaller."""
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
    sigma = max(picture.shape[:2]) / 50
    return ndimage.gaussian_filter(picture, (sigma, sigma, 0))


def moved(picture: np.ndarray) -> np.ndarray:
    """Drawn out along a diagonal by a tenth of the side."""
    length = max(picture.shape[:2]) // 14 | 1
    kernel = np.eye(length)[..., None] / length
    return ndimage.convolve(picture, kernel)


def compressed(pair: Pair) -> Pair:
    grey = pair[0].shape[2] == 1
    file = io.BytesIO()
    Image.fromarray(pair[0][..., 0] if grey else pair[0]).save(file, "JPEG", quality=4)
    read = np.asarray(Image.open(file))
    return (read[..., None] if grey else read), pair[1]


def blocks(picture: np.ndarray) -> np.ndarray:
    """A picture of another kind: a board of random colours."""
    height, width = picture.shape[:2]
    tiles = np.random.default_rng(0).integers(0, 256, (10, 10, picture.shape[2])).astype(np.uint8)
    return resize_mask(tiles, (height, width)).astype(np.float64)


def mask_file(pair: Pair) -> Pair:
    drawn = ((pair[1] > 0) * 255).astype(np.uint8)[..., None]
    return np.repeat(drawn, pair[0].shape[2], axis=2), pair[1]


FAULTS: dict[str, tuple[Kind | None, Callable[[Pair], Pair]]] = {
    "none": (None, lambda pair: pair),
    "BGR for RGB": ("channels", numbers(lambda picture: picture[..., ::-1])),
    "inverted": ("inverted", numbers(lambda picture: 255 - picture)),
    "a fifth as bright": ("exposure", numbers(lambda picture: picture * 0.2)),
    "2.5 times as bright": ("exposure", numbers(lambda picture: picture * 2.5)),
    "gamma 3": ("exposure", numbers(lambda picture: 255 * (picture / 255) ** 3)),
    "0 to 1 as float": ("values", lambda pair: ((pair[0] / 255).astype(np.float32), pair[1])),
    "objects 3 times as large": ("size", lambda pair: crop(pair, 3)),
    "objects 3 times smaller": ("size", lambda pair: repeat(pair, 3)),
    "out of focus": ("blurred", numbers(blurred)),
    "blurred by motion": ("blurred", numbers(moved)),
    "noise of 60": ("noisy", numbers(noisy)),
    "JPEG of quality 4": ("noisy", compressed),
    "upside down": ("turned", lambda pair: (np.ascontiguousarray(pair[0][::-1]), np.ascontiguousarray(pair[1][::-1]))),
    "a board of colours": ("another kind", numbers(blocks)),
    "pictures of the other sets": ("another kind", lambda pair: pair),
    "the mask as picture": ("mask file", mask_file),
    "a single colour": ("constant", numbers(lambda picture: np.full_like(picture, 90))),
    "threshold 0.9999": ("threshold", lambda pair: pair),
    "steps remove all": ("steps", lambda pair: pair),
}
OF_THE_NETWORK = ("values", "threshold", "steps")
NO_FAULT = ("nothing", "unsure", "weak model")


def samples(run: Path, count: int) -> Iterator[Pair]:
    """Pictures and masks that were set aside, evenly spread."""
    meta = load_bundle(run / "model.safetensors").meta
    (label_map,) = (LabelMap.from_dict(spec.label_map) for spec in meta.targets.values())
    catalog = Catalog.load(run / "samples.csv")
    # Those of the validation fill up where there are too few others.
    test, others = catalog.indices("test"), catalog.indices("val")
    chosen = np.concatenate([test, others[: max(0, count - len(test))]])
    places = [int(chosen[place]) for place in np.linspace(0, len(chosen) - 1, min(count, len(chosen))).astype(int)]
    (target,) = catalog.targets.values()
    for place in places:
        pixels = to_channels(read_image(image_location(catalog, place)), meta.inputs.channels)
        yield pixels, read_target(target[place], label_map)


def foreign(others: Sequence[Path], count: int, channels: int) -> Iterator[Pair]:
    """Pictures of other sets, with as many channels as are wanted."""
    for run in others:
        for pixels, mask in samples(run, -(-count // len(others))):
            try:
                yield to_channels(pixels, channels), mask
            except DataError:
                yield pixels.mean(axis=2, keepdims=True).astype(np.uint8), mask


def planted(meta: BundleMeta, fault: str) -> BundleMeta:
    """The description of the model, with a fault of its own."""
    ((name, spec),) = meta.targets.items()
    if fault == "threshold 0.9999":
        strict = spec.model_copy(update={"thresholds": [0.5] + [0.9999] * (len(spec.names) - 1)})
        return meta.model_copy(update={"targets": {name: strict}})
    if fault != "steps remove all":
        return meta
    steps = [PostStep(target=name, label=label, step="min_area", area=10**9) for label in spec.names[1:]]
    return meta.model_copy(update={"post_processing": steps})


def by_looks(pixels: np.ndarray, meta: BundleMeta) -> Cause | None:
    """The first cause as far as the network need not be asked for it."""
    constant = bool((pixels == pixels[:1, :1]).all())
    familiarity = Familiarity.of(meta.familiar, meta.inputs) if meta.familiar else None
    ratio, because = how_strange(scaled(pixels, meta.inputs), familiarity)
    causes = rank_causes(
        Evidence(
            Sight(ratio, because, math.nan, math.nan, math.nan),
            (),
            constant=constant,
            mask_values=None if constant else looks_like_a_mask(pixels, meta),
            suspicion=None if constant else suspect(pixels, meta),
        )
    )
    return causes[0] if causes else None


def measure(
    run: Path, others: Sequence[Path], faults: Sequence[str], count: int, *, upright: bool, looks: bool
) -> None:
    """Print the lines of a run."""
    bundle = load_bundle(run / "model.safetensors")
    pairs = list(samples(run, count))
    usual = Background(float(bundle.meta.scores.get("val_dice", np.nan)), "on validation samples")
    ((target, _),) = bundle.meta.targets.items()
    before: list[float] = []
    grey = all(bool((pixels == pixels[..., :1]).all()) for pixels, _ in pairs)
    for fault, (kind, plant) in FAULTS.items():
        if (kind == "channels" and grey) or (kind == "turned" and not upright):
            continue
        if (looks and kind in OF_THE_NETWORK) or (kind and faults and fault not in faults):
            continue
        given = pairs if "other sets" not in fault else list(foreign(others, count, bundle.meta.inputs.channels))
        named: Counter[str] = Counter()
        harmed = hits = hits_of_harmed = 0
        model = Model(bundle.model, planted(bundle.meta, fault))
        begin = time.perf_counter()
        for number, pair in enumerate(given):
            pixels, truth = plant(pair)
            found = None if looks else explain_picture(model, pixels, fault, {}, usual)
            cause = found.cause if found else by_looks(pixels, bundle.meta)
            first = cause.kind if cause else "nothing"
            named[first] += 1
            hit = first == kind if kind else first in NO_FAULT
            harm = kind in ("another kind", "mask file", "constant") or pixels.dtype != bundle.meta.inputs.dtype
            if not harm and found is not None:
                assert found.prediction is not None
                dice = summarise(found.prediction, bundle.meta, 0, "", {target: truth}).dice
                if kind is None:
                    before.append(dice)
                harm = dice < before[number] - HARM
            hits, harmed, hits_of_harmed = hits + hit, harmed + harm, hits_of_harmed + (hit and harm)
        right = (kind,) if kind else NO_FAULT
        others_named = ", ".join(f"{name} {times}" for name, times in named.most_common() if name not in right)
        of_harmed = f"{hits_of_harmed} of {harmed}" if kind and not looks else "–"
        seconds = (time.perf_counter() - begin) / len(given)
        print(
            f"| {run.name} | {fault} | {kind or 'nothing'} | {hits} of {len(given)} | {of_harmed} | {others_named} "
            f"| {seconds:.1f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--upright", nargs="*", default=[], help="Names of runs whose pictures have an upper side.")
    parser.add_argument("--only", nargs="*", default=[], help="Names of runs to measure; all serve as other sets.")
    parser.add_argument("--faults", nargs="*", default=[], choices=list(FAULTS), help="Only these, and none.")
    parser.add_argument("--looks", action="store_true", help="Ask no network: what looks alone tell, much faster.")
    parser.add_argument("--count", type=int, default=20)
    options = parser.parse_args()
    print("| run | planted | right answer | named first | of pictures it harms | named instead | seconds |")
    print("|---|---|---|--:|--:|---|--:|")
    for run in options.runs:
        if not options.only or run.name in options.only:
            others = [other for other in options.runs if other != run]
            upright = run.name in options.upright
            measure(run, others, options.faults, options.count, upright=upright, looks=options.looks)


if __name__ == "__main__":
    main()
