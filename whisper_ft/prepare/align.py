"""Turn a long recording and its plain transcript, which has no times, into rows."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import whisper

from whisper_ft.data.audio import read_audio
from whisper_ft.data.audio_cache import probe_once
from whisper_ft.data.row import Row
from whisper_ft.data.segment_cache import SegmentCache, segment_key
from whisper_ft.models.loading import LoadedModel, load, vocabulary_from_dims
from whisper_ft.models.weights_hash import hash_weights
from whisper_ft.prepare.cue import Gap
from whisper_ft.prepare.cues import UsableCues
from whisper_ft.prepare.manifest_writer import ManifestRow, ManifestWriter, PrepareResult
from whisper_ft.prepare.timed_cues import cut_cues
from whisper_ft.prepare.timed_words import Stretch, TimedWord, find_stretches, split_heard
from whisper_ft.prepare.windows import cut_windows
from whisper_ft.runtime.devices import pick_device
from whisper_ft.runtime.files import find_file_problem
from whisper_ft.runtime.progress import LOGGER, progress_bar
from whisper_ft.text.alignment import Word, split_words
from whisper_ft.text.languages import check_language
from whisper_ft.text.tokens import Segment, is_unspaced

MIN_FOUND = 0.3  # of the shorter of text and transcript; below it they are not of one recording
MIN_GAP = 1.0  # seconds in which unheard words of the text may have been said
N_SHOWN = 8  # words of a doubtful stretch in its note


class PlainText(NamedTuple):
    """The words of a text file, and the number of the line of each."""

    words: list[Word]
    lines: list[int]


class _Doubt(NamedTuple):
    """Words of a text and of a transcript, and the time between, that do not agree."""

    first: int  # index of a word in the text
    end: int
    heard_first: int
    heard_end: int
    start_time: float  # seconds in the recording
    end_time: float


def align_recording(
    audio: Path,
    text: Path,
    out: Path,
    *,
    model: str,
    language: str = "en",
    seed: int = 0,
    device: str = "auto",
) -> PrepareResult:
    """Write `out/manifest.jsonl`, rows of at most 30 s, and notes of what is left out.

    `model` transcribes the recording, and its words' times become those of the text's words. The
    transcript is kept in `out/transcript.jsonl` and used again. Raises ValueError for files, a
    model and a language that cannot be used, and for a text that is not the recording's.
    """
    language = check_language(language)
    by_character = is_unspaced(language, "transcribe")
    plain = _read_text(text, by_character=by_character)
    try:
        duration = probe_once(audio).duration
    except ValueError as error:
        raise ValueError(f"{audio}: {error}") from None
    loaded = load(model, pick_device(device))
    vocabulary = vocabulary_from_dims(loaded.model.dims)
    if problem := vocabulary.language_problem(language):
        raise ValueError(f"--language: {problem}")
    with ManifestWriter(out / "manifest.jsonl", text) as writer:
        cache = SegmentCache(out / "transcript.jsonl")
        heard = split_heard(
            _transcribe_words(loaded, audio, language, cache), by_character=by_character
        )
        stretches = find_stretches(plain.words, heard)
        _check_found(stretches, plain, heard, audio, text)
        doubts = list(_find_doubts(stretches, len(plain.words), heard, duration))
        for doubt in doubts:
            place = f"{text}:{plain.lines[min(doubt.first, len(plain.lines) - 1)]}"
            writer.note(place, _describe(doubt, plain.words, heard))
        cues = [cue for stretch in stretches for cue in cut_cues(stretch.words, str(text))]
        gaps = [
            Gap(doubt.start_time, doubt.end_time)
            for doubt in doubts
            if doubt.end_time - doubt.start_time >= MIN_GAP or doubt.heard_end > doubt.heard_first
        ]
        usable = UsableCues(cues, gaps)
        rng = random.Random(f"windows {seed} {audio.stem}")
        for window in cut_windows(usable, duration, rng, vocabulary.tokenizer(language=language)):
            row = ManifestRow(
                audio=audio,
                text=window.text,
                segments=window.segments,
                start=window.start,
                end=window.end,
                language=language,
                # windows on the two sides of a gap must not be each other's previous text
                recording=f"{audio.stem}#{window.section + 1}" if window.section else audio.stem,
            )
            writer.add(row, str(text))
    return writer.result()


def _read_text(path: Path, *, by_character: bool) -> PlainText:
    """Read a plain text. Raises ValueError for another file and for a text without words."""
    if problem := find_file_problem(path):
        raise ValueError(f"{path}: {problem}: give the recording's text")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 ({error}): convert it to UTF-8") from None
    plain = PlainText([], [])
    for number, line in enumerate(lines, start=1):
        words = split_words(line, by_character=by_character)
        plain.words.extend(words)
        plain.lines.extend([number] * len(words))
    if not plain.words:
        raise ValueError(f"{path}: holds no words: give the text of what is said")
    return plain


def _transcribe_words(
    loaded: LoadedModel, audio: Path, language: str, cache: SegmentCache
) -> Sequence[Segment]:
    """Return the words that a model hears in a recording, each as a segment with its times."""
    if loaded.alignment_heads is None:
        LOGGER.warning(
            "the model has no alignment heads: the times of words are less exact: give an official "
            "name, or a run's best.pt, which keeps them"
        )
    row = Row(audio, "", language=language)
    key = segment_key(row, hash_weights(loaded.model), str(loaded.alignment_heads), "words")
    known = cache.get(key)
    if known is not None:
        return known
    samples = read_audio(audio)
    LOGGER.info(f"transcribing {len(samples) / 16000 / 60:.1f} minutes of {audio.name}")
    bar_is_hidden = progress_bar(None, hidden=False).disable
    output = whisper.transcribe(
        loaded.model,
        samples,
        language=language,
        word_timestamps=True,
        condition_on_previous_text=False,  # a loop ends with its window
        temperature=0.0,  # no chance: the same words again
        fp16=loaded.model.device.type == "cuda",
        verbose=None if bar_is_hidden else False,  # False: whisper's own bar
    )
    words = tuple(
        Segment(round(float(word["start"]), 2), round(float(word["end"]), 2), word["word"])
        for segment in output["segments"]
        for word in segment["words"]
    )
    cache.add({key: words})
    return words


def _check_found(
    stretches: Sequence[Stretch],
    plain: PlainText,
    heard: Sequence[TimedWord],
    audio: Path,
    text: Path,
) -> None:
    """Raise ValueError if too little of a text was heard for it to be the recording's."""
    n_found = sum(len(stretch.words) for stretch in stretches)
    shorter = min(len(plain.words), len(heard))
    if n_found < MIN_FOUND * shorter or not n_found:
        example = " ".join(timed.word.core for timed in heard[:N_SHOWN]) or "nothing"
        raise ValueError(
            f"{text}: only {n_found} of its {len(plain.words)} words were heard in {audio} "
            f"(it begins: {example!r}): is it the text of this recording, and is --language right?"
        )


def _find_doubts(
    stretches: Sequence[Stretch], n_words: int, heard: Sequence[TimedWord], duration: float
) -> Iterator[_Doubt]:
    """Yield what lies between the stretches, before the first and after the last."""
    before = Stretch([], 0, 0, 0)
    after = Stretch([], n_words, len(heard), len(heard))
    for previous, following in pairwise([before, *stretches, after]):
        start_time = previous.words[-1].end if previous.words else 0.0
        end_time = following.words[0].start if following.words else duration
        doubt = _Doubt(
            previous.end,
            following.first,
            previous.heard_end,
            following.heard_first,
            start_time,
            max(start_time, end_time),
        )
        if doubt.end > doubt.first or doubt.heard_end > doubt.heard_first:
            yield doubt


def _describe(doubt: _Doubt, words: Sequence[Word], heard: Sequence[TimedWord]) -> str:
    """Return a note on a stretch that is left out."""
    own = [word.core for word in words[doubt.first : doubt.end]]
    other = [timed.word.core for timed in heard[doubt.heard_first : doubt.heard_end]]
    where = f"{doubt.start_time:.1f} to {doubt.end_time:.1f} s"
    return f"{where}: the text has {_quote(own)}, heard was {_quote(other)}: left out"


def _quote(words: Sequence[str]) -> str:
    if not words:
        return "nothing"
    shown = " ".join(words[:N_SHOWN]).replace("'", "’")  # quotes end at an apostrophe
    return f"'{shown}'" if len(words) <= N_SHOWN else f"'{shown} ...' ({len(words)} words)"
