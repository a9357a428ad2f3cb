"""The way of one picture through the server: decoded, predicted in a batch with others', encoded.

Layer: serving. Imports no web library.

Decoding and encoding run on a few threads, prediction on one for each model; the event loop only waits. Whatever
waits is given up at once when nobody wants it any more: asyncio's cancellation reaches what has not begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from limner.images import decode_upload, inspect_upload
from limner.inference.familiarity import Strangeness
from limner.inference.inputs import ModelInput, check_parts
from limner.inference.predicting import Predicting
from limner.inference.prediction import Prediction
from limner.serving.batching import Job
from limner.serving.models import Served
from limner.serving.reading import SentFile
from limner.serving.refusals import busy, too_large
from limner.serving.settings import Settings

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class Predicted:
    """A picture and what the model says of it."""

    model: Predicting
    picture: ModelInput
    prediction: Prediction
    strange: Strangeness | None


class Work:
    """What all requests of a server share: its threads, and how many pixels are under way."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="pictures")
        self._pixels = 0
        self._freed: set[asyncio.Event] = set()

    async def run(self, task: Callable[_Given, _Result], *args: _Given.args, **options: _Given.kwargs) -> _Result:
        """Do something on one of the threads."""
        return await asyncio.wrap_future(self._threads.submit(task, *args, **options))

    async def predict(
        self,
        served: Served,
        files: Sequence[SentFile],
        *,
        page: int | None,
        probabilities: bool,
        doubts: bool,
        patient: bool = False,
    ) -> Predicted:
        """Predict one picture, or one sample of several.

        Args:
            served: The model.
            files: The picture, or one for each input of the model, by the names of their fields.
            page: Of a file of several pages.
            probabilities: Whether the prediction shall hold probabilities.
            doubts: Whether it shall say how sure it is.
            patient: Whether to wait for room, where there is none now.

        Raises:
            LimnerError: A picture cannot be read, or is not of the model's kind.
            Refusal: A picture is too large, or there is no room for it now.
        """
        model = served.predictor
        async with self.room(files, page, patient=patient):
            served.batcher.expect(1)
            try:
                picture, strange = await self.run(_prepare, model, files, page)
                job = Job(model, picture, probabilities, doubts)
                served.batcher.put(job)
            finally:
                served.batcher.expect(-1)
            prediction = await asyncio.wrap_future(job.future)
            return Predicted(model, picture, prediction, strange)

    @asynccontextmanager
    async def room(self, files: Sequence[SentFile], page: int | None, *, patient: bool = False) -> AsyncIterator[None]:
        """Inside, the pixels of these files count as under way.

        Raises:
            DataError: A file is no picture.
            Refusal: One is too large, or there is no room for all of them now.
        """
        pixels = await self.run(_count_pixels, files, page, self._settings.max_pixels)
        while self._pixels and self._pixels + pixels > self._settings.most_pixels:
            if not patient:
                raise busy("the pictures under way are large")
            freed = asyncio.Event()
            self._freed.add(freed)
            await freed.wait()
        self._pixels += pixels
        try:
            yield
        finally:
            self._pixels -= pixels
            for waiting in self._freed:
                waiting.set()
            self._freed.clear()

    def close(self) -> None:
        """End the threads, once what they do is done."""
        self._threads.shutdown()


def _count_pixels(files: Sequence[SentFile], page: int | None, most: int) -> int:
    """Pixels of all pictures together, by their headers: of up to four channels each."""
    total = 0
    for sent in files:
        info = inspect_upload(sent.data, sent.field, page=page)
        pixels = info.size[0] * info.size[1] * -(-info.channels // 4)
        if pixels > most:
            raise too_large(
                f"a picture of at most {most:,} pixels",
                f"'{sent.field}' says it is {info.size[0]:,}×{info.size[1]:,} with {info.channels:,} channels",
                "Send a smaller picture, or parts of it.",
            )
        total += pixels
    return total


def _prepare(model: Predicting, files: Sequence[SentFile], page: int | None) -> tuple[ModelInput, Strangeness | None]:
    inputs = model.meta.inputs
    fields = [sent.field for sent in files]
    check_parts(None if fields == ["image"] else fields, inputs)
    pictures = {sent.field: decode_upload(sent.data, sent.field, page=page) for sent in files}
    picture = model.make_input(pictures if inputs.parts else pictures["image"], "image")
    return picture, model.strangeness(picture)
