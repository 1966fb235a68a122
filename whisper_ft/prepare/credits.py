"""Find lines of captions that name who made them: no speech, in any language.

Whisper learned to write many of them over silence.
"""

from __future__ import annotations

from functools import cache

import regex

# By language: the words with which such a line begins, and those before the name.
CREDITS = {
    "English": (
        r"(?:closed |english )?(?:sub(?:title|titling)s?|caption(?:s|ed|ing)?|synced|transcribed"
        r"|transcription|translated|translation|timed|corrected|edited|ripped)(?: (?:and|&) \w+)?",
        "by:?",
    ),
    "German": ("untertitel(?:ung)?", "des|der|von|durch|im auftrag de[rs]"),
    "French": ("sous-?titr(?:age|es?)", "(?:réalisés? |faits? )?par|société|st['’]|fr"),
    "Spanish": ("subt[ií]tul(?:os|ado|ación)", "(?:(?:realizad|cread)[oa]s? )?por"),
    "Portuguese": ("legend(?:as?|ado|agem)", "pel[ao]|por"),
    "Italian": ("sottotitol(?:i|ati)", "creati da|(?:e revisione )?a cura di"),
    "Dutch": ("ondertitel(?:d|s|ing)", "door"),
    "Swedish, Danish, Norwegian": ("undertexte?r?|textning|teksting|tekster", "av|af|från"),
    "Polish": ("napisy|tłumaczenie", "stworzone przez"),
    "Czech": ("titulky", "vytvořil"),
    "Turkish": ("altyazı", "çeviri"),
    "Greek": ("υπότιτλοι", "από"),
    "Russian": (
        "субтитр(?:ы|ов)|редактор субтитров|корректор",
        "сделал|создавал|делал|подогнал|предоставил|добавил",
    ),
    "Arabic": ("(?:ال)?ترجمة", "نانسي"),
}
BARE = ("Turkish", "Greek", "Russian")  # the name may follow at once
MAKER = r"[\p{Lu}\p{Lo}\d]|https?:|www\."  # how a name begins
UNSPACED_CREDIT = regex.compile(
    r"\W{0,9}(?:[中英双雙文]{0,4}(?:字幕|翻[译譯訳]|校[对對]|[时時][间間][轴軸])\s*"
    r"(?:(?:制作|製作|作成)?\s*[:：]|by|志[愿願]者|由.{1,20}(?:提供|制作|製作))"
    r"|(?:한글\s*)?자막\s*(?:by|:|(?:제공|제작)(?:\s*:|\s+\S+$)))",
    regex.I,
)
SITE = regex.compile(
    r"\b(?:amara\.org|opensubtitles\.(?:org|com)|addic7ed\.com|subscene\.com)\b"
    r"|^\W{0,9}(?:https?://|www\.)\S+$",
    regex.I,
)
MAX_CREDIT = 100  # characters of a line
MAX_UNSPACED_CREDIT = 25  # the same, in a script without spaces
MAX_SENTENCE_CREDIT = 3  # words of a credit that ends as a sentence does
SENTENCE_MARKS = ".!?。！？؟"


def is_credit(line: str) -> bool:
    """Return whether a line names who made the captions."""
    line = line.strip()
    if len(line) > MAX_CREDIT:
        return False
    if SITE.search(line):
        return True
    words = line.split()
    if line[-1:] in SENTENCE_MARKS and (
        len(words) > MAX_SENTENCE_CREDIT or not words[-1][:1].isupper()
    ):
        return False
    if len(line) <= MAX_UNSPACED_CREDIT and UNSPACED_CREDIT.match(line):
        return True
    return _credits().match(line) is not None


@cache
def _credits() -> regex.Pattern[str]:
    """Match the credits of all languages; case counts in the name alone."""
    lines = (
        rf"(?i:(?:{begin})(?!\w)\s*(?::|(?:{link})(?!\w)){'?' * (name in BARE)})\s*(?:{MAKER})"
        for name, (begin, link) in CREDITS.items()
    )
    return regex.compile(rf"\W{{0,9}}(?:{'|'.join(lines)})")
