"""Subtitle files as written: encodings, formats, times."""

import json

import pytest
from helpers.subtitles import read, spans, srt


def test_webvtt_notes_styles_names_settings_and_word_times_are_not_words(tmp_path):
    found, notes = read(
        tmp_path,
        """WEBVTT - a talk
Kind: captions

STYLE
::cue { color: red }

NOTE a remark
over two lines

first
00:01.000 --> 00:02.500 align:start position:0%
<v Jon>Hello <00:01.200><c>there</c></v> &amp; all

NOTE another

2
01:00:03.000 --> 01:00:04.000
Late.
""",
        ".vtt",
        duration=4000.0,
    )
    assert spans(found) == [(1.0, 2.5, "Hello there & all"), (3603.0, 3604.0, "Late.")]
    assert found.cues[0].place.endswith(":11") and not notes


def test_whispers_own_json_is_read_with_its_language(tmp_path):
    segments = [{"start": 0.0, "end": 2.0, "text": " Hallo."}, {"start": 2, "end": 3, "text": " "}]
    content = json.dumps({"text": " Hallo.", "segments": segments, "language": "de"})
    found, notes = read(tmp_path, content, ".json")
    assert spans(found) == [(0.0, 2.0, "Hallo.")] and found.language == "de"
    assert notes == [("segment 2", "empty: skipped")]


@pytest.mark.parametrize(
    ("suffix", "content", "words"),
    [
        (".srt", "just text", "contains no cue"),
        (".vtt", "WEBVTT\n", "contains no cue"),
        (".json", "{}", "no transcript with times: give one of whisper"),
        (".json", "[1", "not JSON"),
        (".sub", "x", "not a .srt, .vtt or .json file: convert it"),
    ],
)
def test_other_files_are_refused_in_words(tmp_path, suffix, content, words):
    with pytest.raises(ValueError, match=words):
        read(tmp_path, content, suffix)


@pytest.mark.parametrize(
    ("suffix", "line"),
    [
        (".srt", "-00:00:05,000 --> 00:00:07,000"),
        (".srt", "00:00:05 -> 00:00:07 --> x"),
        (".vtt", "5.000 --> 7.000"),
    ],
)
def test_times_that_cannot_be_read_are_all_named_and_never_words(tmp_path, suffix, line):
    text = f"1\n00:00:01,000 --> 00:00:02,000\nOne.\n\n2\n{line}\nTwo.\n\n{line}\nThree.\n"
    with pytest.raises(ValueError, match=r"talk\.\w+:6: .*: write start --> end(.|\n)*:9: "):
        read(tmp_path, text, suffix)


def test_times_are_read_as_they_are_often_written(tmp_path):
    lines = ["00:00:01 --> 00:00:02", "00:03,5 --> 00:04.250", "100:00:05:000 --> 100:00:06,000"]
    words = "from 00:00:01,500 to 00:00:01,900"
    text = "".join(f"{i}\n{line}\n{words}\n\n" for i, line in enumerate(lines))
    found, notes = read(tmp_path, text, duration=400000.0)
    assert [(c.start, c.end) for c in found.cues] == [(1, 2), (3.5, 4.25), (360005, 360006)]
    assert {c.text for c in found.cues} == {words} and not notes


def test_a_number_that_is_said_stays_and_one_that_counts_cues_does_not(tmp_path):
    text = srt((1, 2, "In the year\n1984"), (3, 4, "7"))
    assert [cue.text for cue in read(tmp_path, text)[0].cues] == ["In the year 1984", "7"]
    vtt = """WEBVTT

00:01.000 --> 00:02.000
In the year
1984

name
00:03.000 --> 00:04.000
a < b and c > d
"""
    words = [cue.text for cue in read(tmp_path, vtt, ".vtt")[0].cues]
    assert words == ["In the year 1984", "a < b and c > d"]


@pytest.mark.parametrize(
    "segment",
    [
        {"start": -1, "end": 2, "text": "a"},
        {"start": 0, "end": 2, "text": None},
        {"start": float("nan"), "end": 2, "text": "a"},
        {"start": 0},
    ],
)
def test_a_segment_of_json_that_is_none_is_named(tmp_path, segment):
    good = {"start": 0, "end": 1, "text": "a"}
    with pytest.raises(
        ValueError, match=r"talk.json:segment 2: not a piece of a transcript .*correct it"
    ):
        read(tmp_path, json.dumps({"segments": [good, segment]}), ".json")


def test_western_text_is_guessed_as_such(tmp_path):
    text = srt((0, 2, "On a déjà vu ça, c'est naïf."), (3, 4, "Où êtes-vous né ? À l'hôpital."))
    found, notes = read(tmp_path, text.encode("cp1252"))
    assert found.cues[0].text == "On a déjà vu ça, c'est naïf." and "'déjà'" in notes[0][1]


SPOKEN = [(1.0, 2.0, "Hello."), (3.0, 4.0, "Second."), (5.0, 6.0, "Third.")]


@pytest.mark.parametrize("suffix", [".srt", ".vtt"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\n", "\r\r\n"),  # line ends that an editor doubled
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace("\n\n", "\n"),  # no empty line between cues
        lambda text: text.replace("\n\n", "\n \n"),  # one that looks empty
        lambda text: text.rstrip() + "\n\n4\n",  # cut off after the next one's number
    ],
)
def test_numbers_that_count_cues_are_not_words_however_the_file_is_spaced(tmp_path, suffix, change):
    text = srt(*SPOKEN)
    if suffix == ".vtt":
        text = "WEBVTT\n\n" + text.replace(",", ".")
    found, notes = read(tmp_path, change(text).encode(), suffix)
    assert spans(found) == SPOKEN and not notes


def test_numbers_that_count_cues_may_stand_apart_from_their_times(tmp_path):
    spaced = srt(*SPOKEN).replace("\n00:", "\n\n00:")
    assert spans(read(tmp_path, spaced)[0]) == SPOKEN
    counted = srt((1.0, 2.0, "3"), (3.0, 4.0, "2\n"), (5.0, 6.0, "1"))  # a countdown
    assert [text for _, _, text in spans(read(tmp_path, counted)[0])] == ["3", "2", "1"]


@pytest.mark.parametrize("arrow", ["->", "–>", "=>", "-- >", " "])
def test_a_mistyped_arrow_is_named_and_no_word_of_the_cue_above(tmp_path, arrow):
    broken = srt(*SPOKEN).replace("00:00:03,000 -->", f"00:00:03,000 {arrow}")
    with pytest.raises(ValueError, match=r"talk.srt:6: '00:00:03,000"):
        read(tmp_path, broken)
    said = srt((1.0, 2.0, "From 5:30 - 6:30 p.m."), (3.0, 4.0, "10:15 - 11:15"))
    assert len(read(tmp_path, said)[0].cues) == 2


def test_words_of_json_are_plain_and_a_break_is_white_space(tmp_path):
    words = ["a<b and b>c", "{1, 2}", r"C:\new"]
    segments = [{"start": i, "end": i + 1, "text": text} for i, text in enumerate(words)]
    found, _ = read(tmp_path, json.dumps({"segments": segments}), ".json")
    assert [cue.text for cue in found.cues] == words
    assert read(tmp_path, srt((1, 2, "Hello<br>you<br/>two")))[0].cues[0].text == "Hello you two"


@pytest.mark.parametrize("segments", [None, 3])
def test_json_without_a_list_of_segments_is_refused(tmp_path, segments):
    with pytest.raises(ValueError, match="no transcript with times: give one of whisper"):
        read(tmp_path, json.dumps({"segments": segments}), ".json")


def test_a_mark_of_utf_8_before_legacy_text_is_no_word_of_the_guess(tmp_path):
    text = srt((1, 2, "El niño tomó el café de la mañana, ¿y después?"))
    found, ((_, what),) = read(tmp_path, b"\xef\xbb\xbf" + text.encode("cp1252"))
    assert found.cues[0].text.startswith("El niño") and "'niño'" in what


HEAD = "1\n00:00:01,000 --> 00:00:02,000\n"


@pytest.mark.parametrize(
    "content",
    [
        HEAD + "00:00:01,000" + " " * 5000 + "x\n",
        HEAD + "hi" + "\n" * 300_000,
        srt(*((float(i), i + 0.9, f"word {i}") for i in range(3500))),
        HEAD + "<b " * 3000 + "\n",
        HEAD + "[" * 9000 + "\n",
        HEAD + "{" * 9000 + "\n",
        HEAD + "(" * 9000 + "\n",
    ],
)
def test_what_is_made_to_be_slow_is_read_at_once(tmp_path, content):
    """Each took tens of seconds when patterns looked at every place from every place."""
    cues, _ = read(tmp_path, content, duration=3600.0)
    assert cues.cues or cues.gaps


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEAD + "word " * 100_000 + "\n", ":2: a cue of 500000 characters"),
        (HEAD + "&#" + "9" * 5000 + ";\n", ":2: "),
        ("1\n" + "9" * 400 + ":00:01,000 --> 00:00:02,000\nhi\n", ":2: '999"),
    ],
)
def test_what_no_subtitle_holds_is_refused_at_its_line(tmp_path, content, words):
    with pytest.raises(ValueError, match=words):
        read(tmp_path, content)


def test_a_digit_of_another_kind_counts_nothing(tmp_path):
    text = srt((1.0, 2.0, "one")) + "²\n00:00:02,000 --> 00:00:03,000\ntwo\n"
    cues, _ = read(tmp_path, text)
    assert [cue.text for cue in cues.cues] == ["one ²", "two"]


def test_a_number_that_no_float_holds_is_refused(tmp_path):
    content = '{"segments": [{"start": 1' + "0" * 400 + ', "end": 2, "text": "x"}]}'
    with pytest.raises(ValueError, match="segment 1: not a piece of a transcript"):
        read(tmp_path, content, ".json")


def test_times_that_count_frames_are_refused(tmp_path):
    text = "1\n00:00:01:12 --> 00:00:03:20\nHello.\n"
    with pytest.raises(ValueError, match=r"talk.srt:2: .*write start --> end as 00:01:02,500"):
        read(tmp_path, text)
    found, _ = read(tmp_path, text.replace(":12", ":120").replace(":20", ":200"))
    assert spans(found) == [(1.12, 3.2, "Hello.")]


def test_a_line_of_one_space_ends_no_cue_of_webvtt(tmp_path):
    vtt = "WEBVTT\n\n00:01.000 --> 00:03.000\nline one\n \nline two\n\n"
    found, notes = read(tmp_path, vtt, ".vtt")
    assert spans(found) == [(1.0, 3.0, "line one line two")] and not notes
    found, _ = read(tmp_path, vtt.replace("line two", "NOTE a remark"), ".vtt")
    assert spans(found) == [(1.0, 3.0, "line one")]


def test_segments_of_a_stream_in_one_file_have_headers(tmp_path):
    segment = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n"
    vtt = f"{segment}\n00:01.000 --> 00:03.000\nHello.\n{segment}\n00:03.000 --> 00:04.000\nBye.\n"
    found, notes = read(tmp_path, vtt, ".vtt")
    assert spans(found) == [(1.0, 3.0, "Hello."), (3.0, 4.0, "Bye.")] and not notes


@pytest.mark.parametrize("settings", ["", " X1:100 X2:200 Y1:50 Y2:80", " align:start position:0%"])
def test_a_text_on_the_line_of_the_times_is_read(tmp_path, settings):
    text = f"1\n00:00:01,000 --> 00:00:03,000{settings}\nHello.\n\n"
    text += "2\n00:00:03,000 --> 00:00:04,000 all of you\n"
    found, notes = read(tmp_path, text)
    assert spans(found) == [(1.0, 3.0, "Hello."), (3.0, 4.0, "all of you")] and not notes


def test_an_arrow_between_words_is_text(tmp_path):
    found, notes = read(tmp_path, srt((1, 3, "go from A --> B")))
    assert spans(found) == [(1.0, 3.0, "go from A --> B")] and not notes


@pytest.mark.parametrize(
    ("text", "words", "reading"),
    [
        ("<ruby>漢字<rt>かんじ</rt></ruby>を読む", "漢字を読む", "かんじ"),
        ("<ruby>東京<rp>(</rp><rt>とうきょう</rt><rp>)</rp></ruby>へ", "東京へ", "(とうきょう)"),
        ("<ruby>東京<rt>とうきょう</ruby>へ", "東京へ", "とうきょう"),
    ],
)
def test_readings_are_not_said_twice(tmp_path, text, words, reading):
    for suffix, content in (
        (".srt", srt((0, 2, text))),
        (".vtt", f"WEBVTT\n\n00:00.000 --> 00:02.000\n{text}"),
    ):
        found, notes = read(tmp_path, content, suffix)
        assert spans(found) == [(0.0, 2.0, words)]
        assert [note for _, note in notes] == [
            f"{reading!r}: removed: shows how the characters before it are read"
        ]


def test_codes_of_substation_beside_others_are_spaces_and_drawings_are_none(tmp_path):
    text = r"{\an7}\h\h\hHELLO THERE\Nmy friend"
    drawing = r"{\an7\p1}m 0 0 l 100 0 100 100{\p0}Hello."
    found, notes = read(tmp_path, srt((0, 2, text), (2, 4, drawing)))
    assert [cue.text for cue in found.cues] == ["HELLO THERE my friend", "Hello."] and not notes


@pytest.mark.parametrize("arrow", ["\u200e-->\u200e", "-->"])
def test_marks_of_direction_around_times_do_not_matter(tmp_path, arrow):
    text = f"1\n00:00:01,000 {arrow} 00:00:02,000\nHello.\n\n"
    text += f"2\n00:00:03,000 {arrow} 00:00:05,000\nBye.\n"
    found, notes = read(tmp_path, text)
    assert spans(found) == [(1.0, 2.0, "Hello."), (3.0, 5.0, "Bye.")] and not notes


@pytest.mark.parametrize(
    "times", ["OO:OO:O3,OOO --> OO:OO:O5,OOO", "(00:03) --> (00:05)", "0:03s --> end", "3 --> 5"]
)
def test_a_line_that_stands_for_times_is_never_text(tmp_path, times):
    text = f"1\n00:00:01,000 --> 00:00:02,000\nHello.\n\n2\n{times}\nBye.\n"
    with pytest.raises(ValueError, match=r"talk.srt:6: .*and an arrow in a text as →"):
        read(tmp_path, text)


@pytest.mark.parametrize("words", ["Hello:there", "A: yes", "Si:"])
def test_words_on_the_line_of_the_times_are_no_settings(tmp_path, words):
    found, _ = read(tmp_path, f"1\n00:00:01,000 --> 00:00:02,000 {words}\nand more\n")
    assert found.cues[0].text == f"{words} and more"


@pytest.mark.parametrize("settings", ["vertical:rl size: 50%", "align: start", "align=start"])
def test_settings_in_other_spellings_are_no_words(tmp_path, settings):
    vtt = f"WEBVTT\n\n00:01.000 --> 00:02.000 {settings}\nHello.\n"
    assert spans(read(tmp_path, vtt, ".vtt")[0]) == [(1.0, 2.0, "Hello.")]


def test_a_name_of_a_cue_after_a_line_of_one_space_is_not_said(tmp_path):
    vtt = "WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n \n0f1e-aaaa/12-0\n"
    vtt += "00:03.000 --> 00:04.000\nBye\n"
    found, _ = read(tmp_path, vtt, ".vtt")
    assert [cue.text for cue in found.cues] == ["Hello", "Bye"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r"{\an8\fnComp1}10 lbs", "10 lbs"),
        (r"{\an8}C:\new\home\Notes", r"C:\new\home\Notes"),
        ("<ruby>漢<rt><b>かん</b></rt></ruby>字", "漢字"),
    ],
)
def test_what_looks_like_a_drawing_or_a_reading_stays(tmp_path, text, words):
    assert read(tmp_path, srt((0, 2, text)))[0].cues[0].text == words
