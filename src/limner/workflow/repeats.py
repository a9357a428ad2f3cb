"""The same training with several seeds, to see how far scores differ by chance.

Layer: workflow, below `train`.

    RUN/repeats/0 …    ordinary run folders; the samples and their splits are the same
    RUN/repeats.json   their scores, how far these differ, and which was kept
    RUN/               everything else is of the one that is best in validation, never in test
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from limner.bundle import BUNDLE_NAME
from limner.config import Config
from limner.data.prepare import Prepared
from limner.evaluation.report import write_report
from limner.evaluation.run_folder import REPEATS_NAME
from limner.evaluation.spread import mean_scores, spread
from limner.files import write_text
from limner.training.record import RunRecord
from limner.workflow.familiarity import learn_pictures
from limner.workflow.parts import Part, adopt, part_settings, read_record, train_parts, training_seconds
from limner.workflow.run import Run, Sitting, train_run


def train_repeats(folder: Path, config: Config, data: Prepared, record: RunRecord, sitting: Sitting) -> Run:
    """Train with several seeds, score each, and keep the one that is best in validation.

    Args:
        folder: Run folder of them all; holds data and settings already.
        config: Settings; a time budget is divided, and the seeds count up from `training.seed`.
        data: As `read_data` gives them for the folder.
        record: Of the folder.
        sitting: See `train_parts`.

    Raises:
        LimnerError: As `train_run`.
    """
    count = config.experiment.repeats or 1
    parts = []
    for number in range(count):
        seed = config.training.seed + number
        settings = part_settings(config, count, {"experiment": {"repeats": None}, "training": {"seed": seed}})
        parts.append(Part(str(number), f"seed {seed}", settings, data))

    def finish(runs: list[Run]) -> Run:
        begin = time.monotonic()
        kept = best_in_validation(runs)
        if not sitting.title:  # of several candidates the one that is kept learns them in the end
            learn_pictures(kept.folder / BUNDLE_NAME, data, progress=sitting.reporter.stage)
        facts = adopt(folder, kept, kept.folder / "evaluation")
        found = write_repeats(folder, runs, [run.summary or {} for run in runs])
        train, all_of_them = training_seconds([kept]), training_seconds(runs)
        took = {"train": train, "train_others": all_of_them - train, "evaluate": time.monotonic() - begin}
        record.update("finished", seconds=took, **facts)
        return Run(
            folder,
            folder / BUNDLE_NAME,
            write_report(folder),
            kept.summary,
            interrupted=False,
            found={"repeats": found},
        )

    return train_parts(folder, "repeats", parts, train_run, finish, record, sitting)


def best_in_validation(runs: Sequence[Run]) -> Run:
    """The run with the best validation score, the one by which its epoch was chosen; of equals the first."""
    return max(runs, key=lambda run: _validation(read_record(run.folder)))


def write_repeats(folder: Path, runs: Sequence[Run], summaries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Write down in `repeats.json` how far scores differ; its content, see `RepeatsRecord`.

    Args:
        folder: Run folder of the whole, which the runs are below.
        runs: The trainings.
        summaries: Of each, the summary of its evaluation.
    """
    repeats = []
    for run, summary in zip(runs, summaries, strict=True):
        record, place = read_record(run.folder), run.folder.relative_to(folder).as_posix()
        facts = {
            "seed": record["seed"],
            "folder": place,
            "epochs": record["epochs"],
            "validation": record["best_score"],
        }
        repeats.append({**facts, **mean_scores(summary)})
    kept = best_in_validation(runs).folder.relative_to(folder).as_posix()
    content = {"split": summaries[0]["split"], "kept": kept, "repeats": repeats, "spread": spread(repeats)}
    write_text(folder / f"{REPEATS_NAME}.json", json.dumps(content, indent=2))
    return content


def _validation(record: dict[str, Any]) -> float:
    score = record.get("best_score")
    return -math.inf if score is None else float(score)
