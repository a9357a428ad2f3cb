"""`check`: a data set examined before anything is trained.

Layer: workflow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from limner.config import Config
from limner.data.catalog import Catalog
from limner.data.check.content import Working
from limner.data.check.examine import Examination
from limner.data.check.findings import LEVELS, Finding, to_error, worst_first
from limner.data.check.stops import Understood, understand
from limner.data.check.verdicts import judge, verdicts
from limner.data.labels import LabelMap
from limner.data.prepare import Prepared, measure_samples
from limner.errors import DataError
from limner.evaluation.check_page import write_check_page
from limner.evaluation.run_folder import CHECK_NAME
from limner.files import write_text
from limner.training.plan import make_plan
from limner.types import Progress, no_progress
from limner.workflow.settings import data_arguments, examination, read_settings

Outcome: TypeAlias = Literal["clean", "doubts", "cannot train"]


@dataclass(frozen=True)
class Checked:
    """What `check` found.

    Attributes:
        name: Name of the data set.
        samples: Samples that were looked at.
        findings: The worst first.
        label_maps: What the masks of each target mean; empty where that is unclear.
        page: The page with pictures of each doubt; None where none was asked for.
    """

    name: str
    samples: int
    findings: tuple[Finding, ...]
    label_maps: dict[str, LabelMap]
    page: Path | None = None

    @property
    def outcome(self) -> Outcome:
        """The worst of all findings."""
        levels = {finding.level for finding in self.findings}
        return "cannot train" if "stop" in levels else "doubts" if "doubt" in levels else "clean"

    def counts(self) -> dict[str, int]:
        """Findings per level."""
        return {level: sum(finding.level == level for finding in self.findings) for level in LEVELS}

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "outcome": self.outcome,
            "data": self.name,
            "samples": self.samples,
            "counts": self.counts(),
            "findings": [finding.to_dict() for finding in self.findings],
            "label_maps": {name: label_map.to_dict() for name, label_map in self.label_maps.items()},
            "page": self.page and str(self.page),
        }


def check(
    data: str | Path | None = None,
    *,
    out: str | Path | None = None,
    recipe: str | None = None,
    config: str | Path | None = None,
    overrides: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    progress: Progress = no_progress,
) -> Checked:
    """Examine a data set: pairs, mask values, form, content, duplicates, leaks.

    Args:
        data: Folder, .csv or .zip that holds pictures and masks.
        out: HTML page with pictures of each doubt; None writes none.
        recipe: Published project whose settings to start from.
        config: YAML file of settings; they win over the recipe's.
        overrides: Settings as text, such as `data.values=[[0],[255]]`; they win over `config`.
        settings: Settings by name; they win over `overrides`.
        progress: Told of the progress.

    Raises:
        ConfigError: A setting is unknown or impossible; see `limner.errors`. Whatever is wrong with the
            data is a finding.

    Example:
        >>> import tempfile, limner
        >>> data = limner.sample("cells", Path(tempfile.mkdtemp()) / "data", count=12)
        >>> limner.check(data, settings={"data.cache": False}).outcome
        'clean'
    """
    chosen = read_settings(config, overrides, settings, data=data, recipe=recipe)
    arguments = data_arguments(chosen)
    with examination(chosen, progress, whole=True) as looking:
        findings, part, label_maps = _look(chosen, arguments, looking, progress)
    name = Path(str(chosen.data.path or chosen.data.images)).resolve().name
    checked = Checked(name, len(part), tuple(worst_first(findings)), label_maps)
    if out is None:
        return checked
    progress("page", 0, 1)
    page = write_check_page(out, checked.name, checked.samples, checked.findings, checked.label_maps)
    progress("page", 1, 1)
    return Checked(checked.name, checked.samples, checked.findings, checked.label_maps, page)


def _look(
    config: Config, arguments: Mapping[str, Any], looking: Examination, progress: Progress
) -> tuple[list[Finding], Catalog, dict[str, LabelMap]]:
    """Findings, the samples they are about, and what their masks mean."""
    understood = understand(**arguments, find_copies=looking.find_copies, memory=looking.memory, progress=progress)
    label_maps = understood.label_maps
    findings = [*understood.findings, *verdicts(understood.scans, label_maps, told=understood.told)]
    if len(understood.part):
        findings += looking.examine(understood.part, label_maps, _working(config, understood, progress))
    return findings, understood.part, label_maps


def check_prepared(config: Config, data: Prepared, progress: Progress) -> list[Finding]:
    """The same look at data that a training has prepared.

    Raises:
        DataError: Something was found that a training must not go on with.
    """
    told = {name for name, target in (config.data.targets or {}).items() if target.values}
    told |= set(list(data.label_maps)[:1]) if config.data.values else set()
    findings = [
        judge(name, (), label_map, told=name in told).to_finding(label_map)
        for name, label_map in data.label_maps.items()
    ]
    if config.data.check != "off":
        plan = make_plan(config, data.fingerprint, data.label_maps, data.catalog.split_counts())
        with examination(config, progress) as looking:
            findings += looking.examine(data.catalog, data.label_maps, Working(plan.fit, plan.size))
    findings = worst_first(findings)
    if findings and findings[0].level == "stop":
        raise to_error(findings[0])
    return findings


def write_findings(folder: Path, findings: Sequence[Finding]) -> None:
    """Keep what the check found in a run folder, for its report."""
    content = {"findings": [finding.to_dict() for finding in findings]}
    write_text(folder / CHECK_NAME, json.dumps(content, indent=2, ensure_ascii=False))


def _working(config: Config, understood: Understood, progress: Progress) -> Working | None:
    """The scale at which a training would see the pictures; None where it would not come so far."""
    if understood.kind is None or any(finding.level == "stop" for finding in understood.findings):
        return None
    parts, dtype = understood.kind
    surveyed, seed = understood.surveyed, config.data.seed
    try:
        fingerprint, label_maps = measure_samples(
            surveyed, understood.label_maps, parts, dtype, seed=seed, progress=progress
        )
    except DataError:
        return None  # the look at every picture says which one, and why
    plan = make_plan(config, fingerprint, label_maps, surveyed.catalog.split_counts())
    return Working(plan.fit, plan.size)
