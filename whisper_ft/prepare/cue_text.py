"""Separate the words of a cue from sound notes, speaker labels and dialogue dashes."""

from __future__ import annotations

import re
from typing import NamedTuple

# Every pattern is bounded or excludes its own delimiters: a malicious file must not make it slow.
SOUND_NOTE = re.compile(
    r"\[[^\]]{0,300}\]|(?<!\S)\*[^*\d]+\*(?!\w)|\([^()]*\)|[♩♪♫♬]+|(?<!\S)#+(?=\s|$)"
)
MAX_NOTE_WORDS = 4  # of a sound note in parentheses or between asterisks, which may also be speech
SOUND = re.compile(
    r"\b(?:musi[ckq]\w*|músic\w*|applau\w*|laugh\w*|chuckl\w*|giggl\w*|sigh\w*|cough\w*"
    r"|sneez\w*|breath\w*|gasp\w*|groan\w*|silence|pauses?|cheer\w*|clap\w*|doors?|phones?"
    r"|ring\w*|bells?|beep\w*|buzz\w*|wind|rain|thunder|knock\w*|footsteps?|bark\w*|engines?"
    r"|sirens?|guns?|gunshots?|shots?|explosions?|birds?|nois\w*|static|click\w*|bang\w*|crash\w*"
    r"|whistl\w*|water|slam\w*)\b",
    re.I,
)
UNTRANSCRIBED = re.compile(
    r"\b(?:inaudible|unintelligible|indistinct\w*|crosstalk|foreign|speaks?|speaking|chatter\w*)\b",
    re.I,
)
DIALOGUE_DASH = re.compile(r"^\s*(?:(?:-|–|—|>>+)\s*)+")
SPEAKER = r"(?:speaker|spk)[ _-]?\w{1,3}"
BRACKETED_LABEL = re.compile(
    rf"^[^\S\n]*(?:\[[^\]]{{0,300}}\][^\S\n]*:|\[{SPEAKER}\]|\({SPEAKER}\)[^\S\n]*:?)", re.I | re.M
)
SPEAKER_LABEL = re.compile(
    rf"^(?:[A-Z][A-Z0-9.'’-]*(?: [A-Z0-9.'’-]+){{0,2}}|(?i:{SPEAKER})):\s+(?=\D)"
)


class CueText(NamedTuple):
    """The words of a cue and the sound notes that were removed from it."""

    words: str
    sound_notes: list[str]

    @property
    def has_untranscribed_speech(self) -> bool:
        """Whether a note reports speech without its words, or an unknown note stands alone."""
        if any(UNTRANSCRIBED.search(note) for note in self.sound_notes):
            return True
        return not self.words and not all(
            SOUND.search(note) or not any(map(str.isalpha, note)) for note in self.sound_notes
        )


def split_cue_text(text: str) -> CueText:
    """Separate a cue's words from its sound notes; remove speaker labels."""
    unlabelled = BRACKETED_LABEL.sub(
        lambda match: match.group() if UNTRANSCRIBED.search(match.group()) else "", text
    )
    notes = [note for note in SOUND_NOTE.findall(unlabelled) if _is_sound_note(note)]
    return CueText(_without_sound_notes(unlabelled), notes)


def _without_sound_notes(text: str) -> str:
    """Return a cue's words without sound notes, speaker labels and dashes of dialogue."""
    words = SOUND_NOTE.sub(
        lambda match: " " if _is_sound_note(match.group()) else match.group(), text
    )
    lines = [DIALOGUE_DASH.sub("", line) for line in words.splitlines()]
    unlabelled = [SPEAKER_LABEL.sub("", line) for line in lines]
    # in a text of capitals only, a word before a colon is not known to be a label
    all_capitals = all(line.isupper() for line in unlabelled if line.strip())
    return " ".join(" ".join(lines if all_capitals else unlabelled).split())


def _is_sound_note(candidate: str) -> bool:
    """Return whether a bracketed stretch is not spoken; parentheses and asterisks may be speech."""
    if candidate[0] not in "(*":
        return True
    is_sound = SOUND.search(candidate) and len(candidate.split()) <= MAX_NOTE_WORDS
    is_shouted = candidate.isupper() and candidate[0] == "("
    return bool(is_sound or UNTRANSCRIBED.search(candidate) or is_shouted)
