"""Give a corpus without case and punctuation those of a model's own transcripts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.row import Row
from whisper_ft.data.segment_cache import SegmentCache
from whisper_ft.models.loading import load, try_load_vocabulary
from whisper_ft.prepare.manifest_writer import ManifestRow, ManifestWriter, PrepareResult
from whisper_ft.prepare.restored_row import is_finished, restore_row, split_row_text
from whisper_ft.prepare.restored_words import learn_casing
from whisper_ft.prepare.transcripts import RowTranscript, transcribe_rows
from whisper_ft.runtime.devices import pick_device


def restore_manifest(
    manifest: Path,
    out: Path,
    *,
    model: str,
    prompt: str = "",
    language: str = "en",
    device: str = "auto",
) -> PrepareResult:
    """Write the manifest `out`: the rows of `manifest` with case, punctuation and segments.

    `model` is an official name or a checkpoint, and `prompt` what it reads before each row. Its
    transcripts are kept in `OUT.transcripts.jsonl` and used again when an interrupted call is
    repeated. Rows that cannot be restored are written as they are, with a note. Raises ValueError
    for files, a model and languages that cannot be used.
    """
    rows = _read_rows(manifest, model, language)
    unfinished = [row for row in rows if row.text.strip() and not is_finished(row)]
    if not unfinished:
        raise ValueError(f"{manifest}: every row has case, punctuation and segments: use it as is")
    with ManifestWriter(out, manifest) as writer:
        cache = SegmentCache(out.with_name(out.name + ".transcripts.jsonl"))
        loaded = load(model, pick_device(device))
        heard = dict(
            zip(
                [row.place for row in unfinished],
                transcribe_rows(loaded.model, unfinished, cache, prompt),
                strict=True,
            )
        )
        casing = learn_casing(
            split_row_text(row, " ".join(s.text for s in heard[row.place].segments))
            for row in unfinished
        )
        n_restored = 0
        for row in rows:
            transcript = heard.get(row.place)
            if transcript is not None:
                row, problem = _restore(row, transcript, casing)
                if problem:
                    writer.note(row.place, f"{problem}: the row stays as it is")
                n_restored += not problem
            writer.add(ManifestRow.of(row), row.place)
        if not n_restored:
            notes = "\n".join(writer.result().describe_notes())
            raise ValueError(
                f"{notes}\n{manifest}: no row could be restored, so {out} is not written: is "
                "--language right, and are the audio files those of the texts?"
            )
    return writer.result()


def _read_rows(manifest: Path, model: str, language: str) -> Sequence[Row]:
    """Return a manifest's rows. Raises ValueError with everything that is wrong."""
    read = read_manifest(manifest, language=language)
    problems = [str(problem) for problem in read.problems]
    vocabulary, model_problems = try_load_vocabulary(model)
    problems += [f"--model: {problem}" for problem in model_problems]
    if vocabulary is not None:
        for code in sorted({row.language for row in read.rows}):
            if what := vocabulary.language_problem(code):
                problems.append(f"{manifest}: language: {what}")
    if problems:
        raise ValueError("\n".join(problems))
    return read.rows


def _restore(row: Row, transcript: RowTranscript, casing: dict[str, str]) -> tuple[Row, str]:
    if transcript.problem:
        return row, transcript.problem
    restored = restore_row(row, transcript.segments, casing)
    return restored.row, restored.problem
