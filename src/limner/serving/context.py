"""What the endpoints of one server share.

Layer: serving. Imports no web library.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from limner.serving.counting import Counting
from limner.serving.learning import Learning
from limner.serving.models import Models
from limner.serving.rating import Rating
from limner.serving.run_samples import RunSamples
from limner.serving.saving import Dataset
from limner.serving.settings import Settings
from limner.serving.shown import ShownRun
from limner.serving.working import Work


@dataclass(frozen=True, eq=False)
class Showing:
    """A run that is shown.

    Attributes:
        run: It.
        samples: Reads its samples.
        rating: Scores those that the run did not score.
        report_path: Of the report. Nobody can guess it, since a frame of a page shows it, which can send no token.
    """

    run: ShownRun
    samples: RunSamples
    rating: Rating
    report_path: str

    @classmethod
    def of(cls, run: ShownRun, models: Models, settings: Settings) -> Showing:
        """What one server needs to show a run."""
        path = f"/report/{secrets.token_urlsafe(24)}"
        return cls(run, RunSamples(run, settings.max_pixels), Rating(run, models), path)


@dataclass(frozen=True, eq=False)
class Context:
    """Of one server.

    Attributes:
        models: What it serves.
        settings: Its limits.
        work: Its threads.
        counting: Told of what it does.
        dataset: Where clients may save; None if they may not.
        learning: Trains on what they saved; likewise.
        showing: The run that is shown; None for none.
    """

    models: Models
    settings: Settings
    work: Work
    counting: Counting
    dataset: Dataset | None
    learning: Learning | None
    showing: Showing | None
