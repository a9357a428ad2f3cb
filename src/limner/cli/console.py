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
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from limner.errors import LimnerError

EXIT_PARTLY = 1
EXIT_USER = 2
EXIT_INTERRUPTED = 130

STAGES = {
    "scan": "Reading masks",
    "check": "Looking at pictures",
    "measure": "Measuring pictures",
    "cache": "Decoding pictures",
    "calibrate": "Calibrating",
    "evaluate": "Evaluating",
    "predict": "Predicting",
    "trace": "Reading tracings",
    "place": "Placing files",
    "compose": "Composing",
}


def output() -> Console:
    """Console of results. Made when needed, so that redirection is seen."""
    return _console(stderr=False)


def messages() -> Console:
    """Console of progress, notes and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    # Names of files and classes are printed as they are: `[old]` is no markup, `:x:` no emoji.
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, soft_wrap=not stream.isatty(), highlight=False, markup=False, emoji=False)


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
    sys.stdout.write(json.dumps(values, indent=2, ensure_ascii=False, default=str) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table whose columns after the first are numbers."""
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left")
    for row in rows:
        table.add_row(*row)
    output().print(table)


class Stages:
    """Draws the progress of preparation, evaluation and prediction; one bar per stage.

    On something that is not a terminal, it prints a line when a stage is done, if it took a while.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = messages()
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._begin: dict[str, float] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        """Show that `done` of `total` of a stage are done."""
        begin = self._begin.setdefault(name, time.monotonic())
        if self._quiet:
            return
        label = STAGES.get(name, name)
        if self._console.is_terminal:
            self._draw(name, label, done, total)
        elif done >= total and time.monotonic() - begin > 1:
            self._console.print(f"{label}: {total:,} in {time.monotonic() - begin:.0f} s")
        if done >= total:
            self._begin.pop(name)

    def _draw(self, name: str, label: str, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(label, total=total)
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
