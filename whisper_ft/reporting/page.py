"""A run as one HTML file for a person: curves, scores, and rows to read and hear."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile
from whisper.audio import SAMPLE_RATE

from whisper_ft.data.dataset import RowError, read_row_audio
from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.row import Row
from whisper_ft.evaluation.highlighting import Piece, pieces
from whisper_ft.evaluation.samples import CONDITIONS, Sample
from whisper_ft.evaluation.scoring import SCORES, row_count
from whisper_ft.evaluation.tables import format_score
from whisper_ft.reporting.curves import charts
from whisper_ft.runtime.files import fingerprint, read_json_lines
from whisper_ft.text.tokens import is_unspaced

OPUS_QUALITY = 0.9  # of libsndfile's compression, 0 to 1: about 3 kB a second of speech


# What a log or config.json raises that is not as a run wrote it.
_ODD = (
    *(KeyError, TypeError, AttributeError, UnicodeDecodeError, json.JSONDecodeError),
    *(OverflowError, RecursionError),
)


@dataclass(frozen=True)
class ShownRow:
    """What the page tells of a row; its words and sound are made only of rows that are shown."""

    sample: Sample
    errors: dict[str, int]  # word errors by condition, of those that were decoded

    @property
    def pieces(self) -> dict[str, list[Piece]]:
        """Each output beside the reference, by condition."""
        return {condition: pieces(self.sample, condition) for condition in self.errors}

    @property
    def space(self) -> str:
        """Between words."""
        return "" if is_unspaced(self.sample["language"], self.sample["task"]) else " "

    @property
    def helped(self) -> int:
        """Word errors that the right prompt saves."""
        return self.errors["none"] - self.errors["right"]

    @property
    def harmed(self) -> int:
        """Word errors that the wrong prompt costs."""
        return self.errors.get("wrong", self.errors["none"]) - self.errors["none"]


def write_report(folder: Path, out: Path, *, step: int | None, n_rows: int) -> str:
    """Write a run's page and tell what is in it.

    Raises ValueError for a folder that holds no run, an evaluation that it lacks, and where the
    extra `plot` is not installed.
    """
    page = _template()
    try:
        html, summary = _page(page, folder, step, n_rows)
    except _ODD as error:
        raise ValueError(
            f"{folder}: config.json, metrics.jsonl or samples.jsonl is damaged, or of another "
            f"version ({type(error).__name__}: {error}): restore it"
        ) from None
    out.write_text(html, encoding="utf-8")
    return f"{out}: {summary}, {out.stat().st_size / 1e6:.1f} MB"


def _page(page: Any, folder: Path, step: int | None, n_rows: int) -> tuple[str, str]:
    """(HTML, what is in it)."""
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"{folder}: holds no run (no config.json): give the folder that --out named"
        )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    log = list(read_json_lines(folder / "metrics.jsonl"))
    evaluations = [line for line in log if line["kind"] == "evaluation"]
    chosen = _chosen(folder, evaluations, step)
    written = read_json_lines(folder / "samples.jsonl")
    samples = [s for s in written if chosen is not None and s["step"] == chosen["step"]]
    rows, manifest_rows = _by_change(samples)[:n_rows], _manifest_rows(config)
    sounds = [sound(manifest_rows.get(row.sample["place"])) for row in rows]
    best = [line["step"] for line in evaluations if line.get("best")]
    html = page.render(
        name=folder.resolve().name,
        settings=_told(config),
        charts=charts(log),
        evaluations=evaluations,
        chosen=chosen,
        best=best[-1] if best else None,
        chosen_by=[n for n in SCORES if n in ("wer", config["settings"].get("best_by"))],
        rows=list(zip(rows, sounds, strict=True)),
        n_samples=len(samples),
        conditions=CONDITIONS,
        counted={} if chosen is None else _counted(chosen["scores"]),
        format_score=format_score,
    )
    of_step = f" of step {chosen['step']}" if chosen else ""
    shown_rows = f"{len(rows)} rows{of_step}, {sum(map(bool, sounds))} with sound"
    return html, f"{len(evaluations)} evaluations, {shown_rows}"


def _template() -> Any:
    try:
        import jinja2
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ValueError(f"report needs {error.name}: pip install 'whisper-ft[plot]'") from None
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True).get_template(
        "page.html"
    )


def _chosen(
    folder: Path, evaluations: Sequence[dict[str, Any]], step: int | None
) -> dict[str, Any] | None:
    """The evaluation whose rows are shown: the one asked for, else the best, else the last."""
    if step is None:
        best = [line for line in evaluations if line.get("best")]
        return next(reversed(best or evaluations), None)
    for line in evaluations:
        if line["step"] == step:
            return line
    there = " ".join(str(line["step"]) for line in evaluations) or "none"
    raise ValueError(f"--step: {step}: {folder} has no evaluation of it: it has those of {there}")


def _counted(scores: dict[str, Any]) -> dict[str, str]:
    """The scores of which something was counted, and what they mean."""
    return {
        name: score.meaning
        for name, score in SCORES.items()
        if any(name in scores[c] and scores[c][name]["total"] for c in CONDITIONS)
    }


def _told(config: dict[str, Any]) -> dict[str, str]:
    """Settings that a reader asks for first; of paths the last part alone."""
    settings = config["settings"]
    told = {
        "model": Path(settings["model"]).name,
        "trained on": ", ".join(Path(path).name for path in settings["train"]),
        "dev rows of": ", ".join(Path(path).name for path in settings["dev"]),
        "prompts": settings["prompts"],
        "best by": settings.get("best_by"),
        "rows a step": settings["batch_size"] * settings["accumulate"],
        "learning rate": settings["lr"],
        "seed": settings["seed"],
    }
    told |= {name: config["versions"].get(name) for name in ("whisper_ft", "torch")}
    return {name: str(value) for name, value in told.items() if value not in (None, "")}


# ---- rows


def _by_change(samples: Sequence[Sample]) -> list[ShownRow]:
    """Rows, those that the prompt changed most first."""
    rows = [
        ShownRow(
            sample,
            {
                condition: int(row_count(sample, condition, "wer", set()).part)
                for condition in CONDITIONS
                if sample["output"][condition] is not None
            },
        )
        for sample in samples
    ]
    return sorted(rows, key=lambda row: (-abs(row.helped), -abs(row.harmed), row.sample["number"]))


def _manifest_rows(config: dict[str, Any]) -> dict[str, Row]:
    """Rows of the dev manifests by place, of those that are as they were in the run."""
    settings, known = config["settings"], config["manifests"]
    options = {"language": settings["language"], "task": settings["task"]}
    return {
        row.place: row
        for path in settings["dev"]
        if Path(path).is_file() and fingerprint(path).to_json() == known.get(path)
        for row in read_manifest(path, **options).rows
    }


def sound(row: Row | None) -> str:
    """A row's audio as a data URI of Ogg Opus; "" where it is gone."""
    if row is None:
        return ""
    try:
        samples, _ = read_row_audio(row, timestamps=True)
    except RowError:
        return ""
    file = io.BytesIO()
    soundfile.write(
        file,
        samples,
        SAMPLE_RATE,
        format="OGG",
        subtype="OPUS",
        compression_level=OPUS_QUALITY,
    )
    return "data:audio/ogg;base64," + base64.b64encode(file.getvalue()).decode()
