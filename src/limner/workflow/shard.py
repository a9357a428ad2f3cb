"""`shard`: the files of a data set in few large ones, for training from a shared disk or an object store.

Layer: workflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from limner.data.catalog import Catalog
from limner.data.shards import Shards, write_shards
from limner.errors import ConfigError
from limner.images import is_url
from limner.training.record import write_data
from limner.types import Progress, no_progress
from limner.workflow.settings import prepare_data, read_settings

READABLE = ("s3://", "gs://")
"""Stores that can be written, with fsspec, and streamed from, with LitData, under one name."""


@dataclass(frozen=True)
class ShardResult:
    """What `shard` made.

    Attributes:
        shards: The shards.
        counts: Samples by split.
    """

    shards: Shards
    counts: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self.shards), "samples": self.counts}


def shard(
    data: str | Path | None,
    *,
    out: str | Path,
    overrides: Sequence[str] = (),
    settings: dict[str, Any] | None = None,
    progress: Progress = no_progress,
) -> ShardResult:
    """Find, check and split samples, and put their files into shards, which `train` takes instead of the data.

    The splits, the meaning of the masks and the fingerprint are settled here, once for all trainings. Called again
    after an interruption, it completes what is there.

    Args:
        data: Folder, .csv or .zip that holds pictures and masks.
        out: Folder, or URL of a store.
        overrides: Settings of `data` as text, such as `data.val=200`.
        settings: Settings of `data` by name.
        progress: Told of the progress.

    Raises:
        DataError: As for `train`; or a picture that is no file, such as a row of a table.
        OutputError: The place cannot be written, or holds something else.
        ConfigError: A store that cannot be streamed from.
        MissingExtra: LitData is not installed.
    """
    place = str(out).removeprefix("file://")
    if is_url(place) and not place.startswith(READABLE):
        raise ConfigError(
            "a folder, or a store that training can stream from",
            f"'{place}'",
            f"Choose an --out that begins with {' or '.join(READABLE)}, or a folder, and copy it to where it belongs.",
        )
    prepared = prepare_data(read_settings(None, overrides, settings, data=data), progress)

    def describe(catalog: Catalog, folder: Path) -> None:
        write_data(folder, replace(prepared, catalog=catalog))

    made = write_shards(prepared.catalog, describe, place, lambda done, total: progress("shard", done, total))
    return ShardResult(made, prepared.catalog.split_counts())
