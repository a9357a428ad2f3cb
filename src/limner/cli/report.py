"""`limner report`: draw a run's report again.

Layer: cli.
"""

from __future__ import annotations

from limner.cli.options import AsJson, RunFolder

NAME = "report"


def run(
    folder: RunFolder,
    as_json: AsJson = False,
) -> None:
    """Write report.html of a run again, from the files in its folder."""
    from limner.cli.console import output, print_json
    from limner.evaluation.report import write_report

    path = write_report(folder)
    if as_json:
        print_json({"report": str(path)})
    else:
        output().print(f"Report  {path}")
