"""Model card and data card: two Markdown files made from the files of a run folder.

Layer: part of `evaluation`. The model card has the parts of Mitchell et al., "Model Cards for Model Reporting"
(arXiv 1810.03993), the data card those of Gebru et al., "Datasheets for Datasets" (arXiv 1803.09010), as far as a
run folder knows them; what only people know is listed as such. Text from files is escaped (`markdown`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from limner._version import __version__
from limner.errors import OutputError
from limner.evaluation import wording
from limner.evaluation.caveats import caveats
from limner.evaluation.data_facts import DataFacts
from limner.evaluation.markdown import Markdown, escape, front_matter, table
from limner.evaluation.model_facts import ModelFacts
from limner.evaluation.run_folder import FOLDS_NAME, RunFolder, read_run_folder
from limner.evaluation.sections.data import split_words
from limner.evaluation.templating import markdown_environment
from limner.files import write_bytes

MODEL_CARD = "MODEL_CARD.md"
DATA_CARD = "DATA_CARD.md"


@dataclass(frozen=True)
class Cards:
    """The files that were written."""

    model: Path
    data: Path


def write_cards(
    run: str | Path, out: str | Path | None = None, *, overwrite: bool = False, seeds: Mapping[str, int] | None = None
) -> Cards:
    """Write `MODEL_CARD.md` and `DATA_CARD.md` from the files of a run folder alone.

    Args:
        run: The run folder.
        out: Folder to write to. Default: the run folder.
        overwrite: Replace cards that are there; people may have completed them.
        seeds: Seeds by section of the settings, for those that `config.yaml` does not give.

    Raises:
        DataError: `run` is not a run folder, or one of its files is damaged.
        BundleError: Its `model.safetensors` is damaged.
        OutputError: A card is there already, or cannot be written.
    """
    folder = read_run_folder(Path(run))
    place = Path(out) if out is not None else folder.path
    cards = Cards(place / MODEL_CARD, place / DATA_CARD)
    there = [path for path in (cards.model, cards.data) if path.exists()]
    if there and not overwrite:
        raise OutputError(
            f"no '{there[0].name}' in '{place}'",
            "there is one, and people may have completed it",
            "Choose another folder with -o, or replace it with --overwrite; nothing was written.",
        )
    pages = render_model_card(folder, seeds or {}), render_data_card(folder, seeds or {})
    for path, page in zip((cards.model, cards.data), pages, strict=True):
        # Names of files need not be UTF-8; they must not keep a card from being written.
        write_bytes(path, page.encode("utf-8", errors="replace"))
    return cards


def render_model_card(folder: RunFolder, seeds: Mapping[str, int]) -> str:
    """The model card as text."""
    models = _models(folder)
    facts = ModelFacts(folder, models, seeds)
    return _render("model_card.md.j2", folder=folder, facts=facts, caveats=caveats(folder, facts.bundle))


def render_data_card(folder: RunFolder, seeds: Mapping[str, int]) -> str:
    """The data card as text."""
    return _render("data_card.md.j2", folder=folder, facts=DataFacts(folder, seeds))


def _models(folder: RunFolder) -> list[RunFolder]:
    """The run folders that hold models: the run's own, or one for each fold, as far as they are there."""
    if not folder.in_folds:
        return [folder]
    found = (path for path in (folder.path / FOLDS_NAME).iterdir() if path.name.isdecimal() and path.is_dir())
    places = sorted(found, key=lambda path: int(path.name))
    return [read_run_folder(path) for path in places if (path / "run.json").is_file()]


def _render(template: str, **values: object) -> str:
    environment = markdown_environment(
        escape,
        code_text=_code_text,
        table=lambda found, texts=1: table(*found, texts=texts),
        front_matter=front_matter,
        plural=wording.plural,
        split_words=split_words,
        facts=_facts,
        entries=_entries,
    )
    return environment.get_template(template).render(version=__version__, **values)


def _code_text(value: object) -> Markdown:
    """A line inside a block of code, which nothing but another such line could end."""
    return Markdown(" ".join(str(value).splitlines()))


def _facts(pairs: Sequence[tuple[str, str]]) -> Markdown:
    return Markdown("\n".join(f"- **{escape(name)}:** {escape(value)}" for name, value in pairs))


def _entries(sentences: Sequence[str]) -> Markdown:
    return Markdown("\n".join(f"- {escape(sentence)}" for sentence in sentences))
