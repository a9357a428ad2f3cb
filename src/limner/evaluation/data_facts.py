"""What a data card says: tables and facts about the data of a run.

Layer: part of `evaluation`. Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limner.evaluation import wording
from limner.evaluation.markdown import code
from limner.evaluation.model_facts import Facts, Table, settings_of
from limner.evaluation.records import FindingRecord
from limner.evaluation.run_folder import RunFolder
from limner.evaluation.sections import data

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_SPLIT_SETTINGS = ("split", "val", "test", "folds", "keep_splits", "group")
_TOLD_ELSEWHERE = {"path", "seed", *_SPLIT_SETTINGS}
MOST_LISTED = 20
"""Names that a list shows."""


@dataclass(frozen=True)
class DataFacts:
    """What is known of a run's data.

    Attributes:
        folder: The run.
        seeds: Seeds by section of the settings, for those that `config.yaml` does not give.
    """

    folder: RunFolder
    seeds: Mapping[str, int]

    def metadata(self) -> dict[str, Any]:
        """The front matter, by the names of https://github.com/huggingface/hub-docs/blob/main/datasetcard.md."""
        tasks = {label_map.task for label_map in self.folder.data.label_maps.values()}
        return {
            "license": "unknown",
            "pretty_name": self.folder.name,
            "size_categories": [self._size_category()] if self.total else [],
            "task_categories": ["image-segmentation"] if tasks - {"regression"} else [],
            "tags": ["limner", *sorted(tasks)],
        }

    def _size_category(self) -> str:
        return next((name for most, name in _SIZES if self.total < most), "n>1M")

    @property
    def total(self) -> int:
        """Samples in all."""
        return sum(samples for samples, _ in self.folder.splits.values())

    def splits(self) -> Table | None:
        """Samples and groups of each split."""
        if not self.total:
            return None
        lines: list[Sequence[str]] = [
            (
                data.split_words(split),
                wording.count(samples),
                wording.share(samples / self.total),
                *([wording.count(groups)] if self._grouped else []),
            )
            for split, (samples, groups) in self.folder.splits.items()
        ]
        return ("Split", "Samples", "Share", *(["Groups"] if self._grouped else [])), lines

    @property
    def _grouped(self) -> bool:
        return any(groups < samples for samples, groups in self.folder.splits.values())

    def divided(self) -> Facts:
        """How the samples were divided: by what groups, in which shares, from which seed."""
        given = [(key, settings_of(self.folder, "data").get(key)) for key in _SPLIT_SETTINGS]
        facts = [(f"Setting data.{key}", wording.plain(value)) for key, value in given if value is not None]
        said = "samples of one group are always in the same split" if self._grouped else "none: every sample for itself"
        seed = settings_of(self.folder, "data").get("seed", self.seeds.get("data"))
        return [
            ("Groups", said),
            *facts,
            ("Seed", wording.plain(seed) if seed is not None else "not recorded"),
        ]

    def found(self) -> Facts:
        """Layout, pairing, picture sizes, kinds of numbers, as the report has them."""
        return data.data_facts(self.folder)

    def classes(self) -> Table | None:
        """Every class with its stored values and share of the training pixels."""
        lines: list[Sequence[str]] = [
            (line.target, line.name, line.stored, line.share) for line in data.class_lines(self.folder)
        ]
        return (("Target", "Class", "Stored as", "Share of the training pixels"), lines) if lines else None

    def numbers(self) -> Facts:
        """Targets of numbers: what is stored, and the range of the training values."""
        return [(target, f"stored as {stored}; {values}") for target, stored, values in data.number_lines(self.folder)]

    def evidence(self) -> Facts:
        """Why stored values mean what they were taken for, by target; and what takes no part."""
        facts = data.reasons(self.folder.data.label_maps)
        for name, label_map in self.folder.data.label_maps.items():
            if label_map.ignore:
                facts.append((f"{name}, stored values that take no part", wording.plain(label_map.ignore)))
        return facts

    def doubts(self) -> list[tuple[FindingRecord, list[str]]]:
        """What the check doubts, with the names of samples that a card has room for."""
        return [
            (finding, listed(finding.samples)) for finding in data.check_lines(self.folder) if finding.level == "doubt"
        ]

    def notes(self) -> list[str]:
        """What the check and the reading of the data noticed besides."""
        found = [finding.title for finding in data.check_lines(self.folder) if finding.level == "note"]
        return [*found, *self.folder.data.notes]

    def decided(self) -> Facts:
        """What was decided: settings of the data, files left out, samples that a review dropped."""
        settings = settings_of(self.folder, "data").items()
        facts = [(f"Setting data.{key}", wording.plain(value)) for key, value in settings if key not in _TOLD_ELSEWHERE]
        dropped = (self.folder.data.model_extra or {}).get("dropped") or []
        left_out = {"unmatched_images": "Images without a mask, left out", "unmatched_masks": "Masks without an image"}
        facts += [
            (name, ", ".join(listed(names)))
            for key, name in left_out.items()
            if isinstance(names := self.folder.data.pairing.get(key), list) and names
        ]
        if dropped:
            facts.append(("Dropped after a review", f"{len(dropped):,}: {', '.join(listed(dropped))}"))
        return facts

    def hashes(self) -> Facts:
        """What tells these data from others."""
        facts: Facts = []
        if self.folder.bundle:
            facts.append(("Fingerprint of all samples", code(self.folder.bundle.data.hash)))
        if self.folder.summary and self.folder.summary.data_hash:
            facts.append(("Fingerprint of the evaluated samples", code(self.folder.summary.data_hash)))
        return facts


def listed(names: Sequence[str]) -> list[str]:
    """The first names, and how many more there are."""
    more = len(names) - MOST_LISTED
    return [*names[:MOST_LISTED], *([f"and {more:,} more"] if more > 0 else [])]
