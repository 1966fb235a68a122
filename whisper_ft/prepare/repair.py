"""Repair the texts of a manifest whose damage cannot be seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.row import Row
from whisper_ft.prepare.manifest_writer import ManifestRow, ManifestWriter, PrepareResult
from whisper_ft.text.damage import find_damage, repair_text


def repair_manifest(manifest: Path, out: Path) -> PrepareResult:
    """Write the manifest `out`: the rows of `manifest`, their texts without damage.

    Every repair is noted, and what cannot be repaired. Rows stay in their order. Raises ValueError
    for a manifest with problems.
    """
    read = read_manifest(manifest, language="")
    if read.problems:
        raise ValueError("\n".join(map(str, read.problems)))
    with ManifestWriter(out, manifest) as writer:
        for warning in read.warnings:
            writer.note(warning.place, warning.what)
        for row in read.rows:
            for field, text in _texts(row):
                place = f"{row.place}: {field}"
                damages = [*find_damage(text)]
                for damage in damages:
                    done = "repaired" if damage.is_repairable else "stays: write what is said"
                    writer.note(place, f"{damage.what}, such as {damage.example!a}: {done}")
                if not damages and repair_text(text) != text:
                    writer.note(place, "spaces at an end or in a row: now none or one")
            writer.add(ManifestRow.of(_repair(row)), row.place)
    return writer.result()


def _texts(row: Row) -> Iterator[tuple[str, str]]:
    """Yield the fields that hold text; those of segments are the text again."""
    yield "text", row.text
    yield "prompt", row.prompt
    yield from (("keywords", term) for term in row.keywords)


def _repair(row: Row) -> Row:
    return replace(
        row,
        text=repair_text(row.text),
        prompt=repair_text(row.prompt),
        keywords=tuple(filter(None, map(repair_text, row.keywords))),
        segments=tuple(s._replace(text=repair_text(s.text)) for s in row.segments),
    )
