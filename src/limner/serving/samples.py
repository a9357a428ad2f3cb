"""The files of a request, put together as the samples of a model.

Layer: serving. Imports no web library. Pure functions.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from limner.serving.reading import Sent, SentFile
from limner.serving.refusals import unprocessable

IMAGES = "images"
"""Field of pictures where a model has one input."""


@dataclass(frozen=True)
class SentSample:
    """The pictures of one sample.

    Attributes:
        name: Of the file that tells it from the others.
        files: One with the field `image`, or one for each input of the model.
    """

    name: str
    files: list[SentFile]


def check_fields(sent: Sent, parts: Collection[str], more: Collection[str], fields: Sequence[str]) -> None:
    """Refuse fields that mean nothing.

    Args:
        sent: The request.
        parts: Inputs of the model, where there are several.
        more: Names of further files.
        fields: Names of other fields there may be.

    Raises:
        Refusal: There is another.
    """
    sent.check((*(parts or (IMAGES,)), *more), tuple(fields))


def samples_of(files: Sequence[SentFile], parts: Mapping[str, int]) -> list[SentSample]:
    """The samples, in the order of their files.

    Of several inputs the first file of each are a sample, the second of each are the next; a single file of an input
    goes with all.

    Args:
        files: Those of the fields that `check_fields` lets through.
        parts: Inputs of the model, where there are several.

    Raises:
        Refusal: There are none, or not as many of each input.
    """
    if not parts:
        if not files:
            raise unprocessable("pictures in the field 'images'", "none", "Send one or more, each as 'images'.")
        return [SentSample(one.name, [SentFile("image", one.name, one.data)]) for one in files]
    columns = {part: [one for one in files if one.field == part] for part in parts}
    count = max(map(len, columns.values()))
    if not count or any(len(column) not in (1, count) for column in columns.values()):
        raise unprocessable(
            f"for every sample a file of each input, {', '.join(parts)}, or one of an input that goes with all",
            ", ".join(f"{len(column)} of {part}" for part, column in columns.items()),
            "Send them in the order of the samples.",
        )
    # Named by the last input that differs from sample to sample: of the last one the picture is shown.
    telling = next((part for part in reversed(list(columns)) if len(columns[part]) == count), "")
    return [
        SentSample(
            columns[telling][place].name,
            [column[place if len(column) == count else 0] for column in columns.values()],
        )
        for place in range(count)
    ]
