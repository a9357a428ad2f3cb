"""What must hold before anything is trained; every offender is named in one error.

Layer: data. Imports no torch.

Each check either raises a DataError or returns notes, one line each, on what is worth knowing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

import numpy as np

from limner.data.catalog import Catalog, repeated
from limner.data.fingerprint import foreground_pixels
from limner.data.inputs import sizes_in_words
from limner.data.labels import LabelMap
from limner.data.pairing import Pairing
from limner.data.samples import image_location, image_locations
from limner.data.scan import Scanned, target_tables
from limner.data.values import ValueTable
from limner.errors import DataError, shorten
from limner.images import PictureInfo, parse_location
from limner.types import SPLITS, Size

Policy: TypeAlias = Literal["stop", "skip"]

# Formats whose fourth channel can only be opacity; a TIFF or an array may have four real ones.
_ALPHA_SUFFIXES = (".png", ".webp", ".gif", ".bmp")


def check_pairing(pairing: Pairing, unmatched: Policy = "stop") -> list[str]:
    """Every image has one mask and every mask one image.

    Args:
        pairing: What was paired.
        unmatched: `skip` leaves files without a partner out, with a note; ambiguous ones always stop.

    Raises:
        DataError: Files are ambiguous or without a partner, or nothing is paired.
    """
    if pairing.ambiguous:
        raise DataError(
            f"one mask per image ({pairing.rule})",
            f"{len(pairing.ambiguous):,} image(s) with several possible masks",
            "Rename or remove the files that are too many, or pair them yourself in a CSV with columns image,mask. "
            "Masks of one class each take a column each, such as image,disc,bone with "
            "`data.targets={disc: {}, bone: {}}`.",
            details=shorten([f"{image} ↔ {', '.join(shorten(masks, 4))}" for image, masks in pairing.ambiguous]),
        )
    images, masks = pairing.unmatched_images, pairing.unmatched_masks
    if not images and not masks:
        return []
    if unmatched == "skip" and pairing.pairs:
        return [f"{_many(images, 'image')} without a mask and {_many(masks, 'mask')} without an image are left out."]
    lines = [f"image without a mask: {name}" for name in images] + [f"mask without an image: {name}" for name in masks]
    counts = [f"{_many(files, kind)} without {partner}" for files, kind, partner in _kinds(images, masks) if files]
    raise DataError(
        f"one mask for every image ({pairing.rule})",
        f"{_many(pairing.pairs, 'pair')}, but {' and '.join(counts)}",
        "Correct the names, or leave these files out with `--skip-unmatched` (as a setting, `data.unmatched=skip`)."
        + (" Images without masks can be predicted once a model is trained." if images and not masks else ""),
        details=shorten(lines),
    )


def _kinds(images: list[str], masks: list[str]) -> list[tuple[list[str], str, str]]:
    return [(images, "image", "a mask"), (masks, "mask", "an image")]


def check_readable(catalog: Catalog, scans: Sequence[Scanned], unreadable: Policy = "stop") -> list[str]:
    """Every file can be read.

    Raises:
        DataError: Some cannot, unless they are to be skipped and some samples remain.
    """
    problems = [problem for scanned in scans for problem in scanned.problems]
    if not problems:
        return []
    left_out = [name for name, scanned in zip(catalog.ids, scans, strict=True) if scanned.problems]
    if unreadable == "skip" and len(left_out) < len(catalog):
        return [f"{_many(left_out, 'sample')} left out for damaged files: {', '.join(shorten(left_out))}."]
    if len(problems) == 1:
        raise problems[0]
    shared = {problem.remedy for problem in problems}
    raise DataError(
        "files that can be read",
        f"{len(problems):,} problems in {_many(left_out, 'sample')}",
        f"{shared.pop() if len(shared) == 1 else 'Replace these files.'} "
        "Or leave their samples out with `--skip-unreadable` (as a setting, `data.unreadable=skip`).",
        details=shorten([f"{problem.found} (expected: {problem.expected})" for problem in problems]),
    )


def check_enough(catalog: Catalog) -> None:
    """There are at least two samples.

    Raises:
        DataError: There are not.
    """
    if len(catalog) < 2:
        found = f"one, '{catalog.ids[0]}'" if len(catalog) else "none"
        raise DataError(
            "at least two pictures with masks, to train on one and to check with the other",
            found,
            "Add pictures, or cut a large one into several.",
        )


def check_sizes(catalog: Catalog, scans: Sequence[Scanned]) -> None:
    """Every mask has the size of its image, and all inputs of a sample have one size.

    Raises:
        DataError: Some have not.
    """
    _check_input_sizes(catalog, scans)
    lines = []
    for index, scanned in enumerate(scans):
        info = next(iter(scanned.infos.values()))
        lines += [
            f"mask '{table.where}' is {_times(table.size)}, image '{image_location(catalog, index)}' is "
            f"{_times(info.size)}{_hint(table.size, info)}"
            for table in scanned.tables.values()
            if table.size != info.size
        ]
    if lines:
        raise DataError(
            "a mask has the size of its image (height×width)",
            f"{len(lines):,} of {len(catalog):,} differ",
            "Save these masks again at the size of their images, or remove both.",
            details=shorten(lines),
        )


def _check_input_sizes(catalog: Catalog, scans: Sequence[Scanned]) -> None:
    lines = []
    for index, scanned in enumerate(scans):
        sizes = {where: scanned.infos[name].size for name, where in image_locations(catalog, index).items()}
        if len(set(sizes.values())) > 1:
            lines.append(sizes_in_words(sizes))
    if lines:
        raise DataError(
            "the pictures of one sample have one size (height×width)",
            f"those of {len(lines):,} samples of {len(catalog):,} differ",
            "Resize or crop them alike, or leave these samples out.",
            details=shorten(lines),
        )


def _hint(size: Size, info: PictureInfo) -> str:
    if size != info.size[::-1]:
        return ""
    if info.orientation > 4:
        return " (the camera stored the image turned; the mask was drawn on the unturned one)"
    return " (turned by a quarter?)"


def check_channels(catalog: Catalog, scans: Sequence[Scanned]) -> tuple[dict[str, int], list[str]]:
    """All images of an input have the channels of one kind; grey among colours is fine, opacity is left out.

    Returns:
        The number of channels to work with by input, and notes.

    Raises:
        DataError: Other mixtures.
    """
    parts, notes = {}, []
    for name, column in catalog.inputs.items():
        parts[name], found = _check_input_channels(column, [scanned.infos[name].channels for scanned in scans])
        notes += [f"{name}: {note}" for note in found] if len(catalog.inputs) > 1 else found
    return parts, notes


def _check_input_channels(column: Sequence[str], counts: Sequence[int]) -> tuple[int, list[str]]:
    examples: defaultdict[int, list[str]] = defaultdict(list)
    opaque = 0
    for location, channels in zip(column, counts, strict=True):
        alpha = channels == 2 or (channels == 4 and _suffix(location) in _ALPHA_SUFFIXES)
        opaque += alpha
        examples[channels - alpha].append(location)
    notes = [f"Images with an opacity channel, which is left out: {opaque:,} of {len(column):,}."] if opaque else []
    if len(examples) == 1:
        return next(iter(examples)), notes
    if set(examples) == {1, 3}:
        notes.append(f"{len(examples[1]):,} grey and {len(examples[3]):,} colour images: all are read as colour.")
        return 3, notes
    named = {f"{number} channels": examples[number] for number in sorted(examples)}
    raise _mixture("images of one number of channels", named)


def check_dtypes(catalog: Catalog, scans: Sequence[Scanned]) -> str:
    """All images have one dtype (1-bit pictures are read as uint8).

    Returns:
        `uint8`, `uint16` or `float32`.

    Raises:
        DataError: Several dtypes are mixed.
    """
    examples: defaultdict[str, list[str]] = defaultdict(list)
    for index, scanned in enumerate(scans):
        for name, location in image_locations(catalog, index).items():
            dtype = scanned.infos[name].dtype
            examples["uint8" if dtype == "bool" else dtype].append(location)
    if len(examples) > 1:
        raise _mixture("images of one bit depth", dict(examples))
    return next(iter(examples))


def _mixture(expected: str, examples: Mapping[str, list[str]]) -> DataError:
    lines = [f"{kind}: {', '.join(shorten(files, 3))}" for kind, files in examples.items()]
    counts = ", ".join(f"{len(files):,} of {kind}" for kind, files in examples.items())
    remedy = "Convert the images to one kind, or train on each kind by itself."
    return DataError(expected, counts, remedy, details=lines)


def check_classes(catalog: Catalog, scans: Sequence[Scanned], label_maps: Mapping[str, LabelMap]) -> list[str]:
    """The training samples hold every class; empty masks are counted.

    Raises:
        DataError: The training samples hold no foreground at all.
    """
    notes = []
    for name, label_map in label_maps.items():
        if label_map.task == "regression":
            continue
        tables = target_tables(scans, name)
        empty = sum(foreground_pixels(label_map, label_map.count(table)) == 0 for table in tables)
        if empty:
            notes.append(f"{empty:,} of {len(tables):,} masks mark nothing (no foreground).")
        for split in SPLITS:
            chosen = [scans[index] for index in catalog.indices(split)]
            notes += _missing_classes(target_tables(chosen, name), label_map, split, name)
    return notes


def _missing_classes(tables: Sequence[ValueTable], label_map: LabelMap, split: str, target: str) -> list[str]:
    if not tables:
        return []
    counts = np.sum([label_map.count(table) for table in tables], axis=0)
    if split == "train" and foreground_pixels(label_map, counts) == 0:
        raise DataError(
            "foreground in the training samples",
            f"none in the {len(tables):,} masks of '{target}' there",
            "Choose another `data.seed`, or add samples with foreground.",
        )
    first = 0 if label_map.task == "multilabel" else 1
    missing = [name for name, count in list(zip(label_map.names, counts.tolist(), strict=True))[first:] if count == 0]
    where = {"train": "training", "val": "validation", "test": "test"}[split]
    return [f"No {where} sample holds {', '.join(missing)}."] if missing else []


def check_duplicates(catalog: Catalog) -> list[str]:
    """Count images that are the same file twice, above all on both sides of a split."""
    groups = repeated(catalog.facts["hash"])
    across = [group for group in groups if len({catalog.splits[index] for index in group}) > 1]
    notes = []
    leak = "the same file in different splits, which flatters the scores"
    for found, words in ((groups, "the same file"), (across, leak)):
        if found:
            names = shorten([" = ".join(catalog.ids[index] for index in group[:3]) for group in found], 3)
            notes.append(f"{sum(map(len, found)):,} images are {words}: {', '.join(names)}.")
    return notes


def _many(files: Sequence[object], kind: str) -> str:
    return f"{len(files):,} {kind}{'' if len(files) == 1 else 's'}"


def _suffix(location: str) -> str:
    return PurePosixPath(parse_location(location).path).suffix.lower()


def _times(size: Size) -> str:
    return f"{size[0]}×{size[1]}"
