"""Write a run as one HTML file: curves, scores, and rows to read and play."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from whisper_ft.evaluation.best_score import format_best_score
from whisper_ft.evaluation.logged_evaluation import LoggedEvaluation
from whisper_ft.evaluation.logged_interpolation import LoggedInterpolation, describe_interpolation
from whisper_ft.evaluation.logged_longform import LoggedLongform
from whisper_ft.evaluation.longform_tables import COLUMNS, format_cell
from whisper_ft.evaluation.samples import CONDITIONS
from whisper_ft.evaluation.scoring import SCORES, Scores
from whisper_ft.evaluation.tables import format_score
from whisper_ft.reporting.curves import Chart, charts
from whisper_ft.reporting.rows import ReportRow, report_rows
from whisper_ft.reporting.run_folder import (
    DAMAGE,
    RunFolder,
    read_run,
)
from whisper_ft.runtime.extras import describe_import_error
from whisper_ft.text.counts import format_count


@dataclass(frozen=True)
class Report:
    """The content of the page."""

    name: str
    settings: dict[str, str]
    charts: list[Chart]
    evaluations: tuple[LoggedEvaluation, ...]
    chosen: LoggedEvaluation | None  # the evaluation whose rows are shown
    best_step: int | None
    main_scores: list[str]  # names of the scores shown for each evaluation
    interpolation: LoggedInterpolation | None  # how best.pt was mixed
    longform: LoggedLongform | None  # the check of whole recordings
    longform_names: list[str]  # of the scores shown of it
    best_text: str  # what it is, in words; "" when it is no mixture
    meanings: dict[str, str]  # of the chosen evaluation's scores
    rows: list[ReportRow]
    n_samples: int  # rows of the chosen evaluation, shown or not


def write_report(folder: Path, out: Path, *, step: int | None, n_rows: int) -> str:
    """Write a run's page to `out`; return a line that describes it.

    Shows at most `n_rows` rows of the evaluation of this step, or of the best for None. Raises
    ValueError for a folder that holds no run or a damaged one, for an evaluation that it lacks,
    for an `out` that cannot be written, and when the extra `plot` is not installed.
    """
    template = _template()
    try:
        report = make_report(read_run(folder), step=step, n_rows=n_rows)
        html = template.render(
            format_cell=format_cell,
            **vars(report),
            conditions=CONDITIONS,
            format_score=format_score,
            format_best_score=format_best_score,
        )
    except DAMAGE as error:
        raise ValueError(
            f"{folder}: metrics.jsonl or samples.jsonl is damaged, or another version wrote it "
            f"({type(error).__name__}: {error}): restore it"
        ) from None
    try:
        out.write_text(html, encoding="utf-8")
    except OSError as error:
        reason = f"cannot be written ({error.strerror})"
        raise ValueError(f"{out}: {reason}: choose another path with --out") from None
    return f"{out}: {_summary(report)}, {out.stat().st_size / 1e6:.1f} MB"


def make_report(run: RunFolder, *, step: int | None, n_rows: int) -> Report:
    """Collect what the page shows of a run."""
    chosen, best = run.evaluation(step), run.best()
    samples = [] if chosen is None else run.samples(chosen.step)
    return Report(
        name=run.path.resolve().name,
        settings=_settings(run),
        charts=charts(run.steps, run.evaluations),
        evaluations=run.evaluations,
        chosen=chosen,
        best_step=None if best is None else best.step,
        main_scores=[
            name
            for name in SCORES
            if name in ("wer", "mended", "spoiled", "loss", run.settings.best_by)
        ],
        interpolation=run.interpolation,
        longform=run.longform,
        longform_names=[*COLUMNS],
        best_text=describe_interpolation(run.interpolation) if run.interpolation else "",
        meanings={} if chosen is None else _meanings(chosen.scores),
        rows=report_rows(samples, run, n_rows),
        n_samples=len(samples),
    )


def _summary(report: Report) -> str:
    of_step = f" of step {report.chosen.step}" if report.chosen else ""
    n_audio = sum(bool(row.audio) for row in report.rows)
    rows = f"{format_count(len(report.rows), 'row')}{of_step}, {n_audio} with audio"
    return f"{format_count(len(report.evaluations), 'evaluation')}, {rows}"


def _template() -> Any:
    try:
        import jinja2
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ValueError(f"report: {describe_import_error(error, 'plot')}") from None
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True).get_template(
        "page.html"
    )


def _meanings(scores: Scores) -> dict[str, str]:
    """Return the scores of which something was counted, and what they mean."""
    return {
        name: score.meaning
        for name, score in SCORES.items()
        if any(scores[condition][name].total for condition in CONDITIONS)
    }


def _settings(run: RunFolder) -> dict[str, str]:
    """Return the settings that a reader asks for first; of paths the last part alone."""
    settings = run.settings
    shown = {
        "model": Path(settings.model).name,
        "trained on": ", ".join(Path(path).name for path in settings.train),
        "evaluated on": ", ".join(Path(path).name for path in settings.dev),
        "prompts": settings.prompts,
        "best by": settings.best_by,
        "rows per step": settings.batch_size * settings.accumulate,
        "learning rate": settings.lr,
        "seed": settings.seed,
    }
    shown |= {name: run.versions.get(name) for name in ("whisper_ft", "torch")}
    return {name: str(value) for name, value in shown.items() if value not in (None, "")}
