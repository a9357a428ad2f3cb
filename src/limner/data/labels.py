"""Label maps: how stored mask values become class ids, with names and colours.

Layer: data. Imports no torch.

A label map is found once by inspection (`inspect_labels`) or given by the user, saved with the run
and in the model file, and applied strictly: a value that it does not know is an error, never a guess.
Of a regression target it says how stored numbers become values in their unit.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float32, Int64, Shaped, UInt8

from limner.data.stored_masks import is_folder, read_stored
from limner.data.values import (
    Reading,
    Value,
    ValueTable,
    color_values,
    format_value,
    grey_values,
    pack_colors,
    plain_number,
)
from limner.errors import DataError, shorten
from limner.images import StoredMask
from limner.types import IGNORE, Color, Task

Encoding: TypeAlias = Literal["values", "colors", "planes", "threshold"]

OTHER = "other"
"""In `LabelMap.values`: every stored value that no class names."""

_UNKNOWN = 254  # class ids end at 253 (`MAX_CLASSES`), so this one is free


@dataclass(frozen=True)
class LabelMap:
    """How stored mask values become class ids, or numbers in a unit.

    Attributes:
        task: `binary` and `multiclass` give one id per pixel, `multilabel` one plane of 0 / 1 per class,
            `regression` a number per pixel and no classes.
        names: Name per class id; id 0 is the background of binary and multiclass masks.
        colors: Colour per class id, for drawings.
        encoding: `values`: numbers stand for classes. `colors`: colours do. `planes`: channel *k* is
            class *k*. `threshold`: class *k* holds the numbers from its value up to the next class's.
        values: Stored values per class id; numbers, colours, or `OTHER`.
        ignore: Stored values of pixels that take no part in training or scores.
        because: The evidence, in words.
        reading: Which part of the stored mask carries the classes or numbers.
        unit: Unit of a regression target, in print; may be empty.
        factor: A stored number of a regression target × `factor` is the value in the unit.
        low: Lowest value of a regression target in the training samples, in the unit.
        high: Highest, above `low`.
        stored: dtype that holds every stored number of a regression target: `uint8`, `uint16` or `float32`.
    """

    task: Task
    names: tuple[str, ...]
    colors: tuple[Color, ...]
    encoding: Encoding = "values"
    values: tuple[tuple[Value | str, ...], ...] = ()
    ignore: tuple[Value, ...] = ()
    because: str = ""
    reading: Reading = "stored"
    unit: str = ""
    factor: float = 1.0
    low: float = 0.0
    high: float = 1.0
    stored: str = "float32"

    @property
    def num_classes(self) -> int:
        """Number of class ids, the background included."""
        return len(self.names)

    def encode(self, stored: StoredMask, where: str) -> UInt8[np.ndarray, ...] | Float32[np.ndarray, "height width"]:
        """Class ids of a stored mask, or values of a stored map of numbers.

        Args:
            stored: The mask as it lies on disk.
            where: Its location, for messages.

        Returns:
            `height width` ids with `IGNORE` where the value is to be ignored; for `multilabel`
            `height width classes` planes of 0 / 1; for `regression` `height width` float32 in the
            unit, NaN where the number is to be ignored or is none.

        Raises:
            DataError: The mask holds a value that no class has, or is of another kind than the map.
        """
        if self.task == "regression":
            return self.measured(self.numbers(stored, where))
        ids, values = self._ids(stored, where)
        if (ids == _UNKNOWN).any():
            raise self._unknown(ids, values, where)
        return ids

    def numbers(self, stored: StoredMask, where: str) -> Shaped[np.ndarray, "height width"]:
        """Stored numbers of a regression target, one per pixel.

        Raises:
            DataError: The file holds colours, or several channels that differ.
        """
        return grey_values(stored, self.reading, where)

    def measured(self, numbers: Shaped[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
        """Values of stored numbers in the unit; NaN for ignored numbers and for what is not finite."""
        values: np.ndarray = np.multiply(numbers, self.factor, dtype=np.float64).astype(np.float32)
        unknown = ~np.isfinite(values)
        if self.ignore:
            unknown |= np.isin(numbers, np.array(self.ignore))
        values[unknown] = np.nan
        return values

    def count(self, table: ValueTable) -> Int64[np.ndarray, " classes"]:
        """Pixels per class id in a tabulated mask, ignored pixels left out; regression has no classes.

        Raises:
            DataError: As `encode`.
        """
        if self.task == "regression":
            return np.zeros(0, np.int64)
        ids, values = self._ids(table.as_mask(), table.where)
        pixels = np.array(list(table.counts.values()), np.int64)
        if (ids == _UNKNOWN).any():
            raise self._unknown(ids, values, table.where, pixels[np.newaxis])
        if self.task == "multilabel":
            return np.asarray(pixels @ ids[0].astype(np.int64))
        weights = np.bincount(ids[0], weights=pixels, minlength=IGNORE + 1)
        return np.asarray(weights[: self.num_classes].astype(np.int64))

    def to_dict(self) -> dict[str, Any]:
        """The map as JSON holds it; `from_dict` gives it back."""
        return {**_as_lists(asdict(self)), "version": 1}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> LabelMap:
        """Restore what `to_dict` gave.

        Raises:
            DataError: A key is missing or unknown, or the format is newer.
        """
        fields = dict(values)
        version = fields.pop("version", None)
        try:
            if version != 1:
                raise TypeError
            return cls(**{key: _as_tuples(value) for key, value in fields.items()})
        except TypeError:
            raise DataError(
                "a label map of version 1", f"version {version} with {sorted(fields)}", "Update Limner, or train again."
            ) from None

    @functools.cached_property
    def _known(self) -> tuple[Shaped[np.ndarray, " known"], UInt8[np.ndarray, " known"]]:
        """Stored values (colours packed), ascending, and the class id of each."""
        pairs = [(value, number) for number, row in enumerate(self.values) for value in row if value != OTHER]
        pairs += [(value, IGNORE) for value in self.ignore]
        values = np.array([value for value, _ in pairs])
        if self.encoding == "colors":
            values = pack_colors(values.astype(np.uint8))
        order = np.argsort(values)
        return values[order], np.array([number for _, number in pairs], np.uint8)[order]

    @functools.cached_property
    def _default(self) -> int:
        """Class id of values that no class names."""
        return next((number for number, row in enumerate(self.values) if OTHER in row), _UNKNOWN)

    @functools.cached_property
    def _table(self) -> UInt8[np.ndarray, 65536] | None:
        """Class id per 16-bit number; None where the known values are not such numbers."""
        known, ids = self._known
        whole = known[(known >= 0) & (known <= 0xFFFF) & (known == np.floor(known))]
        if self.encoding != "values" or whole.size < known.size:
            return None
        table = np.full(0x10000, self._default, np.uint8)
        table[known.astype(np.int64)] = ids
        return table

    @property
    def _colors(self) -> list[tuple[int | float, ...]]:
        return [value for row in self.values for value in row if isinstance(value, tuple)]

    def _ids(
        self, stored: StoredMask, where: str
    ) -> tuple[UInt8[np.ndarray, "height width *classes"], Shaped[np.ndarray, "height width *channels"]]:
        """Class ids, `_UNKNOWN` where the stored value has none, and the stored values."""
        if self.encoding == "planes":
            return self._encode_planes(stored, where), stored.array
        if self.encoding == "colors":
            colors = color_values(stored, len(self._colors[0]))
            return self._look_up(pack_colors(colors)), colors
        numbers = grey_values(stored, self.reading, where)
        if self.encoding == "threshold":
            return self._cut(numbers), numbers
        if self._table is not None and numbers.dtype in (np.bool_, np.uint8, np.uint16):
            return self._table[numbers.view(np.uint8) if numbers.dtype == np.bool_ else numbers], numbers
        return self._look_up(numbers), numbers

    def _look_up(self, codes: Shaped[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
        known, known_ids = self._known
        places = np.searchsorted(known, codes).clip(max=known.size - 1)
        return np.where(known[places] == codes, known_ids[places], np.uint8(self._default))

    def _cut(self, numbers: Shaped[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width"]:
        bounds = np.array([row[0] for row in self.values], np.float64)
        ids = np.searchsorted(bounds, numbers, side="right") - 1
        return np.where((ids < 0) | np.isnan(numbers), _UNKNOWN, ids).astype(np.uint8)

    def _encode_planes(self, stored: StoredMask, where: str) -> UInt8[np.ndarray, ...]:
        array = stored.array if stored.array.ndim == 3 else stored.array[..., np.newaxis]
        if array.shape[2] != self.num_classes:
            raise DataError(
                f"a mask with {self.num_classes} planes, one per class",
                f"'{where}' has {array.shape[2]}",
                "Save this mask like the others.",
            )
        planes = array != 0
        if self.task == "multilabel":
            return np.asarray(planes, np.uint8)
        if (planes.sum(axis=2) != 1).any():
            raise DataError(
                "exactly one plane set in every pixel, as in the other masks",
                f"'{where}' has pixels with none or several",
                "Correct this mask.",
            )
        return np.asarray(planes.argmax(axis=2), np.uint8)

    def _unknown(
        self,
        ids: UInt8[np.ndarray, "height width"],
        values: Shaped[np.ndarray, "height width *channels"],
        where: str,
        pixels: Int64[np.ndarray, "height width"] | None = None,
    ) -> DataError:
        """The error that lists the unknown values; `pixels` says how many each element stands for."""
        places = ids == _UNKNOWN
        unknown, inverse = np.unique(values[places], axis=0, return_inverse=True)
        counts = np.bincount(inverse.ravel(), weights=None if pixels is None else pixels[places]).astype(np.int64)
        lines = [
            f"{format_value(_as_value(value))} in {count:,} pixel(s)"
            for value, count in sorted(zip(unknown.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1])
        ]
        known = ", ".join(
            f"{' '.join(shorten([format_value(value) for value in row], 4))} = {name}"
            for row, name in zip(self.values, self.names, strict=True)
        )
        ignored = "".join(f", {format_value(value)} = ignored" for value in self.ignore)
        return DataError(
            f"masks hold the known values alone: {known}{ignored}",
            f"'{where}' also holds",
            "Correct the mask, add the value to a class in `data.values`, or name it in `data.ignore_values`.",
            details=shorten(lines, 8),
        )


def read_target(location: str, label_map: LabelMap) -> UInt8[np.ndarray, ...] | Float32[np.ndarray, "height width"]:
    """Read a mask and turn its values into class ids, or into numbers (see `LabelMap.encode`).

    Args:
        location: A mask file, a folder of them with a trailing slash, which gives their union, or
            several joined by ` | `, each a plane.
        label_map: The map of this target.

    Raises:
        DataError: Unreadable, an unknown value, or a folder where the task is not `binary`.
    """
    if is_folder(location) and label_map.task != "binary":
        raise DataError(
            "folders of masks hold one object per file, on background",
            f"'{location}' is one of a {label_map.task} target",
            "Give one mask file per picture.",
        )
    return label_map.encode(read_stored(location), location)


def _as_value(value: Any) -> Value:
    return tuple(value) if isinstance(value, list) else plain_number(value)


def _as_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_lists(part) for key, part in value.items()}
    return [_as_lists(part) for part in value] if isinstance(value, tuple) else value


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(part) for part in value) if isinstance(value, list) else value
