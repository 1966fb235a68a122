"""The command `report`."""

from __future__ import annotations

from pathlib import Path

from whisper_ft.config.commands import ReportConfig
from whisper_ft.config.options import out_of_bounds
from whisper_ft.reporting.page import write_report


def report(config: ReportConfig) -> int:
    """Write a run's curves, scores and rows, with their audio, to one HTML file."""
    problems = out_of_bounds(config)
    folder = Path(config.run)
    out = Path(config.out) if config.out else folder / "report.html"
    if not out.name.endswith(".html"):  # so that it cannot overwrite one of the run's own files
        problems.append(f"--out: {config.out}: give a name that ends in .html")
    if not config.out and out.is_symlink():  # whoever made the folder may have placed it
        problems.append(f"{out}: a link, which would write to another file: give --out")
    if problems:
        raise ValueError("\n".join(problems))
    print(write_report(folder, out, step=config.step, n_rows=config.rows))
    return 0
