"""Rows, and manifests of a few short recordings."""

import json
from pathlib import Path

import soundfile

from helpers.audio import tone
from whisper_ft.data.row import Row

NAMES = [f"Name{chr(65 + i)}{chr(97 + j)}" for i in range(10) for j in range(10)]
NAMED_ROWS = [Row(None, f"Call {name} now.", keywords=(name,)) for name in NAMES]  # type: ignore[arg-type]


def row(text="Hello.", **fields) -> Row:
    """Return a row, by default without audio."""
    return Row(fields.pop("audio", None), text, **fields)


def write_manifest(path: Path, rows: list[dict]) -> Path:
    """Write rows as JSON Lines and return the path."""
    path.write_text("".join(json.dumps(fields) + "\n" for fields in rows), encoding="utf-8")
    return path


def write_corpus(folder: Path, prompts: bool = True, n_dev: int = 2) -> tuple[Path, Path]:
    """Write (train, dev) manifests of one-second tones with keywords, every other with a prompt."""
    rows = []
    names = ["Kathryn", "Smyth", "Zalvexo", "Reid", "Geoff", "Mohr", "Neill", *NAMES]
    for i, name in enumerate(names[: 5 + n_dev]):
        soundfile.write(folder / f"{i}.wav", tone(1.0, hertz=200 + 50 * i), 16000)
        rows.append({"audio": f"{i}.wav", "text": f"Call {name} now.", "keywords": [name]})
        if prompts and i % 2:
            rows[-1]["prompt"] = f"{name}, Vandel."
    train = write_manifest(folder / "train.jsonl", rows[:5])
    return train, write_manifest(folder / "dev.jsonl", rows[5:])
