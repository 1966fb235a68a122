"""The command `report`."""

from __future__ import annotations

from pathlib import Path

from whisper_ft.config.commands import (
    ReportConfig,
)
from whisper_ft.config.options import out_of_bounds
from whisper_ft.reporting.page import write_report


def report(config: ReportConfig) -> int:
    """Write a run's curves, scores and rows, with their sound, to one HTML file."""
    if wrong := out_of_bounds(config):
        raise ValueError("\n".join(wrong))
    if config.out and not config.out.endswith(".html"):  # which keeps it off the run's own files
        raise ValueError(f"--out: {config.out}: name a file that ends in .html")
    folder = Path(config.run)
    out = Path(config.out) if config.out else folder / "report.html"
    if not config.out and out.is_symlink():  # of whoever made the folder
        raise ValueError(f"{out}: a link, through which another file would be written: give --out")
    print(write_report(folder, out, step=config.step, n_rows=config.rows))
    return 0
