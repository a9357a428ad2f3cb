"""What a person sees: progress, tables, and errors as one clear block.

Layer: cli. Progress goes to standard error, results to standard output; so `--json` can be piped.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from limner.errors import LimnerError

EXIT_PARTLY = 1
EXIT_USER = 2
EXIT_INTERRUPTED = 130

STAGES = {
    "scan": "Reading files",
    "check": "Describing samples",
    "candidates": "Looking for look-alikes",
    "copies": "Comparing look-alikes",
    "matching": "Comparing masks with pictures",
    "page": "Drawing the page",
    "measure": "Measuring pictures",
    "cache": "Decoding pictures",
    "post-process": "Trying steps after the threshold",
    "familiarise": "Remembering the pictures",
    "calibrate": "Calibrating",
    "evaluate": "Evaluating",
    "prove": "Comparing with the model",
    "views": "Comparing views",
    "predict": "Predicting",
    "tiles": "Tiles of a large picture",
    "explain": "Trying changes",
    "review": "Comparing with masks",
    "trace": "Reading tracings",
    "annotations": "Reading annotations",
    "draw": "Drawing masks",
    "place": "Placing files",
    "shard": "Filling shards",
    "compose": "Composing",
}


# The pictures that Unicode has of control characters, and the mark of the unknown for those it has no picture of,
# among them the marks that turn the direction of writing. Line ends are rich's own.
_VISIBLE = (
    {code: 0x2400 + code for code in range(0x20) if code != 0x0A}
    | {0x7F: 0x2421}
    | dict.fromkeys([*range(0x80, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)
)


def output() -> Console:
    """Console of results. Made when needed, so that redirection is seen."""
    return _console(stderr=False)


def messages() -> Console:
    """Console of progress, notes and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    # Names of files and classes are printed as they are: `[old]` is no markup, `:x:` no emoji.
    stream = sys.stderr if stderr else sys.stdout
    console = Console(stderr=stderr, soft_wrap=not stream.isatty(), highlight=False, markup=False, emoji=False)
    console.push_render_hook(_Harmless())
    return console


class _Harmless(RenderHook):
    """Shows control characters instead of sending them: names of files could move the cursor, or hide text."""

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Wrap whatever is printed."""
        return [_Shown(renderable) for renderable in renderables]


@dataclass(frozen=True)
class _Shown:
    content: ConsoleRenderable

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self.content, options):
            yield segment if segment.control else Segment(segment.text.translate(_VISIBLE), segment.style)


@contextlib.contextmanager
def guard(as_json: bool) -> Iterator[None]:
    """Turn Limner's errors into a block and exit code 2; let bugs show their traceback."""
    logging.basicConfig(
        level=logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=messages(), show_time=False, show_path=False)],
    )
    try:
        yield
    except LimnerError as error:
        _show_error(error, as_json)
        sys.exit(EXIT_USER)
    except KeyboardInterrupt:
        messages().print("Interrupted.")
        sys.exit(EXIT_INTERRUPTED)


def _show_error(error: LimnerError, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "error": type(error).__name__,
                "expected": error.expected,
                "found": error.found,
                "remedy": error.remedy,
                "details": list(error.details),
            }
        )
        return
    text = Text()
    text.append(f"{type(error).__name__}\n", style="bold red")
    for label, value in (("Expected  ", error.expected), ("Found     ", error.found)):
        text.append(label, style="bold").append(f"{value}\n")
    for line in error.details:
        text.append(f"            {line}\n")
    text.append("To do     ", style="bold green").append(error.remedy)
    # No frame and no line breaks of ours: paths and commands are there to be copied.
    messages().print(text, soft_wrap=True)


def print_json(values: Any) -> None:
    """One JSON document on standard output."""
    text = json.dumps(values, indent=2, ensure_ascii=False, default=str) + "\n"
    # Names of files need not be text; what cannot be encoded is written as JSON's own escape.
    sys.stdout.write(text.encode(errors="backslashreplace").decode())


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table whose columns after the first are numbers."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, column in enumerate(columns):
        # Where the terminal is narrow, names are broken before numbers are.
        words = [word for row in rows for word in row[place].split()] if place else []
        table.add_column(column, justify="right" if place else "left", min_width=max(map(len, words), default=None))
    for row in rows:
        table.add_row(*row)
    output().print(table)


# Of a job that runs for days, a line each time is a page or two.
_TELL_EVERY = 300.0


@dataclass
class _Begin:
    """When a stage began, what had been done then, and when a line was printed last."""

    time: float
    done: int
    told: float


class _Speed(ProgressColumn):
    """How many are done in a second, lately."""

    def render(self, task: Task) -> Text:
        """The text."""
        return Text("" if not task.speed else speed(task.speed), style="progress.data.speed")


def speed(per_second: float) -> str:
    """A speed in words.

    Example:
        >>> speed(128.3), speed(3.21), speed(0.05)
        ('128/s', '3.2/s', '3.0/min')
    """
    number, unit = (per_second, "s") if per_second >= 1 else (60 * per_second, "min")
    return f"{number:,.0f}/{unit}" if number >= 10 else f"{number:.1f}/{unit}"


class Stages:
    """Draws the progress of preparation, evaluation and prediction; one bar per stage.

    On something that is not a terminal, it prints a line every few minutes, and when a stage is done, if it took
    a while.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = messages()
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._begin: dict[str, _Begin] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        """Show that `done` of `total` of a stage are done."""
        now = time.monotonic()
        begin = self._begin.setdefault(name, _Begin(now, done if done < total else 0, now))
        if self._quiet:
            return
        label = STAGES.get(name, name)
        if self._console.is_terminal:
            self._draw(name, label, done, total)
        elif done >= total and now - begin.time > 1:
            self._console.print(f"{label}: {total:,} in {now - begin.time:.0f} s")
        elif done < total and now - begin.told >= _TELL_EVERY and done > begin.done:
            begin.told = now
            rate = (done - begin.done) / (now - begin.time)
            left = timedelta(seconds=round((total - done) / rate))
            self._console.print(f"{label}: {done:,} of {total:,}, {speed(rate)}, {left} left")
        if done >= total:
            self._begin.pop(name)

    def _draw(self, name: str, label: str, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                _Speed(),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
        if name not in self._tasks:
            # What an earlier call has done says nothing of the speed of this one.
            self._tasks[name] = self._bar.add_task(label, total=total, completed=done)
        self._bar.update(self._tasks[name], completed=done, total=total)
        if done >= total:
            self._bar.remove_task(self._tasks.pop(name))
            if not self._tasks:
                self.close()

    def close(self) -> None:
        """Take the bars away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._tasks.clear()
