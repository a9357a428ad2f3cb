"""The command line: one thin file per verb.

Layer: top. Each verb reads its arguments, calls one function of `workflow`, prints, and sets the
exit code: 0 done, 1 done in part or a bug, 2 something the user can mend, 130 interrupted.
"""

from __future__ import annotations

import sys

import typer

from limner import _version
from limner.cli import evaluate, predict, report, sample, show, traces, train

app = typer.Typer(
    name="limner",
    help="Learns to draw the outlines experts draw: from a folder of pictures and masks to a model you can trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (train, evaluate, predict, report, show, traces, sample):
    app.command(verb.NAME)(verb.run)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"limner {_version.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Options before the verb."""


def main() -> None:
    """Entry point of the `limner` command."""
    from limner.cli.console import guard

    with guard("--json" in sys.argv):
        app()
