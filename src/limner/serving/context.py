"""What the endpoints of one server share.

Layer: serving. Imports no web library.
"""

from __future__ import annotations

from dataclasses import dataclass

from limner.serving.counting import Counting
from limner.serving.learning import Learning
from limner.serving.models import Models
from limner.serving.saving import Dataset
from limner.serving.settings import Settings
from limner.serving.working import Work


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
    """

    models: Models
    settings: Settings
    work: Work
    counting: Counting
    dataset: Dataset | None
    learning: Learning | None
