"""The words of a cue, without sound notes, speaker labels and dashes."""

import pytest
from helpers.subtitles import read, spans, srt

from whisper_ft.prepare.cue_text import split_cue_text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[music] Hello.", "Hello."),
        ("(DOOR SLAMS)\nWho is it?", "Who is it?"),
        ("(laughs)", ""),
        ("(I think) so.", "(I think) so."),
        ("♪ La la la ♪", "La la la"),
        ("# La la la #", "La la la"),
        ("We are #1.", "We are #1."),
        ("number # 1", "number # 1"),
        ("# 1 of the charts", "# 1 of the charts"),
        ("# and when you're gone", "and when you're gone"),
        ("[He] said it was [really] good", "He said it was really good"),
        ("the set {a, b, c} has three", "the set {a, b, c} has three"),
        ("（掌声）谢谢大家。", "谢谢大家。"),
        ("【音楽】こんにちは", "こんにちは"),
        ("（我想）是的", "（我想）是的"),
        ("今天天气\n很好。", "今天天气很好。"),
        ("สวัสดี\nครับ", "สวัสดีครับ"),
        ("我用\nPython", "我用 Python"),
        ("안녕\n하세요", "안녕 하세요"),
        ("*sighs* Fine.", "Fine."),
        ("JOHN: Hello.", "Hello."),
        ("DR. O'NEIL: Hello.", "Hello."),
        ("Speaker 2: Hello.", "Hello."),
        ("- Who?\n- Me.", "Who? Me."),
        (">> And now.", "And now."),
        (">>> JOHN: And now.", "And now."),
        ("Note: it is late.", "Note: it is late."),
        ("At 10:30 we left.", "At 10:30 we left."),
        ("well-known - really", "well-known - really"),
        ("[inaudible]\n(SIGHS)", ""),
        ("[door\nslams] Hi", "Hi"),
        ("AND THEN HE SAID: GO HOME.", "AND THEN HE SAID: GO HOME."),
        ("THE SCORE IS 3: 2", "THE SCORE IS 3: 2"),
        ("Он сказал (я думаю) это.", "Он сказал (я думаю) это."),
        ("It was (1984) then.", "It was (1984) then."),
        ("He said yes\n(and I mean it)", "He said yes (and I mean it)"),
        ("2*3*4 is 24", "2*3*4 is 24"),
    ],
)
def test_speaker_labels_and_sound_notes_are_not_words(text, words):
    assert split_cue_text(text).words == words


@pytest.mark.parametrize(
    "text",
    [
        "[SPEAKER_00]: Hello there.",
        "[SPEAKER_00] Hello there.",
        "[Speaker 1] Hello there.",
        "[John]: Hello there.",
        "SPEAKER_00: Hello there.",
        "Speaker 2: Hello there.",
        "(Speaker 1): Hello there.",
        "spk_1: Hello there.",
    ],
)
def test_who_speaks_is_not_said(tmp_path, text):
    found, notes = read(tmp_path, srt((0, 2, text)))
    assert spans(found) == [(0.0, 2.0, "Hello there.")] and not found.gaps
    assert notes == [("2", f"{text.removesuffix(' Hello there.')!r}: removed: says who speaks")]


@pytest.mark.parametrize(
    "text",
    [
        "It was (during the war) in London.",
        "(we spent the morning by the water)",
        "(bring it)",
        "Sit (by the window).",
        "An (Islamic) school.",
        "I said *no* way.",
    ],
)
def test_what_is_said_in_parentheses_or_stressed_stays(tmp_path, text):
    found, notes = read(tmp_path, srt((0, 2, text)))
    assert spans(found) == [(0.0, 2.0, text)] and not notes


def test_what_is_removed_as_a_sound_among_words_is_noted(tmp_path):
    found, notes = read(tmp_path, srt((0, 2, "Well (door slams) so *laughs* yes.")))
    assert found.cues[0].text == "Well so yes."
    assert [what for _, what in notes] == [
        "'(door slams)': removed as a sound, not words",
        "'*laughs*': removed as a sound, not words",
    ]


def test_a_name_in_capitals_is_a_speaker_where_that_is_the_habit_of_the_file(tmp_path):
    found, notes = read(tmp_path, srt((0, 2, "NASA: we have lift off"), (2, 4, "It has begun.")))
    assert found.cues[0].text == "NASA: we have lift off" and not notes
    lines = ("JOHN: Hello.", "ANN: Hi.", "JOHN: NASA: we have lift off")
    found, notes = read(tmp_path, srt(*((2 * i, 2 * i + 2, line) for i, line in enumerate(lines))))
    assert [cue.text for cue in found.cues] == ["Hello.", "Hi.", "NASA: we have lift off"]
    assert [what for _, what in notes] == [
        f"{name!r}: removed: says who speaks" for name in ("JOHN:", "ANN:", "JOHN:")
    ]


@pytest.mark.parametrize(
    "names",
    [("Kathryn Smyth", "Jon Reid"), ("ИВАН", "АННА"), ("ÉRIC", "ZOË"), ("田中", "佐藤"),
     ("JOHN (V.O.)", "ANN"), ("MAN #1", "JOHN/ANN"), ("Marie ", "Paul ")],
)  # fmt: skip
def test_names_before_a_colon_are_speakers_by_the_habit_of_the_file(tmp_path, names):
    lines = [f"{names[i % 2]}: はい, so {i}" for i in range(4)]
    found, notes = read(tmp_path, srt(*((2 * i, 2 * i + 2, line) for i, line in enumerate(lines))))
    assert [cue.text for cue in found.cues] == [f"はい, so {i}" for i in range(4)]
    assert len([1 for _, what in notes if "removed: says who speaks" in what]) == 4


def test_words_in_brackets_within_a_sentence_are_kept_and_told(tmp_path):
    found, notes = read(tmp_path, srt((0, 2, "[He] said it was [really] good")))
    assert found.cues[0].text == "He said it was really good"
    assert [what for _, what in notes] == [
        f"{word!r}: kept as words, without its brackets" for word in ("[He]", "[really]")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "what the [ __ ] is that",
        "what the [__] is that",
        "what the [***] is that",
        "what the **** is that",
        "what the f**k is that",
        "oh sh** no",
        "d*** it",
        "what the [bleep] is that",
        "and then [...] it was over",
    ],
)
def test_a_word_that_was_said_and_is_masked_makes_its_cue_a_gap(tmp_path, text):
    found, notes = read(tmp_path, srt((0, 2, "One."), (2, 5, text), (5, 7, "Two.")))
    assert found.gaps == [(2.0, 5.0)] and [cue.text for cue in found.cues] == ["One.", "Two."]
    assert notes[0][1].endswith("may be speech without its words: skipped with its audio")


@pytest.mark.parametrize(
    "text",
    [
        r"open the file C:\new\home\Notes.txt now",
        "the set {a, b, c} has three",
        "number # 1",
        "it is 2 < 3 and 4 > 1",
        "press <Enter> now",
        "if a<b and c>d then stop",
        "x <v and w> z",
        "if x <i and j> 0",
        "x=1&copy=2",
        "-40 is cold.",
        "This is **very** good.",
        "Translated from Latin, it means rose.",
        "Go to www.bbc.com for more.",
        "5 * 6 * 7",
        "a_b __init__ and x**2",
    ],
)
def test_what_looks_like_markup_and_is_none_stays(tmp_path, text):
    found, notes = read(tmp_path, srt((0, 2, text)))
    assert spans(found) == [(0.0, 2.0, text)] and not notes


def test_styling_goes_in_silence(tmp_path):
    text = r"{\an8}<font color=red>E<sub>t</sub></font> and <b>x</b><br>y &amp; z"
    found, notes = read(tmp_path, srt((0, 2, text)))
    assert spans(found) == [(0.0, 2.0, "Et and x y & z")] and not notes
    text = "<v Ann><c.red>Et</c> <lang en>and</lang> <b>x</b> <00:01.000>y &amp; z"
    vtt = f"WEBVTT\n\n00:00.000 --> 00:02.000\n{text}\n"
    found, notes = read(tmp_path, vtt, ".vtt")
    assert spans(found) == [(0.0, 2.0, "Et and x y & z")] and not notes


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("In [1998] he came back", "In 1998 he came back"),
        ("it costs [5] dollars", "it costs 5 dollars"),
        ("The array[0] is", "The array[0] is"),
    ],
)
def test_numbers_in_brackets_are_no_sounds(tmp_path, text, words):
    found, _ = read(tmp_path, srt((0, 2, text)))
    assert spans(found) == [(0.0, 2.0, words)]


def test_a_dash_after_a_mark_of_direction_is_a_dash(tmp_path):
    found, notes = read(tmp_path, srt((0, 2, "\u202b- مرحبا"), (2, 4, "&lrm;- Yes")))
    assert [cue.text for cue in found.cues] == ["مرحبا", "Yes"] and len(notes) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("He paused [2 seconds] and left", "He paused and left"),
        ("we saw [00:01:15] the house", "we saw the house"),
    ],
)
def test_times_and_remarks_with_numbers_in_brackets_are_not_said(tmp_path, text, words):
    found, _ = read(tmp_path, srt((0, 2, text)))
    assert spans(found) == [(0.0, 2.0, words)]
