"""Subtitle files in other encodings than UTF-8, or with stray bytes in it."""

import json

import pytest
from helpers.subtitles import SRT, read, spans, srt


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + SRT.encode(),
        SRT.replace("\n", "\r\n").encode(),
        SRT.replace("\n", "\r").encode(),
        SRT.encode("utf-16"),
        SRT.encode() + b"\n\n\n",
    ],
)
def test_byte_order_marks_and_line_ends_do_not_matter(tmp_path, content):
    found, notes = read(tmp_path, content)
    assert len(found.cues) == 2 and found.cues[1].text == "Two lines, one cue." and not notes


def test_a_legacy_encoding_is_guessed_and_noted_or_given(tmp_path):
    text = srt(
        (0, 3, "Там был большой дом, и в нём жили люди."),
        (4, 7, "Они говорили друг с другом каждый вечер."),
    )
    found, notes = read(tmp_path, text.encode("cp1251"))
    assert found.cues[0].text.startswith("Там был большой дом")
    assert "not UTF-8: read as" in notes[0][1]
    found, notes = read(tmp_path, text.encode("koi8-r"), encoding="koi8-r")
    assert found.cues[0].text.startswith("Там был большой дом") and not notes
    with pytest.raises(ValueError, match=r"talk.srt: cannot be read as text .*give --encoding"):
        read(tmp_path, text.encode("cp1251"), encoding="utf-8")


def test_a_stray_byte_in_utf_8_costs_its_cue_and_not_the_encoding(tmp_path):
    content = srt((0, 2, "Schöne Grüße."), (2, 4, "Ja @ nein."), (4, 6, "Öfter für euch, später."))
    found, notes = read(tmp_path, content.encode().replace(b"@", b"\x97"))
    assert [cue.text for cue in found.cues] == ["Schöne Grüße.", "Öfter für euch, später."]
    assert found.gaps == [(2.0, 4.0)]
    assert notes[0][1] == "1 character that cannot be decoded in UTF-8, the first in line 7"
    assert notes[1] == ("6", "'Ja \ufffd nein.': a character is lost: skipped with its audio")


def test_parts_of_characters_in_the_tokens_of_a_transcript_do_not_matter(tmp_path):
    piece = {"offsets": {"from": 0, "to": 2000}, "text": "大家好", "tokens": [{"text": "@"}]}
    content = json.dumps({"transcription": [piece]}, ensure_ascii=False).encode()
    found, notes = read(tmp_path, content.replace(b"@", b"\xe5\xa4"), ".json")
    assert spans(found) == [(0.0, 2.0, "大家好")] and not notes


@pytest.mark.parametrize("encoding", ["cp1252", "gb18030"])
def test_a_transcript_in_another_encoding_is_guessed_and_noted(tmp_path, encoding):
    text = {
        "cp1252": "Das Mädchen geht müde über die Straße.",
        "gb18030": "我们今天去公园看花，然后回家吃饭。",
    }
    pieces = [{"start": 2.0 * i, "end": 2.0 * i + 2, "text": text[encoding]} for i in range(5)]
    content = json.dumps({"segments": pieces}, ensure_ascii=False).encode(encoding)
    found, notes = read(tmp_path, content, ".json")
    assert [cue.text for cue in found.cues] == [text[encoding]] * 5
    assert "give --encoding if that is wrong" in notes[0][1]
