"""Where the results of many pictures go.

Layer: inference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from limner.bundle import BundleMeta, TargetSpec
from limner.inference.delivery import Delivery
from limner.inference.doubtful import FOLDER, TABLE_NAME, DoubtTable
from limner.inference.object_tables import COCO_NAME, OBJECTS_NAME, CocoTable, ObjectTable
from limner.inference.outputs import Outputs
from limner.inference.shards import Shard
from limner.inference.stacking import volume_of
from limner.inference.submission import Submission
from limner.inference.tables import Table
from limner.inference.tasks import Task
from limner.inference.wanted import Wanted


@dataclass(frozen=True)
class Destinations:
    """Files of each picture, and of all.

    Attributes:
        outputs: The files of each picture; None for tables alone.
        tables: Of all pictures.
        journal: What is known of finished pictures: hidden, with the results.
        delivery: Brings all these to where they belong; None where they are made there.
        replacing: Whether results may be there already.
    """

    outputs: Outputs | None
    tables: Sequence[Table]
    journal: Path
    delivery: Delivery | None = None
    replacing: bool = False

    @classmethod
    def plan(
        cls,
        out: str | Path | None,
        wanted: Wanted,
        meta: BundleMeta,
        shard: Shard,
        delivery: Delivery | None = None,
    ) -> Destinations:
        """Decide where everything goes.

        Args:
            out: Folder of the results; None for a table of run lengths alone.
            wanted: What to write, checked.
            meta: Of the model.
            shard: Tables and the journal get its number in their names.
            delivery: To `out`, where files are not made there.

        Raises:
            ConfigError: See `Submission.plan`.
        """
        belongs = "" if delivery is None else delivery.to
        out = out if delivery is None else delivery.made
        outputs = None if out is None else _outputs(Path(out), wanted, meta, belongs)
        return cls(outputs, _tables(out, wanted, meta.targets, shard), _journal(out, wanted, shard), delivery)

    def belongs(self, path: Path) -> Path | str:
        """Where a file belongs: a path, or in a store a URL."""
        return path if self.delivery is None else self.delivery.place(path)

    def send(self, paths: Iterable[Path]) -> None:
        """Bring files that were made to where they belong.

        Raises:
            OutputError: See `Delivery.send`.
        """
        if self.delivery is not None:
            self.delivery.send(paths)

    def remove(self, name: str) -> None:
        """Take away the results of that name, where there are some.

        Raises:
            OutputError: One cannot be taken away.
        """
        if self.outputs is not None and self.delivery is not None:
            self.delivery.remove(self.outputs.paths(name))
        elif self.outputs is not None:
            self.outputs.remove(name)

    def presence(self) -> Callable[[Path], bool]:
        """Tells of a file whether something is where it belongs; see `Delivery.presence`."""
        return Path.exists if self.delivery is None else self.delivery.presence()

    @property
    def doubts(self) -> Path | str | None:
        """The table of doubts, if there will be one."""
        return next((self.belongs(table.path) for table in self.tables if isinstance(table, DoubtTable)), None)

    @property
    def folder(self) -> Path | str:
        """Where results go, for messages: the folder or store, or of a table alone its folder."""
        return self.journal.parent if self.delivery is None else self.delivery.to

    @property
    def rle(self) -> Path | None:
        """The table of run lengths, if there will be one."""
        return next((table.path for table in self.tables if isinstance(table, Submission)), None)

    def files(self, tasks: Sequence[Task], *, apart: bool) -> Iterator[Path]:
        """Every file that may be written; where some results are put apart, which ones is not known yet."""
        if self.outputs is not None:
            volume = ""
            for task in tasks:
                paths = self.outputs.paths(task.result)
                if self.outputs.form == "nifti" and volume == (volume := volume_of(task)):
                    # Slices of one volume have one file of masks.
                    paths = [path for path in paths if path not in self.outputs.masks(task.result)]
                yield from paths
                if apart:
                    yield from self.outputs.paths(result_place(task.result, apart=True))
        yield from (table.path for table in self.tables)


def result_place(name: str, *, apart: bool) -> str:
    """The name of a result that may lie apart."""
    return f"{FOLDER}/{name}" if apart else name


def _outputs(out: Path, wanted: Wanted, meta: BundleMeta, belongs: str) -> Outputs:
    return Outputs(
        out,
        meta.targets,
        wanted.probabilities,
        wanted.overlay,
        meta.inputs.parts,
        wanted.uncertainty,
        tuple(kind for kind in wanted.contours if kind != "coco"),
        wanted.simplify,
        wanted.form,
        maker=f"{meta.created} {meta.data.hash}",
        belongs=belongs,
    )


def _tables(out: str | Path | None, wanted: Wanted, targets: Mapping[str, TargetSpec], shard: Shard) -> list[Table]:
    tables: list[Table] = []
    if out is not None and wanted.doubts:
        tables.append(DoubtTable(shard.name(Path(out) / TABLE_NAME)))
    if out is not None and wanted.measure:
        tables.append(ObjectTable(shard.name(Path(out) / OBJECTS_NAME), targets))
    if out is not None and "coco" in wanted.contours:
        masks = {name: spec for name, spec in targets.items() if spec.task != "regression"}
        for name, spec in masks.items():
            folder = Path(out) / "coco" / (name if len(targets) > 1 else "")
            tables.append(CocoTable(shard.name(folder / COCO_NAME), name, spec, wanted.simplify))
    if wanted.rle is not None:
        tables.append(Submission.plan(shard.name(Path(wanted.rle)), targets))
    return tables


def _journal(out: str | Path | None, wanted: Wanted, shard: Shard) -> Path:
    if out is not None:
        return shard.name(Path(out) / ".limner-predict.jsonl")
    rle = Path(wanted.rle or "")
    return shard.name(rle.with_name(f".{rle.name}.jsonl"))
