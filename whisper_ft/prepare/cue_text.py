"""Separate the words of a cue from sound notes, speaker labels and dialogue dashes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import regex

from whisper_ft.text.terms import SPACELESS

# Every pattern is bounded or excludes its own delimiters: a malicious file must not make it slow.
BRACKETED = r"\[[^\]]{0,300}\]|【[^】]{0,300}】|［[^］]{0,300}］|〔[^〕]{0,300}〕"
SOUND_NOTE = regex.compile(
    rf"{BRACKETED}|(?<!\S)\*[^*\d]+\*(?!\w)|\([^()]*\)|（[^（）]*）|[～~]{{0,3}}[♩♪♫♬🎵🎶]+[～~]{{0,3}}"
    # number signs around a song's line, or alone; not those of "number # 1" and "# 1"
    r"|^[^\S\n]*#+(?=[^\S\n]+[^\d\s]|[^\S\n]*$)|(?<=\s)#+(?=[^\S\n]*$)",
    regex.M,
)
MAX_NOTE_WORDS = 4  # of a sound note in parentheses or between asterisks, which may also be speech
MAX_NOTE_CHARACTERS = 8  # the same, in scripts without spaces
SOUND = regex.compile(
    r"\b(?:musi[ckq]\w*|músic\w*|applau\w*|laugh\w*|chuckl\w*|giggl\w*|sigh\w*|cough\w*"
    r"|sneez\w*|breath\w*|gasp\w*|groan\w*|silence|pauses?|cheer\w*|clap\w*|doors?|phones?"
    r"|ring\w*|bells?|beep\w*|buzz\w*|wind|rain|thunder|knock\w*|footsteps?|bark\w*|engines?"
    r"|sirens?|guns?|gunshots?|shots?|explosions?|birds?|nois\w*|static|click\w*|bang\w*|crash\w*"
    r"|whistl\w*|water|slam\w*)\b"
    r"|[掌鼓拍]声|掌聲|笑|音[乐樂楽]|拍手|鼓掌|[歓欢歡]声|欢呼|歡呼|[叹嘆]|ため息|咳|哭|泣|噪音|雑音|ベル"
    r"|足音|박수|웃음|음악|한숨"
    r"|\b(?:risas?|rires?|risate|gelächter|lach\w*|applaus\w*|aplausos|musik|musique|música|musica"
    r"|suspir\w*|soupir\w*|seufz\w*|tosse|смех\w*|смеётся|музыка|аплодисменты|вздыхает)\b"
    r"|ضحك|تصفيق|موسيقى",
    regex.I,
)
UNTRANSCRIBED = regex.compile(
    r"\b(?:inaudible|unintelligible|indistinct\w*|crosstalk|foreign|speaks?|speaking|chatter\w*"
    r"|bleep\w*|expletives?|profanity|censored|redacted|swears?|swearing|curs(?:es|ing))\b"
    r"|\b(?:unverständlich|unklar|inintelligible|indistinct|ininteligible|incomprensib\w+|inaudível"
    r"|неразборчиво|niezrozumiał\w*|niesłyszaln\w*|onverstaanbaar|spricht|parle\w*|habla\w*|parla\w*"
    r"|fala\w*|говор\w+)\b|听不清|聽不清|聞き取れ|不明",
    regex.I,
)
# A word that was said and is not written: [ __ ], [...], ****, f**k, sh**; not **bold**.
MASKED = regex.compile(
    r"\[[\s_*.…–—-]*\]|(?<!\w)__+(?!\w)|(?<![\w*])\*{3,}(?![\w*])|[^\W\d_]\*{2,}[^\W\d_]"
    r"|(?<!\*{2}[^*\n]{0,60})[^\W\d_]\*{2,}(?![\w*]|\s*\d)"
)
SPACELESS_CHARACTER = regex.compile(rf"[{SPACELESS}\u3000-\u303f\uff00-\uff60]")  # and marks
DIRECTION = "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks of right and left
DIALOGUE_DASH = regex.compile(rf"^[\s{DIRECTION}]*(?:(?:[-–—](?!\d)|>>+)\s*)+")  # not of -40
SPEAKER = r"(?:speaker|spk)[ _-]?\w{1,3}"
BRACKETED_LABEL = regex.compile(
    rf"^[^\S\n]*(?:(?:{BRACKETED})[^\S\n]*[:：]|\[{SPEAKER}\]|\({SPEAKER}\)[^\S\n]*:?)",
    regex.I | regex.M,
)
NUMBERED_LABEL = regex.compile(rf"^{SPEAKER}:\s+(?=\D)", regex.I)
CAPITALS_LABEL = regex.compile(
    r"^\p{Lu}[\p{Lu}\p{M}0-9.'’/-]*(?: [\p{Lu}\p{M}0-9.'’#/-]+){0,2}"
    r"(?: \([^()]{1,20}\))? {0,2}[:：]\s+(?=\D)"
)
NAME = r"\p{Lu}[\p{L}\p{M}.'’-]*"
NAME_LABEL = regex.compile(  # in any case, or in a script without case
    rf"^(?:{NAME}(?: {NAME}){{0,2}}(?: \([^()]{{1,20}}\))? {{0,2}}[:：]\s+"
    r"|[\p{Han}\p{Hiragana}\p{Katakana}]{1,8}[:：]\s*)(?=\S)"
)
SAID_NUMBER = regex.compile(r"\d{1,2}|\d{4}")  # alone in brackets: a year, a few dollars
MIN_LABELS = 3  # lines of a file that begin with a name, if names there are speakers
MIN_CAPITALS_RATE = 0.02  # of its cues
MIN_NAMES_RATE = 0.3


class CueText(NamedTuple):
    """The words of a cue and what is none of them."""

    words: str
    sound_notes: Sequence[str] = ()
    labels: Sequence[str] = ()  # of speakers, and dashes of dialogue
    insertions: Sequence[str] = ()  # bracketed words, kept without the brackets
    is_masked: bool = False  # a word was said and is not written

    @property
    def has_untranscribed_speech(self) -> bool:
        """Whether speech has no words here: masked, told by a note, or by an unknown note alone."""
        if self.is_masked or any(UNTRANSCRIBED.search(note) for note in self.sound_notes):
            return True
        return not self.words and not all(
            SOUND.search(note) or not any(map(str.isalpha, note)) for note in self.sound_notes
        )


def find_speaker_label(texts: Sequence[str]) -> regex.Pattern[str] | None:
    """Return how a file's lines begin with the names of speakers, if that is its habit.

    In a file that has few such lines, as in "NASA: we have lift-off", they are words: None.
    """
    for label, rate in ((NAME_LABEL, MIN_NAMES_RATE), (CAPITALS_LABEL, MIN_CAPITALS_RATE)):
        n_labels = sum(
            any(label.match(DIALOGUE_DASH.sub("", line)) for line in text.splitlines())
            for text in texts
        )
        if n_labels >= max(MIN_LABELS, rate * len(texts)):
            return label
    return None


def split_cue_text(text: str, label: regex.Pattern[str] | None = CAPITALS_LABEL) -> CueText:
    """Separate a cue's words from its sound notes; remove labels of speakers of the given form."""
    if MASKED.search(text):
        return CueText(join_lines(text.splitlines()), is_masked=True)
    labels: list[str] = []
    notes: list[str] = []
    insertions: list[str] = []

    def without_label(match: regex.Match[str]) -> str:
        if UNTRANSCRIBED.search(match[0]):
            return match[0]
        labels.append(match[0].strip())
        return ""

    def without_note(match: regex.Match[str]) -> str:
        if not _is_sound_note(match[0]) or _is_index(match):
            return match[0]
        if _is_insertion(match):
            insertions.append(match[0])
            return match[0][1:-1]
        notes.append(match[0].strip())
        return " "

    words = SOUND_NOTE.sub(without_note, BRACKETED_LABEL.sub(without_label, text))
    lines = [_remove(DIALOGUE_DASH, line, labels) for line in words.splitlines()]
    return CueText(join_lines(_without_labels(lines, labels, label)), notes, labels, insertions)


def join_lines(lines: Iterable[str]) -> str:
    """Join lines by a space, or by none between two characters of a script without spaces."""
    joined = ""
    for line in (" ".join(line.split()) for line in lines):
        unspaced = joined and line and is_unspaced(joined[-1]) and is_unspaced(line[0])
        joined += line if unspaced or not (joined and line) else f" {line}"
    return joined


def _without_labels(
    lines: list[str], labels: list[str], label: regex.Pattern[str] | None
) -> list[str]:
    """Return lines without the names of speakers; what is removed is added to the labels."""
    lines = [_remove(NUMBERED_LABEL, line, labels) for line in lines]
    if label is None:
        return lines
    found: list[str] = []
    unlabelled = [_remove(label, line, found) for line in lines]
    # in a text of capitals only, a word before a colon is not known to be a label
    if all(line.isupper() for line in unlabelled if line.strip()):
        return lines
    labels += found
    return unlabelled


def _remove(pattern: regex.Pattern[str], line: str, removed: list[str]) -> str:
    match = pattern.match(line)
    if match is None:
        return line
    removed.append(match[0].strip())
    return line[match.end() :]


def _is_sound_note(candidate: str) -> bool:
    """Return whether a bracketed stretch is not spoken; parentheses and asterisks may be speech."""
    if candidate[0] not in "(*（":
        return True
    is_short = (
        len(candidate) - 2 <= MAX_NOTE_CHARACTERS
        if any(map(is_unspaced, candidate[1:-1]))
        else len(candidate.split()) <= MAX_NOTE_WORDS
    )
    is_shouted = candidate.isupper() and candidate[0] == "("
    return bool(
        (is_short and SOUND.search(candidate)) or UNTRANSCRIBED.search(candidate) or is_shouted
    )


def _is_index(match: regex.Match[str]) -> bool:
    """Return whether brackets follow a letter and hold a number, as in "the array[0]"."""
    before = match.string[max(0, match.start() - 1) : match.start()]
    is_number = match[0][0] == "[" and match[0][1:-1].strip().isdigit()
    return is_number and before.isascii() and before.isalnum()


def _is_insertion(match: regex.Match[str]) -> bool:
    """Return whether words in brackets are a part of the sentence around them.

    They are if words stand on both sides in the same line, or if a capital in them begins a
    sentence that goes on in lower case: "[He] said it was [really] good".
    """
    content = match[0][1:-1].strip()
    if match[0][0] != "[" or content.isupper() or len(content.split()) > MAX_NOTE_WORDS:
        return False
    if SOUND.search(content) or UNTRANSCRIBED.search(content):
        return False
    if not (content[:1].isalpha() or SAID_NUMBER.fullmatch(content)):
        return False
    before = match.string[: match.start()].rpartition("\n")[2].strip()
    after = match.string[match.end() :].partition("\n")[0].strip()
    if before and after:
        return before[-1].isalnum() and after[0].isalnum()
    return not before and content[0].isupper() and after[:1].islower()


def is_unspaced(character: str) -> bool:
    """Return whether a character is of a script without spaces, or a mark in one."""
    return bool(SPACELESS_CHARACTER.match(character))
