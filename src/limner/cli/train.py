"""`limner train`: from a folder to a trained model, its evaluation and a report.

Layer: cli.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from limner.cli.options import (
    AsJson,
    ConfigFile,
    Group,
    ImagesFolder,
    MasksFolder,
    Recipe,
    Shares,
    SkipUnmatched,
    SkipUnreadable,
    Test,
    Val,
)

if TYPE_CHECKING:
    from limner.workflow.run import Run

NAME = "train"


def run(
    data: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DATA] [KEY=VALUE]...",
            help="Folder, .csv or .zip with pictures and masks; then any settings, such as epochs=20.",
            show_default=False,
        ),
    ] = None,
    images: ImagesFolder = None,
    masks: MasksFolder = None,
    recipe: Recipe = None,
    config: ConfigFile = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Run folder. Default: runs/NAME-OF-DATA.", show_default=False)
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with this run, from its last checkpoint.", show_default=False)
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            "--from", "-k", help="Start from this run's or bundle's weights and architecture.", show_default=False
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", "-e", help="Most epochs to train.", show_default=False)
    ] = None,
    time: Annotated[str | None, typer.Option(help="Time budget, such as 90s, 15m, 2h.", show_default=False)] = None,
    batch: Annotated[int | None, typer.Option("--batch", "-b", help="Samples per step.", show_default=False)] = None,
    model: Annotated[
        str | None, typer.Option(help="Network: unet, improved_unet or encoder_unet.", show_default=False)
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(help="Pretrained encoder, a name of timm such as resnet34.", show_default=False)
    ] = None,
    decoder: Annotated[
        str | None, typer.Option(help="Decoder on the encoder: unet or pix2pix.", show_default=False)
    ] = None,
    encoder_weights: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="File of the encoder's weights, where they cannot be fetched.",
            show_default=False,
        ),
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Highest learning rate.", show_default=False)] = None,
    find_lr: Annotated[
        bool, typer.Option("--find-lr", help="Find the learning rate by a range test before training.")
    ] = False,
    split: Shares = None,
    val: Val = None,
    test: Test = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=2, help="Train a model for each of so many folds, and score every sample unseen.", show_default=False
        ),
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(
            metavar="A,B,…",
            help="Candidates to compare: networks, encoders, settings; such as 'unet,resnet34,unet loss=dice'.",
            show_default=False,
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(min=2, help="Train with so many seeds, and see how far scores differ.", show_default=False),
    ] = None,
    review: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV", help="review.csv of limner review: leave out what it marks drop.", show_default=False
        ),
    ] = None,
    group: Group = None,
    auto_fix: Annotated[
        bool, typer.Option("--auto-fix", help="Begin once more, with other settings, where the training collapses.")
    ] = False,
    pilot: Annotated[
        bool | None,
        typer.Option(
            "--pilot/--no-pilot",
            help="Try the whole way for up to a minute first. Default: for more than ten minutes of training.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of split and training.", show_default=False)] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.", show_default=False)] = None,
    skip_unmatched: SkipUnmatched = False,
    skip_unreadable: SkipUnreadable = False,
    summary: Annotated[
        bool | None,
        typer.Option(
            "--summary/--no-summary",
            help="Print the network's stages, sizes and costs. Default: on a terminal.",
            show_default=False,
        ),
    ] = None,
    cache: Annotated[bool, typer.Option("--cache/--no-cache", help="Keep decoded pictures on disk.")] = True,
    as_json: AsJson = False,
) -> None:
    """Train a model on a folder of pictures and masks, evaluate it, and write a report.

    Every setting of docs/reference/settings.md can follow as section.key=value, such as
    model.conv_sizes=[32,64,128]; what you leave out is planned from the data, with reasons in plan.yaml.
    """
    from limner.cli.console import EXIT_INTERRUPTED, output, print_json
    from limner.cli.training_view import TrainingView
    from limner.cli.words import data_settings
    from limner.errors import ConfigError
    from limner.training.distributed import find_seat
    from limner.workflow.settings import separate_settings
    from limner.workflow.train import train

    if find_lr and lr is not None:
        raise ConfigError(
            "a learning rate, or one that is found", f"--lr {lr:g} and --find-lr", "Leave one of them out."
        )
    place, overrides = separate_settings(data or [])
    given = {
        "model.name": model,
        "model.encoder": encoder,
        "model.decoder": decoder,
        "model.encoder_weights": encoder_weights,
        "training.epochs": epochs,
        "training.time": time,
        "training.batch": batch,
        "training.lr": "find" if find_lr else lr,
        "training.device": device,
        "training.auto_fix": True if auto_fix else None,
        "training.pilot": pilot,
        "training.seed": seed,
        "experiment.compare": ",".join(compare) if compare else None,
        "experiment.repeats": repeats,
    }
    of_data = data_settings(
        images=images,
        masks=masks,
        split=split,
        val=val,
        test=test,
        folds=folds,
        seed=seed,
        group=group,
        review=None if review is None else str(review),
        cache=None if cache else False,
        skip_unmatched=skip_unmatched,
        skip_unreadable=skip_unreadable,
    )
    settings = {name: value for name, value in given.items() if value is not None} | of_data
    follower = find_seat().rank > 0
    view = TrainingView(quiet=as_json or follower, summary=summary)
    try:
        result = train(
            place,
            recipe=recipe,
            config=config,
            out=out,
            resume=resume,
            start_from=start_from,
            overrides=overrides,
            settings=settings,
            reporter=view,
        )
    finally:
        view.close()
    if follower:
        raise typer.Exit(EXIT_INTERRUPTED if result.interrupted else 0)
    if as_json:
        print_json(result.to_dict())
    elif result.summary is not None:
        _print_result(result)
    if result.interrupted:
        if not as_json:
            output().print(f"Stopped. Go on with:  limner train --resume {shlex.quote(str(result.folder))}")
        raise typer.Exit(EXIT_INTERRUPTED)


def _print_result(result: Run) -> None:
    """Scores, and where things are."""
    from limner.cli.console import output
    from limner.cli.experiment_tables import print_candidates, print_repeats
    from limner.cli.tables import print_ensemble, print_folds, print_scores

    assert result.summary is not None
    if "candidates" in result.found:
        print_candidates(result.found["candidates"])
    if "repeats" in result.found:
        print_repeats(result.found["repeats"])
    print_scores(result.summary)
    if "folds" in result.summary:
        print_folds(result.summary)
        print_ensemble(result.found)
        kept = result.found.get("candidates", {}).get("kept")
        folder = result.folder / "candidates" / kept if kept else result.folder
        output().print(f"Model   {result.model}, the ensemble of the folds\nReport  {result.report}")
        output().print(f"Look for wrong masks:  limner review {shlex.quote(str(folder))}")
    else:
        output().print(f"Model   {result.model}\nReport  {result.report}")
    if result.reproducible:
        output().print(f"Reproducible: {result.reproducible}.")
