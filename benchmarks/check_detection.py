"""Error rates of the detectors of `limner check`, on real data sets and on what is planted in them.

    python benchmarks/check_detection.py DATA_SETS spine isbi2012 camvid nuclei cardiac_cine isic

`DATA_SETS` is a folder with one folder per data set; values to ignore are given as `camvid:11`. Copies
are planted by altering pictures, wrong pairs by exchanging masks, wrong masks by mirroring or moving
them. Prints Markdown tables; everything is drawn from one seed.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from limner.data.catalog import Catalog
from limner.data.check.closer import Look, looker
from limner.data.check.copies import Copies, find_copies
from limner.data.check.duplicates import split_series
from limner.data.check.features import Features, describe, working_grey
from limner.data.check.gather import without_opacity
from limner.data.check.groups import guess_groups
from limner.data.check.matching import check_matching
from limner.data.check.shuffled import fit_model, in_order, rate_pairs
from limner.data.check.symmetries import SYMMETRIES, symmetries
from limner.data.inspect_labels import inspect_masks
from limner.data.labels import read_target
from limner.data.layouts import find_samples
from limner.data.scan import scan, target_tables
from limner.images import read_image, to_channels
from limner.threads import ordered_map

COPIED = 100  # pictures of each data set of which altered copies are planted
REPEATS = 20  # draws of small sets
SMALL = 20  # samples of a small set
WRONG = 0.02  # share of samples that single wrong pairs are planted in


@dataclass
class DataSet:
    """A data set, with the features of its samples."""

    name: str
    catalog: Catalog
    features: Features


def load(folder: Path, name: str, ignore: tuple[int, ...]) -> DataSet:
    catalog = find_samples(folder / name).catalog
    label_map = inspect_masks(target_tables(scan(catalog), "mask"), ignore_values=ignore)

    def look(index: int) -> Features:
        mask = read_target(catalog.targets["mask"][index], label_map)
        image = without_opacity(read_image(catalog.inputs["image"][index]))
        return describe(image, {"mask": mask}, {"mask": label_map})

    return DataSet(name, catalog, Features.stack(list(ordered_map(look, range(len(catalog))))))


def saved(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image.squeeze()).save(file, "JPEG", quality=quality)
    found = np.array(Image.open(file))
    return found if found.ndim == 3 else found[..., None]


def resized(image: np.ndarray, factor: float) -> np.ndarray:
    picture = Image.fromarray(image.squeeze())
    size = (max(8, round(picture.width * factor)), max(8, round(picture.height * factor)))
    found = np.array(picture.resize(size, Image.Resampling.BICUBIC))
    return found if found.ndim == 3 else found[..., None]


def cropped(image: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    down, across = round(height * share), round(width * share)
    top, left = generator.integers(0, down + 1), generator.integers(0, across + 1)
    return image[top : height - down + top, left : width - across + left]


ALTERATIONS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "resized to half": lambda image, _: resized(image, 0.5),
    "resized to 0.7": lambda image, _: resized(image, 0.7),
    "JPEG quality 60": lambda image, _: saved(image, 60),
    "cropped by 5 %": lambda image, generator: cropped(image, 0.05, generator),
    "mirrored": lambda image, _: image[:, ::-1],
    "upside down": lambda image, _: image[::-1],
    "quarter turn": lambda image, _: np.rot90(image),
    "all of these": lambda image, generator: saved(
        resized(np.rot90(cropped(image, 0.05, generator))[:, ::-1].copy(), 0.7), 60
    ),
}


def picture(data: DataSet, index: int) -> np.ndarray:
    image = read_image(data.catalog.inputs["image"][index])
    image = to_channels(image, 3) if image.shape[2] == 4 else image
    same = image.shape[2] == 3 and (image[..., :1] == image).all()
    return image[..., :1] if same else image


def own_copies(data: DataSet) -> tuple[Copies, Copies, float]:
    start = time.perf_counter()
    found = find_copies(data.features, looker(data.catalog))
    seconds = time.perf_counter() - start
    return *split_series(found, data.catalog.ids), seconds


def with_planted(catalog: Catalog, copies: list[np.ndarray]) -> Look:
    """Gives the pictures of the catalog, and the planted copies after them."""
    look = looker(catalog)
    return lambda index: look(index) if index < len(catalog) else working_grey(copies[index - len(catalog)])


def copies_table(sets: list[DataSet]) -> None:
    print("## Copies\n\nFound among planted copies (share), and wrong pairs beside them.\n")
    print("| data | pictures | in it already | frames of a series | seconds | " + " | ".join(ALTERATIONS) + " |")
    print("|---|--:|--:|--:|--:|" + "--:|" * len(ALTERATIONS))
    totals = dict.fromkeys(ALTERATIONS, (0, 0, 0))
    for data in sets:
        own, series, seconds = own_copies(data)
        known = {
            frozenset(pair)
            for part in (own, series)
            for pair in zip(part.first.tolist(), part.second.tolist(), strict=True)
        }
        generator = np.random.default_rng(0)
        chosen = np.sort(generator.permutation(len(data.catalog))[:COPIED])
        cells = []
        for name, alter in ALTERATIONS.items():
            copies = [np.ascontiguousarray(alter(picture(data, int(index)), generator)) for index in chosen]
            planted = Features.stack([describe(copy, {}, {}) for copy in copies])
            arrays = {
                key: np.concatenate([getattr(data.features, key), value]) for key, value in planted.to_arrays().items()
            }
            found = find_copies(Features.from_arrays(arrays), with_planted(data.catalog, copies))
            ids = [*data.catalog.ids, *(f"planted copy of {data.catalog.ids[index]}" for index in chosen)]
            hits, wrong = judge(split_series(found, ids)[0], chosen, len(data.catalog), known)
            totals[name] = tuple(np.add(totals[name], (hits, len(chosen), wrong)).tolist())
            cells.append(f"{hits / len(chosen):.3f} / {wrong}")
        print(
            f"| {data.name} | {len(data.catalog):,} | {len(own)} | {len(series)} | {seconds:.1f} | "
            + " | ".join(cells)
            + " |",
            flush=True,
        )
    cells = [f"{hits / count:.3f} / {wrong}" for hits, count, wrong in totals.values()]
    print("| together | | | | | " + " | ".join(cells) + " |\n")


def judge(found: Copies, chosen: np.ndarray, count: int, known: set[frozenset[int]]) -> tuple[int, int]:
    """Planted copies that were found, and pairs with a planted copy that are neither it nor a copy of its source."""
    hits, wrong = set(), 0
    for one, other in zip(found.first.tolist(), found.second.tolist(), strict=True):
        if other < count:
            continue
        source = int(chosen[other - count])
        first = int(chosen[one - count]) if one >= count else one
        if first == source:
            hits.add(other)
        elif frozenset((first, source)) not in known:
            wrong += 1
    return len(hits), wrong


def with_masks(features: Features, partners: np.ndarray) -> Features:
    return replace(features, masks={name: mask.subset(partners) for name, mask in features.masks.items()})


def relaid(features: Features, rows: np.ndarray, number: int) -> Features:
    mask = features.masks["mask"]
    maps = mask.maps.copy()
    maps[rows] = symmetries(maps[rows])[number]
    return replace(features, masks={"mask": replace(mask, maps=maps)})


def moved(features: Features, down: int, across: int) -> Features:
    mask = features.masks["mask"]
    return replace(features, masks={"mask": replace(mask, maps=np.roll(mask.maps, (down, across), (2, 3)))})


def exchanged(features: Features, rows: np.ndarray) -> Features:
    """Foreground and background exchanged in masks of two classes."""
    mask = features.masks["mask"]
    maps, area = mask.maps.copy(), mask.area.copy()
    maps[rows, 1] = 255 - (maps[rows, 1] - 128)
    area[rows] = area[rows][:, ::-1]
    return replace(features, masks={"mask": replace(mask, maps=maps, area=area)})


def named(catalog: Catalog, features: Features, kind: str) -> set[str]:
    """Samples that the findings of a kind name."""
    return {name for found in check_matching(catalog, features) if found.kind == kind for name in found.samples}


def kinds(catalog: Catalog, features: Features) -> set[str]:
    return {finding.kind for finding in check_matching(catalog, features) if finding.level == "doubt"}


def whole_sets(catalog: Catalog, features: Features, generator: np.random.Generator) -> dict[str, bool]:
    """Whether each thing that is planted in a whole set is found as what it is; `nothing` is found if anything is."""
    count = len(catalog)
    everything = np.arange(count)
    half = np.concatenate([everything[: count // 2], np.roll(everything[count // 2 :], -1)])
    order = in_order(catalog, everything)
    step, part = np.empty(count, np.int64), np.empty(count, np.int64)
    step[order], part[order] = np.roll(order, 1), order[half]
    return {
        "nothing": bool(kinds(catalog, features)),
        "shuffled": "shuffled-pairs" in kinds(catalog, with_masks(features, generator.permutation(count))),
        "one step off": "shifted-pairs" in kinds(catalog, with_masks(features, step)),
        "second half one step off": "shifted-pairs" in kinds(catalog, with_masks(features, part)),
        "mirrored": "turned-masks" in kinds(catalog, relaid(features, everything, 1)),
        "upside down": "turned-masks" in kinds(catalog, relaid(features, everything, 2)),
        "transposed": "turned-masks" in kinds(catalog, relaid(features, everything, 4)),
        "moved by 3 %": "misplaced-masks" in kinds(catalog, moved(features, -1, 0)),
        "moved by 6 %": "misplaced-masks" in kinds(catalog, moved(features, 0, 2)),
    }


def pairs_table(sets: list[DataSet], size: int | None) -> None:
    what = "the whole set, once" if size is None else f"{REPEATS} draws of {size} samples"
    print(f"## Pairs: {what}\n\nShare of draws in which the planted is found as what it is.\n")
    header = None
    for data in sets:
        generator = np.random.default_rng(1)
        rows = []
        for _ in range(1 if size is None else REPEATS):
            chosen = np.sort(generator.permutation(len(data.catalog))[: size or len(data.catalog)])
            rows.append(whole_sets(data.catalog.subset(chosen), data.features.subset(chosen), generator))
        if header is None:
            header = list(rows[0])
            print(
                "| data | "
                + " | ".join(name if name != "nothing" else "nothing (false alarms)" for name in header)
                + " |"
            )
            print("|---|" + "--:|" * len(header))
        print(
            f"| {data.name} | " + " | ".join(f"{np.mean([row[name] for row in rows]):.2f}" for name in header) + " |",
            flush=True,
        )
    print()


def singles_table(sets: list[DataSet]) -> None:
    print(f"## Single wrong masks\n\n{WRONG:.0%} of the masks (at least 2) dealt out among themselves, five draws.\n")
    columns = ("stand out", "stand out wrongly", "in the worst 10 %", "correct data: stand out")
    print(f"| data | {' | '.join(columns)} | upside down: found | wrongly | exchanged: found | wrongly |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for data in sets:
        generator = np.random.default_rng(2)
        order = in_order(data.catalog, np.flatnonzero(data.features.masks["mask"].maps[:, 0].any(axis=(1, 2))))
        features, catalog = data.features.subset(order), data.catalog.subset(order)
        count, everything = len(order), np.arange(len(order))
        clean = rate_pairs(features, "mask", everything, fit_model(features, "mask", everything))
        rows = []
        for _ in range(5):
            bad = generator.permutation(count)[: max(2, round(WRONG * count))]
            partners = everything.copy()
            partners[bad] = np.roll(bad, 1)
            planted = with_masks(features, partners)
            fit = rate_pairs(planted, "mask", everything, fit_model(planted, "mask", everything))
            is_bad = np.isin(everything, bad)
            out = np.isin(everything, fit.doubtful)
            worst = np.argsort(fit.score)[: max(len(bad), count // 10)]
            right = {catalog.ids[index] for index in bad}
            turned = named(catalog, relaid(features, bad, 2), "turned-single-masks")
            binary = features.masks["mask"].area.shape[1] == 2
            inverted = named(catalog, exchanged(features, bad), "inverted-masks") if binary else set()
            rows.append(
                (
                    out[is_bad].mean(),
                    out[~is_bad].mean(),
                    is_bad[worst].sum() / len(bad),
                    len(turned & right) / len(bad),
                    len(turned - right) / count,
                    len(inverted & right) / len(bad) if binary else np.nan,
                    len(inverted - right) / count if binary else np.nan,
                )
            )
        mean = np.mean(rows, axis=0)
        share = len(clean.doubtful) / count
        last = f"{mean[5]:.2f} | {mean[6]:.4f}" if binary else "– | –"
        print(
            f"| {data.name} | {mean[0]:.2f} | {mean[1]:.4f} | {mean[2]:.2f} | {share:.4f} "
            f"| {mean[3]:.2f} | {mean[4]:.4f} | {last} |",
            flush=True,
        )
    print()


def groups_table(sets: list[DataSet]) -> None:
    columns = ("pattern", "groups", "nearer, in standard deviations", "names dealt out anew: groups found in 20 draws")
    print(f"## Groups in names\n\n| data | {' | '.join(columns)} |\n|---|---|--:|--:|--:|")
    for data in sets:
        generator = np.random.default_rng(3)
        found = guess_groups(data.catalog.ids, data.features)
        chance = sum(
            guess_groups([data.catalog.ids[index] for index in generator.permutation(len(data.catalog))], data.features)
            is not None
            for _ in range(20)
        )
        words = (f"`{found.pattern}`", len(set(found.groups)), f"{found.nearer:.1f}") if found else ("none", "", "")
        print(f"| {data.name} | {words[0]} | {words[1]} | {words[2]} | {chance} |", flush=True)
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_sets", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument(
        "--only", action="append", help="groups, singles, sets, copies or small; all of them by default"
    )
    given = parser.parse_args()
    sets = []
    for text in given.names:
        name, _, ignore = text.partition(":")
        sets.append(load(given.data_sets, name, (int(ignore),) if ignore else ()))
    assert SYMMETRIES[1:3] == ("mirrored left to right", "mirrored top to bottom")
    tables: dict[str, Callable[[], None]] = {
        "groups": lambda: groups_table(sets),
        "singles": lambda: singles_table(sets),
        "sets": lambda: pairs_table(sets, None),
        "copies": lambda: copies_table(sets),
        "small": lambda: pairs_table(sets, SMALL),
    }
    for name in given.only or tables:
        tables[name]()


if __name__ == "__main__":
    main()
