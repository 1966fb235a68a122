"""Make rows of synthetic speech, in which terms can be heard that nobody has said yet."""

from __future__ import annotations

import hashlib
import os
import random
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from whisper.audio import SAMPLE_RATE

from whisper_ft.data.audio import Samples, read_audio
from whisper_ft.data.augmentation import audio_files, audio_folder_problems
from whisper_ft.data.row import MAX_SECONDS
from whisper_ft.prepare.manifest_writer import ManifestRow, ManifestWriter, PrepareResult
from whisper_ft.prepare.rooms import draw_room, place_in_room, without_delay
from whisper_ft.prepare.spoken_texts import SpokenText, SpokenTexts, read_texts
from whisper_ft.prepare.synthesizers import SYNTHESIZERS, Voice, choose_voices, find_voices
from whisper_ft.prepare.term_prompts import draw_prompt
from whisper_ft.runtime.progress import LOGGER, progress_bar
from whisper_ft.text.counts import format_count
from whisper_ft.text.languages import check_language

MIN_SPEED, MAX_SPEED = 0.85, 1.2  # of a voice's own
PEAK = 0.5  # of the loudest sample, so that voices are about equally loud
END = 0.25  # seconds of silence after the words, for the room's sound
MAX_LETTERS_PER_SECOND = 45  # quick speech has 20; a voice that says more has skipped something


class Take(NamedTuple):
    """A text that a voice is to speak."""

    spoken: SpokenText
    prompt: str
    voice: Voice
    speed: float
    seed: int  # of what else is drawn: the room, and a neural voice's noise

    def file_name(self, rooms: str) -> str:
        """Return a name that no other audio has: a manifest of before keeps what it points to."""
        key = repr((self.spoken.text, str(self.voice), self.speed, self.seed, rooms))
        return f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.flac"


class Heard(NamedTuple):
    """The outcome of a take."""

    path: Path | None  # of the audio file; None if there is none
    seconds: float
    problem: str = ""  # why not


@dataclass(frozen=True)
class Rooms:
    """The rooms that speech is placed in."""

    share: float  # of the rows
    folder: str = ""  # of impulse responses; "": they are drawn
    responses: tuple[Samples, ...] = ()

    def place(self, samples: Samples, rng: random.Random) -> Samples:
        """Return samples in a room, or as they are."""
        if rng.random() >= self.share:
            return samples
        response = rng.choice(self.responses) if self.responses else draw_room(rng)
        return place_in_room(samples, response)


def prepare_speak(
    paths: Sequence[Path],
    out: Path,
    *,
    terms: Sequence[Path] = (),
    carriers: Path | None = None,
    language: str = "en",
    voices: Sequence[str] = (),
    takes: int = 4,
    room_share: float = 0.5,
    reverb: str = "",
    seed: int = 0,
) -> PrepareResult:
    """Write `out/manifest.jsonl`, its notes and `out/audio`: texts spoken by synthetic voices.

    `paths` and `terms` are as in `read_texts`, `voices` as in `choose_voices` (none: all that are
    installed). Each text is spoken `takes` times. Raises ValueError, before anything is spoken, for
    files that cannot be used and for missing voices; and if no row results.
    """
    language = check_language(language)
    texts = read_texts(paths, terms, carriers, language)
    rooms = Rooms(room_share, reverb, _read_responses(reverb))
    chosen = choose_voices(voices, language) if voices else _all_voices(language)
    names = sorted({voice.synthesizer for voice in chosen})
    LOGGER.info(
        f"{_count_sources(texts)}, {format_count(takes, 'take')} each, by "
        f"{format_count(len(chosen), 'voice')} of {', '.join(names)}"
    )
    drawn = list(_draw_takes(texts, chosen, takes, language, seed))
    with ManifestWriter(out / "manifest.jsonl") as writer:
        for take, heard in _speak_all(drawn, rooms, out / "audio"):
            if heard.path is None:
                writer.note(f"{take.voice}: {take.spoken.text!r}", heard.problem)
            else:
                writer.add(_row(take, heard.path, heard.seconds, language), take.spoken.text)
    result = writer.result()
    if not result.n_rows:
        raise ValueError(f"{result.summary()}: no voice could speak any of this")
    return result


def _all_voices(language: str) -> list[Voice]:
    voices, reasons = find_voices(language)
    for reason in reasons:
        LOGGER.warning(f"going on without a synthesizer: {reason}")
    return voices


def _read_responses(folder: str) -> tuple[Samples, ...]:
    """Read a folder of impulse responses. Raises ValueError for one that cannot be used."""
    if not folder:
        return ()
    if problems := audio_folder_problems(folder):
        raise ValueError("\n".join(f"--reverb: {problem}" for problem in problems))
    return tuple(without_delay(read_audio(path)) for path in audio_files(folder))


def _draw_takes(
    texts: SpokenTexts, voices: Sequence[Voice], n_takes: int, language: str, seed: int
) -> Iterator[Take]:
    """Yield the takes of each text; they do not depend on the other texts, but for the prompts.

    The takes of a text have different synthesizers and carriers as far as there are.
    """
    by_synthesizer = {v.synthesizer: [w for w in voices if w[0] == v[0]] for v in voices}
    is_word = _words(texts).__contains__
    for source in texts.sources:
        rng = random.Random(f"speak {seed} {source.line}")
        synthesizers = rng.sample(sorted(by_synthesizer), len(by_synthesizer))
        forms = rng.sample(source.forms, len(source.forms))
        for take in range(n_takes):
            spoken = texts.write_out(source, forms[take % len(forms)])
            take_seed = rng.getrandbits(32)
            prompt_rng = random.Random(f"prompt {take_seed}")
            yield Take(
                spoken,
                draw_prompt(*spoken, texts.terms, language, prompt_rng, is_word),
                rng.choice(by_synthesizer[synthesizers[take % len(synthesizers)]]),
                rng.uniform(MIN_SPEED, MAX_SPEED),
                take_seed,
            )


def _count_sources(texts: SpokenTexts) -> str:
    """Return how many terms are placed in carriers, and how many sentences there are."""
    n_terms = sum(source.line not in source.forms for source in texts.sources)
    n_sentences = len(texts.sources) - n_terms
    terms, sentences = format_count(n_terms, "term"), format_count(n_sentences, "sentence")
    return " and ".join([f"{terms} in carriers"] * bool(n_terms) + [sentences] * bool(n_sentences))


def _words(texts: SpokenTexts) -> set[str]:
    """Return all words in lower case: a lookalike is none of them."""
    written = (*texts.terms, *(form for source in texts.sources for form in source.forms))
    return {word for text in written for word in re.findall(r"\w+", text.casefold())}


def _row(take: Take, path: Path, seconds: float, language: str) -> ManifestRow:
    return ManifestRow(
        audio=path,
        text=take.spoken.text,
        prompt=take.prompt,
        keywords=take.spoken.keywords,
        duration=round(seconds, 3),
        language=language,
        speaker=str(take.voice),
    )


def _speak_all(takes: Sequence[Take], rooms: Rooms, folder: Path) -> Iterator[tuple[Take, Heard]]:
    """Write the audio files of takes into a folder, and yield them in order."""
    folder.mkdir(parents=True, exist_ok=True)
    # threads: programs of their own and numpy do the work
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        heard = pool.map(lambda take: _speak(take, rooms, folder), takes)
        yield from zip(takes, progress_bar(heard, "spoken", total=len(takes)), strict=True)


def _speak(take: Take, rooms: Rooms, folder: Path) -> Heard:
    """Write the audio file of a take into a folder."""
    synthesizer = SYNTHESIZERS[take.voice.synthesizer]
    text = take.spoken.text
    try:
        samples = synthesizer.speak(text, take.voice.name, take.speed, take.seed)
    except ValueError as error:
        return Heard(None, 0.0, f"{error}: left out")
    seconds = len(samples) / SAMPLE_RATE
    if problem := _problem(samples, seconds, text):
        return Heard(None, seconds, f"{problem}: left out")
    samples = np.pad(samples, (0, round(END * SAMPLE_RATE)))
    samples = rooms.place(samples, random.Random(f"room {take.seed}"))
    samples *= PEAK / np.abs(samples).max()
    path = folder / take.file_name(f"{rooms.share} {rooms.folder}")
    soundfile.write(path, samples, SAMPLE_RATE)
    return Heard(path, len(samples) / SAMPLE_RATE)


def _problem(samples: Samples, seconds: float, text: str) -> str:
    """Return what is wrong with the speech of a text, "" if nothing is."""
    if not samples.any():
        return "silence"
    if seconds + END > MAX_SECONDS:
        return f"{seconds:.1f} s of speech, and a row has at most {MAX_SECONDS:.0f} s: shorten it"
    if len(text) > seconds * MAX_LETTERS_PER_SECOND:
        return f"{len(text)} letters in {seconds:.1f} s of speech: the voice skips some of them"
    return ""
