"""What a server reads of a run's samples: pictures, small pictures, and the truth.

Layer: serving. Imports no web library. Clients name samples by number; which files these are, they are not told.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped

from limner.data.labels import LabelMap, read_target
from limner.data.samples import image_locations
from limner.data.stored_masks import split_planes
from limner.errors import DataError
from limner.images import encode_png, encode_upload, encode_webp, parse_location, read_image, read_info, resize_image
from limner.render import to_display
from limner.serving.refusals import Refusal, too_large, unknown, without_folders
from limner.serving.shown import Rated, SampleGroup, ShownRun

_THUMB = 144
_QUALITY = 80
_DEEP = 65_535

ORDERS = ("cases", "worst", "best", "doubtful", "name")
"""In which samples are listed: the examples alone, or all by score, by expected score, or as in the catalog."""

_KINDS = ("worst", "median", "best", "doubtful")


class RunSamples:
    """Reads samples of a run.

    Args:
        run: It.
        max_pixels: Of one picture.
    """

    def __init__(self, run: ShownRun, max_pixels: int) -> None:
        self._run, self._max_pixels = run, max_pixels
        self._place = {
            place: (group, model)
            for group in run.groups
            for place, model in zip(group.places, group.models, strict=True)
        }

    def group(self, name: str | None) -> SampleGroup:
        """The group of a name; without one, the first.

        Raises:
            Refusal: There is none.
        """
        groups = {group.name: group for group in self._run.groups}
        if not groups:
            raise Refusal(404, "NotFound", "samples of the run", "none", "See what /v1/run says.")
        if name is not None and name not in groups:
            raise unknown("a group of samples", name, list(groups))
        return groups[name] if name else next(iter(groups.values()))

    def named(self, name: str) -> tuple[int, SampleGroup]:
        """Number and group of a sample, by its id.

        Raises:
            Refusal: There is none.
        """
        for place, (group, _) in self._place.items():
            if self._run.catalog.ids[place] == name:
                return place, group
        raise Refusal(
            404, "NotFound", "the name of a sample that is shown", f"'{name[:100]}'", "Take one from the list."
        )

    def describe(self, number: int, rated: Rated | None) -> dict[str, Any]:
        """A line of the list."""
        group, model = self._place[number]
        found = rated or Rated()
        return {
            "number": number,
            "name": self._run.catalog.ids[number],
            "group": group.name,
            "model": model,
            "score": None if math.isnan(found.score) else found.score,
            "expected": None if math.isnan(found.expected) else found.expected,
            "rank": found.rank or None,
            "kind": found.kind or None,
        }

    def listed(self, group: SampleGroup, rated: Mapping[str, Rated] | None, order: str, find: str) -> list[int]:
        """Numbers of a group's samples in an order.

        Args:
            group: Which.
            rated: What is known of them, by id; None where nothing is.
            order: Of `ORDERS`. Samples of which nothing is known come last.
            find: Part of their names, in any case; empty for all.
        """
        ids = self._run.catalog.ids
        places = [place for place in group.places if find.lower() in ids[place].lower()]
        known = {place: (rated or {}).get(ids[place], Rated()) for place in places}
        if order == "cases":
            chosen = [place for place in places if known[place].kind]
            return sorted(chosen, key=lambda place: (_KINDS.index(known[place].kind), _extreme(known[place])))
        if order == "name":
            return places
        expected, sign = order == "doubtful", -1 if order == "best" else 1
        value = {place: sign * (one.expected if expected else one.score) for place, one in known.items()}
        return sorted(places, key=lambda place: (math.isnan(value[place]), value[place]))

    def truth(self, number: int) -> dict[str, Any]:
        """What is known of a sample: by target its mask or numbers; a target without is left out.

        Raises:
            Refusal: There is no such sample, or a file cannot be read.
        """
        catalog = self._run.catalog
        self._check(number)
        locations = {name: catalog.targets[name][number] for name in self._run.label_maps if name in catalog.targets}
        known = {name: location for name, location in locations.items() if location}
        return {
            "name": catalog.ids[number],
            "inputs": list(catalog.inputs),
            "targets": {
                name: _encoded(self._read(number, location, read_target, self._run.label_maps[name]), name, self._run)
                for name, location in known.items()
            },
        }

    def picture(self, number: int, part: str | None) -> bytes:
        """One input of a sample, as a file that `/v1/predict` takes.

        Args:
            number: Of the sample.
            part: Name of the input; None for the last.

        Raises:
            Refusal: There is no such sample or input; it cannot be read, or is too large.
        """
        return encode_upload(self._picture(number, part))[1]

    def thumbnail(self, number: int) -> bytes:
        """A small WebP of a sample's last input; raises as `picture`."""
        image = self._picture(number, None)
        height, width = image.shape[:2]
        scale = min(1.0, _THUMB / max(height, width))
        small = resize_image(image, (max(1, round(height * scale)), max(1, round(width * scale))))
        return encode_webp(to_display(small), _QUALITY)

    def _picture(self, number: int, part: str | None) -> Shaped[np.ndarray, "height width channels"]:
        self._check(number)
        locations = image_locations(self._run.catalog, number)
        part = list(locations)[-1] if part is None else part
        if part not in locations:
            raise unknown("an input of the sample", part, list(locations))
        info = self._read(number, locations[part], read_info)
        if info.size[0] * info.size[1] * -(-info.channels // 4) > self._max_pixels:
            raise too_large(
                f"a picture of at most {self._max_pixels:,} pixels",
                f"'{self._run.catalog.ids[number]}' is {info.size[0]:,}×{info.size[1]:,}",
                "Start the server with a larger --max-pixels.",
            )
        image: Shaped[np.ndarray, "height width channels"] = self._read(number, locations[part], read_image)
        return image

    def _check(self, number: int) -> None:
        if number not in self._place:
            raise Refusal(404, "NotFound", "the number of a sample", str(number), "Take one from /v1/run/samples.")

    def _read(self, number: int, location: str, reader: Any, *more: Any) -> Any:
        """Read a file; its folders are not told."""
        try:
            return reader(location, *more)
        except DataError as error:
            parts = [parse_location(part) for part in split_planes(location)]
            files = [part.archive or part.path for part in parts]
            if not any("://" in file or Path(file).exists() for file in files):
                raise Refusal(
                    404, "DataError", f"the files of sample '{self._run.catalog.ids[number]}'",
                    f"'{Path(files[0]).name}' is no longer there", "Put the data back where they were.",
                ) from None  # fmt: skip
            folders = [str(Path(file).parent) for file in files]
            expected, found, remedy = (
                without_folders(text, *folders) for text in (error.expected, error.found, error.remedy)
            )
            raise Refusal(400, "DataError", expected, found, remedy) from None


def _extreme(rated: Rated) -> float:
    """Lower for the more extreme of a kind."""
    if rated.kind == "doubtful":
        return rated.expected
    return rated.score if rated.kind == "worst" else -rated.score


def _encoded(truth: np.ndarray, name: str, run: ShownRun) -> dict[str, Any]:
    label_map = run.label_maps[name]
    answer: dict[str, Any] = {"task": label_map.task, "height": truth.shape[0], "width": truth.shape[1]}
    if label_map.task == "regression":
        return answer | {"values": _numbers(truth, label_map)}
    if label_map.task == "multilabel":
        return answer | {"mask": [_png(truth[..., index]) for index in range(truth.shape[2])]}
    return answer | {"mask": _png(truth)}


def _numbers(truth: np.ndarray, label_map: LabelMap) -> dict[str, Any]:
    """Numbers as `/v1/predict` gives them; where some are unknown, also a 1-bit PNG of those that are known."""
    known: Bool[np.ndarray, "height width"] = np.isfinite(truth)
    values = truth[known]
    low = min(label_map.low, float(values.min())) if len(values) else label_map.low
    high = max(label_map.high, float(values.max())) if len(values) else label_map.high
    share = (np.where(known, truth, low) - low) / ((high - low) or 1.0)
    grey = np.rint(share * _DEEP).astype(np.uint16)
    rest = {} if known.all() else {"known": _png(known)}
    return {"png16": _png(grey), "low": low, "high": high, "unit": label_map.unit, **rest}


def _png(picture: np.ndarray) -> str:
    return base64.b64encode(encode_png(picture)).decode()
