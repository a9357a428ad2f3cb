"""The command line: one thin file per verb.

Layer: top. Each verb reads its arguments, calls one function of `workflow`, prints, and sets the
exit code: 0 done, 1 done in part or a bug, 2 something the user can mend, 130 interrupted.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import typer

from limner import _version
from limner.cli import (
    calibrate,
    card,
    check,
    compare,
    compose,
    convert,
    evaluate,
    explain,
    export,
    open,  # noqa: A004 - a verb; nothing here opens files
    predict,
    recipes,
    report,
    review,
    sample,
    serve,
    shard,
    show,
    split,
    traces,
    train,
    verify,
)

app = typer.Typer(
    name="limner",
    help="Learns to draw the outlines experts draw: from a folder of pictures and masks to a model you can trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


# Typer carries its own copy of click, or uses the package, according to its version.
_UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]


def _guarded(run: Callable[..., None]) -> Callable[..., None]:
    """Show what the user can mend as a block, and leave with the right code."""

    @functools.wraps(run)
    def verb(*args: Any, **options: Any) -> None:
        from limner.cli.console import guard

        # Around the verb, not around `app`, which would turn Ctrl-C into exit code 1.
        with guard(as_json=options["as_json"]):
            run(*args, **options)

    return verb


for module in (
    check,
    train,
    verify,
    evaluate,
    compare,
    calibrate,
    predict,
    explain,
    serve,
    export,
    report,
    open,
    card,
    review,
    shard,
    show,
    split,
    traces,
    convert,
    compose,
    sample,
    recipes,
):
    app.command(module.NAME)(_guarded(module.run))


def _print_version(asked: bool) -> bool:
    if asked:
        typer.echo(f"limner {_version.__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Options before the verb."""


def main() -> None:
    """Entry point of the `limner` command."""
    if "--json" in sys.argv:
        sys.exit(_run_for_program())
    app()


def _run_for_program() -> int | None:
    """Run the command so that a mistake in its arguments is JSON too, and give its exit code."""
    from limner.cli.console import guard
    from limner.errors import ConfigError

    with guard(as_json=True):
        try:
            code: int | None = app(standalone_mode=False)
        except _UsageError as error:
            place = error.ctx.command_path if error.ctx else "limner"
            raise ConfigError(
                f"arguments as `{place} --help` lists them", error.format_message(), "Correct the command."
            ) from None
    return code
