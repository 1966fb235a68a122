"""Speech synthesizers: espeak-ng and flite as programs, and the package hibari-tts."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import tempfile
import threading
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import soxr
from whisper.audio import SAMPLE_RATE

from whisper_ft.data.audio import Samples, read_audio
from whisper_ft.runtime.extras import describe_import_error
from whisper_ft.runtime.problems import collect

MAX_SECONDS_OF_WORK = 120  # that a program may take for one text
WORDS_PER_MINUTE = 175  # of espeak-ng at its usual speed
# Voices of espeak-ng are made by rules; a variant gives each another throat. The rest are effects.
VARIANTS = ("", *(f"+m{n}" for n in range(1, 8)), *(f"+f{n}" for n in range(1, 6)))
ESPEAK_LANGUAGES = {"zh": "cmn", "no": "nb"}  # where its tags are not whisper's
# A clock that knows only the words of times, and the copy at 8 kHz of a voice that has 16 kHz.
FLITE_SKIPPED = {"awb_time", "kal"}
PLAIN_MARKS = str.maketrans("‘’“”–—", "''\"\"--")


class Voice(NamedTuple):
    """A voice of a synthesizer, by its names."""

    synthesizer: str
    name: str

    def __str__(self) -> str:
        return f"{self.synthesizer}/{self.name}"


class Synthesizer(Protocol):
    """Turns text into speech."""

    def find_voices(self, language: str) -> list[str]:
        """Return the voices for a language. Raises ValueError, with the remedy, if there is none.

        A voice is one that is installed: none is fetched.
        """

    def speak(self, text: str, voice: str, speed: float, seed: int) -> Samples:
        """Return speech, the same for the same arguments. Raises ValueError if that fails.

        `speed` is 1 for the voice's own.
        """


class EspeakNg:
    """The program espeak-ng: over a hundred languages, by rules."""

    def find_voices(self, language: str) -> list[str]:
        """Return each accent of a language with each variant."""
        _require_program("espeak-ng")
        code = ESPEAK_LANGUAGES.get(language, language)
        table = [line.split() for line in _run("espeak-ng", f"--voices={code}").splitlines()[1:]]
        accents = {
            tag: None  # a dict keeps their order
            for _, tag, _, _, file, *_ in (columns for columns in table if len(columns) >= 5)
            if tag.partition("-")[0] == code
            # MBROLA voices are other packages; these read romanised text only
            and not file.startswith("mb/")
            and "-Latn" not in file
        }
        if not accents:
            raise ValueError(f"espeak-ng has no voice for the language {language}")
        return [f"{accent}{variant}" for accent in accents for variant in VARIANTS]

    def speak(self, text: str, voice: str, speed: float, seed: int) -> Samples:
        """Return speech; nothing in it is drawn by chance."""
        rate = str(round(WORDS_PER_MINUTE * speed))
        text = text.replace("[[", "[ [")  # which begins phonemes
        options = ("-v", voice, "-s", rate, "-b", "1", "--stdin", "-w")  # -b 1: UTF-8
        return _speak_to_file("espeak-ng", *options, stdin=text)


class Flite:
    """The program flite: recorded voices, English only."""

    def find_voices(self, language: str) -> list[str]:
        """Return the voices that are built in."""
        _require_program("flite")
        if language != "en":
            raise ValueError("flite speaks English only")
        names = _run("flite", "-lv").partition(":")[2].split()
        voices = [name for name in names if name not in FLITE_SKIPPED]
        if not voices:
            raise ValueError("flite lists no voices (flite -lv)")
        return voices

    def speak(self, text: str, voice: str, speed: float, seed: int) -> Samples:
        """Return speech; nothing in it is drawn by chance."""
        text = _to_ascii(text)
        stretch = f"duration_stretch={1 / speed:.4f}"
        return _speak_to_file("flite", "-voice", voice, "--setf", stretch, "-t", text, "-o")


class Hibari:
    """The package hibari-tts: a neural network, English only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # its text analysis keeps state

    def find_voices(self, language: str) -> list[str]:
        """Return the voice in the package, and those that hibari fetched earlier."""
        try:
            voices = importlib.import_module("hibari.voices")
        except ImportError as error:
            raise ValueError(describe_import_error(error, "speak")) from None
        if language != "en":
            raise ValueError("hibari speaks English only")
        return [name for name in voices.VOICES if _has_hibari_voice(voices, name)]

    def speak(self, text: str, voice: str, speed: float, seed: int) -> Samples:
        """Return speech; the seed decides its noise."""
        with self._lock:
            model = _load_hibari(voice)
            samples = model(text.replace("](", "] ("), speed=speed, seed=seed)  # ]( begins phonemes
        if len(samples) == 0:
            raise ValueError("hibari makes no sound of it")
        resampled: Samples = soxr.resample(samples, model.sample_rate, SAMPLE_RATE)
        return resampled


SYNTHESIZERS: dict[str, Synthesizer] = {
    "espeak-ng": EspeakNg(),
    "flite": Flite(),
    "hibari": Hibari(),
}


def find_voices(language: str) -> tuple[list[Voice], list[str]]:
    """Return the voices that are installed for a language, and why a synthesizer has none.

    Raises ValueError if no synthesizer has one.
    """
    voices: list[Voice] = []
    reasons: list[str] = []
    for name, synthesizer in SYNTHESIZERS.items():
        with collect(reasons):
            voices += [Voice(name, voice) for voice in synthesizer.find_voices(language)]
    if not voices:
        raise ValueError("\n".join(["no synthesizer can speak:", *reasons]))
    return voices, reasons


def choose_voices(names: Sequence[str], language: str) -> list[Voice]:
    """Return the voices with these names, each SYNTHESIZER or SYNTHESIZER/VOICE.

    Raises ValueError with every name for which there is none, and what there is.
    """
    voices, problems = [], []
    for full_name in names:
        name, _, wanted = full_name.partition("/")
        if name not in SYNTHESIZERS:
            problems.append(f"{full_name}: name one of {', '.join(SYNTHESIZERS)}")
            continue
        try:
            found = SYNTHESIZERS[name].find_voices(language)
        except ValueError as error:
            problems.append(f"{full_name}: {error}")
            continue
        if wanted and wanted not in found:
            problems.append(f"{full_name}: not a voice that is installed: {', '.join(found)}")
        voices += [Voice(name, voice) for voice in found if wanted in ("", voice)]
    if problems:
        raise ValueError("\n".join(f"--voices: {problem}" for problem in problems))
    return list(dict.fromkeys(voices))


def _require_program(name: str) -> None:
    if shutil.which(name) is None:
        raise ValueError(
            f"{name} is not on the PATH: apt install {name}, or brew install {name} on a Mac"
        )


def _run(*command: str, stdin: str = "") -> str:
    """Return what a program prints. Raises ValueError if it fails."""
    try:
        done = subprocess.run(
            command, input=stdin.encode(), capture_output=True, timeout=MAX_SECONDS_OF_WORK
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"{command[0]} takes over {MAX_SECONDS_OF_WORK} s") from None
    except OSError as error:
        raise ValueError(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise ValueError(f"{command[0]} fails with status {done.returncode}: {said[-1]}")
    return done.stdout.decode(errors="replace")


def _speak_to_file(*command: str, stdin: str = "") -> Samples:
    """Run a program whose last argument is the audio file that it writes; return the speech."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        _run(*command, str(path), stdin=stdin)
        if not path.exists():
            raise ValueError(f"{command[0]} makes no sound of it")
        try:
            return read_audio(path)
        except ValueError as error:
            raise ValueError(f"{command[0]} writes audio that cannot be read: {error}") from None


def _to_ascii(text: str) -> str:
    """Return a text without accents. Raises ValueError for letters that ASCII lacks."""
    text = text.translate(PLAIN_MARKS)
    letters = unicodedata.normalize("NFKD", text)
    plain = "".join(letter for letter in letters if not unicodedata.combining(letter))
    if lacking := [letter for letter in plain if not letter.isascii()]:
        raise ValueError(f"flite reads ASCII only, not {lacking[0]!r}")
    return plain


def _has_hibari_voice(voices: Any, name: str) -> bool:
    try:
        voices.voice_path(name, download_missing=False)
    except FileNotFoundError:
        return False
    return True


@cache
def _load_hibari(voice: str) -> Any:
    return importlib.import_module("hibari").Hibari(voice=voice)
