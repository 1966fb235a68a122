"""The sample corpus keeps the rules that make its figures mean something."""

import json
import re
from pathlib import Path

import pytest

from whisper_ft.data.manifest import read_manifest
from whisper_ft.evaluation.conditions import evaluation_rows

DATA = Path(__file__).parents[2] / "data"
INVENTORY = json.loads((DATA / "names.json").read_text(encoding="utf-8"))
ROWS = {split: read_manifest(DATA / f"{split}.jsonl").rows for split in ("train", "dev", "test")}
SETS = {
    split: [set(e["spellings"]) for kind in ("given", "surname", "product") for e in sets[kind]]
    for split, sets in INVENTORY.items()
}


def words(text):
    return set(re.findall(r"\w+", text))


def rivals(split, row):
    """Other spellings of the row's own names."""
    return {
        s for spellings in SETS[split] if spellings & set(row.keywords) for s in spellings
    } - set(row.keywords)


def test_it_is_small_and_has_the_rows_it_promises():
    assert {split: len(rows) for split, rows in ROWS.items()} == {
        "train": 400,
        "dev": 80,
        "test": 80,
    }
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 8e6


@pytest.mark.parametrize("split", ["dev", "test"])
def test_dev_and_test_have_names_sentences_and_voices_that_train_never_saw(split):
    seen = set().union(*(words(row.text) | words(row.prompt) for row in ROWS["train"]))
    assert not seen & set().union(*SETS[split])
    assert not {row.speaker for row in ROWS[split]} & {row.speaker for row in ROWS["train"]}
    assert not set(INVENTORY[split]["carriers"]) & set(INVENTORY["train"]["carriers"])


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_a_prompt_holds_the_right_spellings_among_10_to_20_others_and_no_rival(split):
    for row in ROWS[split]:
        assert set(row.keywords) <= words(row.prompt)
        entries = row.prompt.rstrip(".").split(", ")
        n_right = sum(bool(words(entry) & set(row.keywords)) for entry in entries)
        assert 10 <= len(entries) - n_right <= 20
        assert not rivals(split, row) & words(row.prompt)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_no_wrong_prompt_holds_a_rival_or_a_right_spelling(split):
    chosen = evaluation_rows(ROWS[split], seed=0)
    for row, wrong in zip(chosen.rows, chosen.wrong_prompts, strict=True):
        assert wrong is not None
        assert not (rivals(split, row) | set(row.keywords)) & words(wrong)


def test_in_train_a_sound_has_several_spellings_so_that_only_the_prompt_tells():
    said = set().union(*(row.keywords for row in ROWS["train"]))
    several = sum(len(spellings & said) > 1 for spellings in SETS["train"])
    assert several > 0.9 * len(SETS["train"])
