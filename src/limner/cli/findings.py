"""What a check found, on the terminal: the worst first, each with its evidence and what to do.

Layer: cli.
"""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from limner.cli.console import output
from limner.data.check.findings import Finding, Level
from limner.errors import shorten
from limner.workflow.check import Checked

_STYLES: dict[Level, str] = {"stop": "bold red", "doubt": "bold yellow", "note": "dim"}
_CONCLUSIONS = {
    "clean": "Nothing to worry about.",
    "doubts": "Look at the doubts before you trust a training.",
    "cannot train": "This cannot be trained on yet.",
}
_MOST = 5


def print_findings(checked: Checked) -> None:
    """A table of findings, the conclusion, and where the page is."""
    console = output()
    table = Table(
        title=f"{checked.name}: {checked.samples:,} samples looked at",
        title_justify="left",
        title_style="bold",
        show_lines=True,
    )
    table.add_column("level")
    table.add_column("finding", overflow="fold")
    for finding in checked.findings:
        table.add_row(Text(finding.level, _STYLES[finding.level]), _described(finding))
    console.print(table)
    counts = ", ".join(f"{count} {level}{'' if count == 1 else 's'}" for level, count in checked.counts().items())
    console.print(f"{_CONCLUSIONS[checked.outcome]} ({counts})")
    if checked.page is not None:
        console.print(f"Page    {checked.page}")


def _described(finding: Finding) -> Text:
    text = Text(finding.title, "bold" if finding.level != "note" else "")
    text.append(f"  [{finding.kind}]", "dim")
    for line in shorten(finding.evidence, _MOST):
        text.append(f"\n· {line}", "not bold")
    if finding.samples and finding.level != "note":
        text.append(f"\n{', '.join(shorten(finding.samples, _MOST))}", "not bold dim")
    if finding.remedy:
        text.append("\n→ ", "not bold green").append(finding.remedy, "not bold")
    return text
