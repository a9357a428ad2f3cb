"""From a program's annotations to a folder that `limner train` takes as it is.

Layer: data, above all of `annotations`.

    OUT/samples.csv               each picture, where it lies, and its mask
    OUT/masks/NAME.png            class ids with colours; or, where classes may overlap,
    OUT/masks/CLASS/NAME.png      0 and 255, a folder for each class
    OUT/images/NAME.*             copies of the pictures, if they were asked for
    OUT/instances/NAME.png        every object's number (16 bits), if asked for, and instances.csv
    OUT/conversion.csv            what became of every shape
    OUT/conversion.json           classes with colours, and what was doubtful
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from limner.data.annotations.assign import Job, assign_pictures
from limner.data.annotations.classes import Classes, find_classes
from limner.data.annotations.documents import forget_documents, read_document
from limner.data.annotations.doubts import Doubt
from limner.data.annotations.drawing import Picture, draw_picture, look_at_size
from limner.data.annotations.formats import check_format, read_files
from limner.data.annotations.labelme import embedded_picture
from limner.data.annotations.output import ClassCount, Converted, Sample, Writer
from limner.data.annotations.overlaps import POLICIES, Policy
from limner.data.annotations.places import open_place
from limner.data.cache_folder import remove
from limner.errors import ConfigError, DataError, OutputError, did_you_mean, shorten
from limner.files import output_error, require_empty
from limner.threads import ordered_map
from limner.types import IGNORE, Progress


@dataclass(frozen=True)
class Wishes:
    """How to convert.

    Attributes:
        kind: The format, a key of `FORMATS`; None to have it found.
        classes: Names by class id, from 1; None takes all.
        overlap: Who gets the pixels that shapes of different classes share: the `later` shape, the
            `smaller`, all of them (`multilabel`), or nobody (`stop`). `auto` is `later` where the file
            says what lies above and for the seams between neighbours, and `stop` for all else.
        instances: Also write the number of each object.
        copy: Copy the pictures.
    """

    kind: str | None = None
    classes: tuple[str, ...] | None = None
    overlap: Policy = "auto"
    instances: bool = False
    copy: bool = False

    def check(self) -> None:
        """Refuse what is impossible before anything is read.

        Raises:
            ConfigError: An unknown format or policy.
        """
        if self.kind is not None:
            check_format(self.kind)
        if self.overlap not in POLICIES:
            raise ConfigError(
                f"overlap: {', '.join(POLICIES)}",
                f"'{self.overlap}'",
                f"{did_you_mean(str(self.overlap), POLICIES)}Correct it, or leave it out.",
            )


@dataclass
class _Tally:
    """What adds up over pictures."""

    doubts: list[Doubt]
    shapes: Counter[int] = field(default_factory=Counter)
    pictures: Counter[int] = field(default_factory=Counter)
    pixels: Counter[int] = field(default_factory=Counter)
    serious: defaultdict[tuple[str, str], list[tuple[str, int]]] = field(default_factory=lambda: defaultdict(list))


def convert_annotations(
    annotations: str | Path,
    out: Path,
    *,
    images: str | Path | None = None,
    wishes: Wishes,
    progress: Progress,
) -> Converted:
    """Draw all annotations as masks. The folder appears whole, or not at all.

    Args:
        annotations: A file, a folder of files, or a zip.
        out: A new or empty folder.
        images: Where the pictures lie, if elsewhere.
        wishes: How to convert.
        progress: Told of the progress.

    Raises:
        DataError: The annotations are damaged, of no known format, without pictures, or overlap in a way
            that the policy does not settle.
        ConfigError: An impossible wish.
        OutputError: `out` holds something, or cannot be written.
    """
    wishes.check()
    require_empty(out)
    place = open_place(annotations, images)
    kind, readings, doubts = read_files(place.files, wishes.kind, progress)
    jobs, more = assign_pictures(readings, place)
    classes, alike = find_classes([reading for _, reading in readings], wishes.classes)
    tally = _Tally([*doubts, *more, *alike])
    building = out.absolute().parent / f".{out.name}.building"
    remove(building)
    try:
        writer = Writer(building, classes, planes=wishes.overlap == "multilabel", instances=wishes.instances)
        samples = []
        results = ordered_map(lambda job: _convert(job, classes, wishes, writer), jobs)
        for number, (sample, picture, found) in enumerate(results, start=1):
            tally.doubts += found
            if sample is not None and picture is not None:
                samples.append(sample)
                _count(picture, sample.job, tally)
            progress("draw", number, len(jobs))
        _refuse(tally, samples, jobs, wishes.overlap)
        converted = _converted(out, kind, wishes, classes, tally, samples)
        writer.finish(converted, samples)
        _move(building, out)
    finally:
        remove(building)
        forget_documents()
    return converted


def _convert(
    job: Job, classes: Classes, wishes: Wishes, writer: Writer
) -> tuple[Sample | None, Picture | None, list[Doubt]]:
    """Draw and write one picture; None where it is left out."""
    location, image = job.location, job.location
    if not location:
        data = embedded_picture(read_document(job.file.location), job.file.name)
        location, image = writer.write_picture(job, data)
    size = look_at_size(job, location)
    if isinstance(size, Doubt):
        return None, None, [size]
    picture = draw_picture(job, size, classes, wishes.overlap)
    if wishes.copy and job.location:
        image = writer.copy_picture(job)
    mask = writer.write_mask(job, picture)
    return Sample(job, image, mask, picture.rows), picture, list(picture.doubts)


def _count(picture: Picture, job: Job, tally: _Tally) -> None:
    tally.shapes.update(mark.class_id for mark in picture.marks)
    for (above, below), pixels in picture.serious.items():
        tally.serious[above, below].append((job.name, pixels))
    areas = picture.areas()
    tally.pixels.update(areas)
    tally.pictures.update(areas.keys())


def _refuse(tally: _Tally, samples: Sequence[Sample], jobs: Sequence[Job], policy: Policy) -> None:
    """Stop where nothing can be used, or nobody says what overlaps mean."""
    if not samples:
        lost = [f"{doubt.picture}: {doubt.text}" for doubt in tally.doubts if doubt.lost and doubt.text]
        raise DataError(
            "at least one picture that fits its annotation",
            f"none of {len(jobs):,}",
            "Give the pictures on which the annotations were made.",
            details=shorten(lost, 6),
        )
    if not any(tally.shapes.values()):
        raise DataError(
            "at least one shape that can be drawn",
            f"none in {len(samples):,} pictures",
            "Look at the shapes: masks are made of polygons, masks, ellipses and rectangles.",
            details=shorten([f"{one.where}: {one.kind}" for one in tally.doubts if one.where and one.lost], 6),
        )
    if policy == "multilabel" and (count := tally.shapes[0] + tally.shapes[IGNORE]):
        raise DataError(
            "shapes of classes alone, where classes keep their pixels each for itself",
            f"{count:,} shapes of the background or to ignore, which would change nothing",
            "Choose `--overlap later` or `smaller`, or remove these shapes.",
        )
    if policy == "stop" and (overlaps := [one for one in tally.doubts if one.kind == "overlap"]):
        found = defaultdict(list)
        for one in overlaps:
            found[one.label].append((one.picture, one.pixels))
        raise _undecided(found)
    if policy == "auto" and tally.serious:
        raise _undecided({f"{above} over {below}": found for (above, below), found in tally.serious.items()})


def _undecided(overlaps: Mapping[str, list[tuple[str, int]]]) -> DataError:
    """The error that lists which classes overlap; of each pair pictures and pixels are given."""
    pixels = {name: sum(count for _, count in found) for name, found in overlaps.items()}
    lines = [
        f"{name}: {pixels[name]:,} pixels in {len(overlaps[name]):,} pictures, such as '{overlaps[name][0][0]}'"
        for name in sorted(pixels, key=lambda name: -pixels[name])
    ]
    return DataError(
        "one class for each pixel, or word of what overlapping shapes mean",
        "shapes of different classes that overlap by more than a seam",
        "Say `--overlap smaller` (the smaller shape wins: a nucleus in its cell), `later` (the one drawn later wins) "
        "or `multilabel` (both keep the pixels; in training, `data.layout_options={overlap: smaller}`).",
        details=shorten(lines, 8),
    )


def _converted(
    out: Path, kind: str, wishes: Wishes, classes: Classes, tally: _Tally, samples: Sequence[Sample]
) -> Converted:
    counts = [
        ClassCount(name, color, tally.shapes[number], tally.pictures[number], tally.pixels[number])
        for number, (name, color) in enumerate(zip(classes.names, classes.colors, strict=True), start=1)
    ]
    planes = wishes.overlap == "multilabel" and len(counts) > 1
    return Converted(
        folder=out,
        kind=kind,
        task="multilabel" if planes else "binary" if len(counts) == 1 else "multiclass",
        overlap=wishes.overlap,
        classes=tuple(counts),
        ignored=tally.shapes[IGNORE] > 0,
        pictures=len(samples),
        doubts=tuple(tally.doubts),
    )


def _move(building: Path, out: Path) -> None:
    try:
        if out.exists():
            out.rmdir()
        building.rename(out)
    except OSError as error:
        raise output_error(out, error) from error
    if not out.is_dir():
        raise OutputError(f"a folder at '{out}'", "it is gone", "Convert again.")
