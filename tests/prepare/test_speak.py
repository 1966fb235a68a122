"""Rows of synthetic speech: texts, voices, rooms, prompts and what goes wrong."""

import shutil
import stat
import sys

import numpy as np
import pytest
import soundfile

from whisper_ft.data.audio import read_audio
from whisper_ft.text.terms import term_count

# A program that writes a tone for each letter of the text, and refuses or fails as a test asks.
PROGRAM = """#!{python} -SE
import math, os, struct, sys, wave
arguments = sys.argv[1:]
if arguments[0] == "-lv":
    sys.exit(print("Voices available: kal awb_time kal16 slt "))
if arguments[0].startswith("--voices="):
    print("Pty Language Age/Gender VoiceName File Other")
    if arguments[0] in ("--voices=en", "--voices=de"):
        tag = arguments[0][-2:]
        print(f" 5 {{tag}} --/M A gmw/{{tag}} (x 2)\\n 5 {{tag}} --/M B mb/mb-{{tag}}1 (x 2)")
        print(f" 5 {{tag}}-rp --/M A gmw/{{tag}}-rp")
    sys.exit()
text = arguments[arguments.index("-t") + 1] if "-t" in arguments else sys.stdin.read()
with open(os.environ["HEARD"], "a", encoding="utf-8") as file:
    print(repr(text), file=file)
if "fail" in text:
    sys.exit("first line\\nthis voice is broken")
if "silence" in text:
    sys.exit()
seconds = 40.0 if "long" in text else 0.1 if "skipped" in text else 0.1 * len(text)
tone = [round(9000 * math.sin(i / 8)) for i in range(int(seconds * 8000))]
with wave.open(arguments[-1], "wb") as file:
    file.setparams((1, 2, 8000, 0, "NONE", ""))
    file.writeframes(struct.pack(f"<{{len(tone)}}h", *tone))
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Put only false espeak-ng and flite on the PATH; return the file of what they are to say."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("espeak-ng", "flite"):
        (folder / name).write_text(PROGRAM.format(python=sys.executable))
        (folder / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("HEARD", str(tmp_path / "heard.txt"))
    monkeypatch.setitem(sys.modules, "hibari.voices", None)  # cannot be imported
    return folder


@pytest.fixture
def write(tmp_path):
    """Write a text file of lines."""

    def write_lines(name, *lines):
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")

    return write_lines


def test_terms_are_spoken_in_carriers_by_several_voices(tmp_path, programs, prepare, write):
    write("terms.txt", "Zyxin", "Doctor Quill", "Leptomedusa")
    status, rows, said = prepare("speak", "terms.txt", "--takes", "6", out="out")
    assert status == 0 and len(rows) == 18
    assert "3 terms in carriers, 6 takes each, by 28 voices of espeak-ng, flite" in said
    for row in rows:
        (keyword,) = row["keywords"]
        assert term_count(keyword, row["text"]) == 1 and row["text"] != keyword
        assert row["duration"] == pytest.approx(
            len(read_audio(tmp_path / "out" / row["audio"])) / 16000, abs=1e-3
        )
    quills = [row for row in rows if row["keywords"] == ["Doctor Quill"]]
    assert len({row["text"] for row in quills}) == 6
    for row in rows:
        listed = row["prompt"].split(", ")
        assert row["keywords"][0] in listed and {*listed} - {"Zyxin", "Doctor Quill", "Leptomedusa"}
    speakers = {row["speaker"] for row in rows}
    assert speakers & {"flite/kal16", "flite/slt"} and not speakers & {
        "flite/kal",
        "flite/awb_time",
    }
    assert any(speaker.startswith("espeak-ng/en-rp+") for speaker in speakers)
    assert not any("mb" in speaker for speaker in speakers)


def test_sentences_are_spoken_as_they_are_and_their_terms_are_found_or_marked(
    programs, prepare, write
):
    write("texts.txt", "Give {Zyxin} to Doctor Quill.", "", "Nothing special here at all.")
    write("terms.txt", "Doctor Quill", "Foobar", "Doctor")
    _, rows, said = prepare("speak", "texts.txt", "--terms", "terms.txt", "--takes", "1", out="out")
    assert "1 term in carriers and 2 sentences, 1 take each" in said
    keywords = {row["text"]: row.get("keywords") for row in rows}
    assert keywords.pop("Give Zyxin to Doctor Quill.") == ["Zyxin", "Doctor Quill", "Doctor"]
    assert keywords.pop("Nothing special here at all.") is None
    assert [*keywords.values()] == [["Foobar"]]
    assert [row.get("prompt") for row in rows if "special" in row["text"]] == [None]


def test_a_file_of_long_terms_is_one_of_terms_if_it_is_named_so(programs, prepare, write):
    write("terms.txt", "The Royal Society of the Arts and Letters of Nowhere.")
    assert "1 sentence" in prepare("speak", "terms.txt", out="out")[2]
    said = prepare("speak", "terms.txt", "--terms", "terms.txt", out="out")[2]
    assert "1 term in carriers, 4 takes each" in said


def test_the_same_inputs_give_the_same_files_and_another_seed_others(
    tmp_path, programs, prepare, write
):
    write("terms.txt", "Zyxin", "Leptomedusa")

    def contents(folder, *flags):
        _, rows, _ = prepare("speak", "terms.txt", *flags, out=folder)
        return rows, [(tmp_path / folder / row["audio"]).read_bytes() for row in rows]

    rows, audio = contents("a")
    assert (rows, audio) == contents("b")
    assert audio != contents("c", "--seed", "1")[1]
    write("terms.txt", "Foobar", "Zyxin", "Leptomedusa")  # one more leaves the others as they are
    assert {row["audio"] for row in rows} < {row["audio"] for row in contents("a")[0]}


def test_rooms_reverberate_and_can_be_left_out_or_given(tmp_path, programs, prepare, write):
    write("texts.txt", "One sentence about nothing.")

    def loudest_ends(*flags):
        _, rows, _ = prepare("speak", "texts.txt", "--voices", "flite/slt", *flags, out="out")
        samples = [read_audio(tmp_path / "out" / row["audio"]) for row in rows]
        assert all(np.abs(wave).max() == pytest.approx(0.5, abs=1e-3) for wave in samples)
        # the tone ends a quarter of a second before the file does, unless a room goes on
        return [float(np.abs(wave[-3800:]).max()) for wave in samples]

    assert max(loudest_ends("--rooms", "0")) < 1e-3
    assert min(loudest_ends("--rooms", "1")) > 1e-2
    (tmp_path / "ir").mkdir()
    echo = np.zeros(4000, np.float32)
    echo[100], echo[3100] = 1.0, 0.5  # after the delay of the direct sound
    soundfile.write(tmp_path / "ir/echo.wav", echo, 16000)
    assert min(loudest_ends("--rooms", "1", "--reverb", "ir")) > 0.1
    assert (
        "--reverb: gone: not a folder"
        in prepare("speak", "texts.txt", "--reverb", "gone", out="out")[2]
    )


def test_what_cannot_be_spoken_is_told_and_left_out(programs, prepare, write):
    wrong = ("This will fail.", "Here is silence.", "Much too long.", "Words are skipped in this.")
    write("texts.txt", "This is fine.", *wrong)
    status, rows, said = prepare("speak", "texts.txt", "--takes", "1", out="out")
    assert status == 0 and {row["text"] for row in rows} == {"This is fine."}
    assert " fails with status 1: this voice is broken: left out" in said
    assert " makes no sound of it: left out" in said
    assert "40.0 s of speech, and a row has at most 30 s: shorten it: left out" in said
    assert "26 letters in 0.1 s of speech: the voice skips some of them: left out" in said
    write("texts.txt", *wrong)
    assert "no voice could speak any of this" in prepare("speak", "texts.txt", "--takes", "1")[2]


def test_texts_reach_the_programs_as_data(tmp_path, programs, prepare, write):
    safe = ["-w here is a dash.", 'Say "$(rm)" `twice`; \\ it.']
    texts = [*safe, "A\ttab\x07 and [[phonemes.", "Ñandú."]
    write("texts.txt", *texts)
    for voice, heard in (
        ("flite", [*safe, "A tab and [[phonemes.", "Nandu."]),
        ("espeak-ng", [*safe, "A tab and [ [phonemes.", "Ñandú."]),
    ):
        (tmp_path / "heard.txt").unlink(missing_ok=True)
        _, rows, _ = prepare("speak", "texts.txt", "--voices", voice, "--takes", "1", out="out")
        lines = (tmp_path / "heard.txt").read_text().splitlines()
        assert sorted(lines) == sorted(map(repr, heard))
        assert {row["text"] for row in rows} == {*safe, "A tab and [[phonemes.", "Ñandú."}


def test_letters_that_a_voice_cannot_read_are_told(programs, prepare, write):
    write("texts.txt", "Łódź is a town.", "So is Rome.")
    _, rows, said = prepare("speak", "texts.txt", "--voices", "flite/slt", out="out")
    assert {row["text"] for row in rows} == {"So is Rome."}
    assert "flite reads ASCII only, not 'Ł': left out" in said


def test_missing_synthesizers_are_told_and_the_others_speak(programs, prepare, write):
    write("texts.txt", "This is fine.")
    (programs / "flite").unlink()
    status, rows, said = prepare("speak", "texts.txt", out="out")
    assert status == 0 and all(row["speaker"].startswith("espeak-ng/") for row in rows)
    assert "flite is not on the PATH: apt install flite" in said
    assert "hibari.voices is missing: pip install" in said
    assert (
        "--voices: flite: flite is not on the PATH"
        in prepare("speak", "texts.txt", "--voices", "flite", out="out")[2]
    )
    (programs / "espeak-ng").unlink()
    status, _, said = prepare("speak", "texts.txt", out="out")
    assert status == 2 and "no synthesizer can speak:\nespeak-ng is not on the PATH" in said


def test_voices_are_chosen_by_name(programs, prepare, write):
    write("texts.txt", "This is fine.")
    _, rows, _ = prepare(
        "speak", "texts.txt", "--voices", "flite", "espeak-ng/en+f3", "flite/slt", out="out"
    )
    assert {row["speaker"] for row in rows} <= {"flite/slt", "flite/kal16", "espeak-ng/en+f3"}
    said = prepare("speak", "texts.txt", "--voices", "festival", "flite/x", out="out")[2]
    assert "--voices: festival: name one of espeak-ng, flite, hibari" in said
    assert "--voices: flite/x: not a voice that is installed: kal16, slt" in said


def test_other_languages_need_carriers_and_get_their_own_voices(programs, prepare, write):
    write("terms.txt", "Zyxin")
    said = prepare("speak", "terms.txt", "--language", "de", out="out")[2]
    assert "there are carrier sentences in English only: write some to a file" in said
    write("carriers.txt", "Das hier sei {}.", "{} bleibt neu.")
    _, rows, said = prepare(
        "speak", "terms.txt", "--language", "de", "--carriers", "carriers.txt", out="out"
    )
    assert {row["text"] for row in rows} == {"Das hier sei Zyxin.", "Zyxin bleibt neu."}
    assert {row["language"] for row in rows} == {"de"}
    assert all(row["speaker"].startswith("espeak-ng/de") for row in rows)
    assert "flite speaks English only" in said
    said = prepare("speak", "terms.txt", "--language", "tl", "--carriers", "carriers.txt")[2]
    assert "no synthesizer can speak:\nespeak-ng has no voice for the language tl" in said
    assert "whisper has no such language" in prepare("speak", "terms.txt", "--language", "xx")[2]


def test_files_that_cannot_be_used_are_all_named_before_anything_is_spoken(
    tmp_path, programs, prepare, write
):
    write("terms.txt", "Zyxin", "Do{ct}or", "Quill")
    write("carriers.txt", "Nothing.", "{} and {}.")
    (tmp_path / "latin.txt").write_bytes("Café\n".encode("latin-1"))
    status, _, said = prepare(
        *("speak", "terms.txt", "latin.txt", "gone.txt", "--carriers", "carriers.txt"), out="out"
    )
    assert status == 2 and not (tmp_path / "out").exists()
    assert "terms.txt:2: 'Do{ct}or': a term has no braces" in said
    assert "carriers.txt:1: 'Nothing.': has 0 places for a term" in said
    assert "carriers.txt:2: '{} and {}.': has 2 places for a term" in said
    assert "latin.txt: not UTF-8 at byte 3: save it as UTF-8" in said
    assert "gone.txt: No such file or directory: give a text file" in said
    write("terms.txt", "This is {}.")
    assert "is a carrier: give it by --carriers" in prepare("speak", "terms.txt")[2]
    write("terms.txt", "", " ")
    assert "nothing to speak" in prepare("speak", "terms.txt")[2]


def test_a_manifest_of_before_keeps_its_audio(tmp_path, programs, prepare, write):
    write("terms.txt", "Zyxin")
    _, before, _ = prepare("speak", "terms.txt", out="out")
    audio = [(tmp_path / "out" / row["audio"]).read_bytes() for row in before]
    write("terms.txt", "Leptomedusa")
    prepare("speak", "terms.txt", out="out")
    assert audio == [(tmp_path / "out" / row["audio"]).read_bytes() for row in before]
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/manifest.jsonl").write_text("mine")
    assert "exists, and was not made by `prepare`" in prepare("speak", "terms.txt", out="notes")[2]


@pytest.mark.parametrize("voice", ["espeak-ng/en-us+f3", "flite/slt", "hibari/heart"])
def test_real_voices_speak(voice, tmp_path, prepare, write):
    name = voice.partition("/")[0]
    if name == "hibari":
        pytest.importorskip("hibari", exc_type=ImportError)
    elif not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    write("texts.txt", "-The patient takes {Zyxin} twice a day.")
    _, rows, _ = prepare("speak", "texts.txt", "--voices", voice, "--takes", "2", out="out")
    first, second = (read_audio(tmp_path / "out" / row["audio"]) for row in rows)
    assert {row["speaker"] for row in rows} == {voice}
    assert 1.5 < len(first) / 16000 < 6 and len(first) != len(second)  # other speeds
    _, again, _ = prepare("speak", "texts.txt", "--voices", voice, "--takes", "2", out="again")
    assert rows == again
    assert np.array_equal(first, read_audio(tmp_path / "again" / again[0]["audio"]))
