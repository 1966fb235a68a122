"""Transcripts in JSON, as the programs that write them do."""

import json

import pytest
from helpers.subtitles import read, spans

TEXTS = ("Hello there.", "How are you?")
EXPECTED = [(0.0, 2.5, TEXTS[0]), (3.0, 4.5, TEXTS[1])]
SEGMENTS = [
    {"id": i, "start": s, "end": e, "text": f" {t}"} for i, (s, e, t) in enumerate(EXPECTED)
]
ROWS = [[i, 0, s, e, f" {t}", [1, 2], 0.0, -0.3, 1.2, 0.1, None] for i, (s, e, t) in
        enumerate(EXPECTED)]  # fmt: skip
CPP = [
    {
        "timestamps": {"from": "00:00:00,000", "to": "00:00:02,500"},
        "offsets": {"from": round(s * 1000), "to": round(e * 1000)},
        "text": f" {t}",
    }
    for s, e, t in EXPECTED
]
CHUNKS = [{"timestamp": [s, e], "text": f" {t}"} for s, e, t in EXPECTED]


@pytest.mark.parametrize(
    ("content", "language"),
    [
        ({"text": "", "segments": SEGMENTS, "language": "en"}, "en"),
        ({"task": "transcribe", "language": "english", "segments": SEGMENTS}, "english"),
        (SEGMENTS, ""),  # of faster-whisper
        (ROWS, ""),
        ({"segments": [s | {"words": [], "speaker": "A"} for s in SEGMENTS],
          "word_segments": [], "language": "en"}, "en"),
        ({"systeminfo": "", "result": {"language": "en"}, "transcription": CPP}, "en"),
        ({"text": "", "chunks": CHUNKS}, ""),
    ],
)  # fmt: skip
def test_every_programs_transcript_is_its_cues(tmp_path, content, language):
    found, notes = read(tmp_path, json.dumps(content), ".json")
    assert spans(found) == EXPECTED and found.language == language
    assert not notes and not found.gaps


def test_a_last_chunk_without_an_end_is_skipped_with_its_audio(tmp_path):
    chunks = [CHUNKS[0], {"timestamp": [3.0, None], "text": " How are you?"}]
    found, notes = read(tmp_path, json.dumps({"chunks": chunks}), ".json")
    assert spans(found) == EXPECTED[:1] and found.gaps[0].start == 3.0
    assert "lasts 0.00 s: skipped with its audio" in notes[0][1]


def test_chunks_that_are_words_are_joined_to_cues(tmp_path):
    words = [
        "Here",
        "is",
        "a",
        "sentence",
        "of",
        "ten",
        "words,",
        "and",
        "then",
        "another.",
        "So",
        "it",
        "goes",
        "on.",
    ]
    chunks = [{"timestamp": [0.5 * i, 0.5 * i + 0.4], "text": f" {w}"} for i, w in enumerate(words)]
    found, _ = read(tmp_path, json.dumps({"chunks": chunks}), ".json")
    assert [cue.text for cue in found.cues] == [
        "Here is a sentence of ten words, and then another.",
        "So it goes on.",
    ]
    assert found.cues[0].start == 0.0 and found.cues[1].start == 5.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"text": "Hello there."}, "no transcript with times: of OpenAI.s API, request"),
        ({"a": 1}, "no transcript with times: give one of whisper, WhisperX"),
        (3, "no transcript with times"),
        ([3], "segment 1: not a piece of a transcript"),
        ([[1, 2]], "segment 1: not a piece of a transcript"),
        ({"transcription": [{"text": "a"}]}, "segment 1: not a piece of a transcript"),
        ({"chunks": [{"timestamp": None, "text": "a"}]}, "segment 1: not a piece"),
    ],
)
def test_what_is_no_transcript_is_refused_in_words(tmp_path, content, words):
    with pytest.raises(ValueError, match=words):
        read(tmp_path, json.dumps(content), ".json")


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        (
            [
                "大家好",
                "我是李明",
                "今天天气",
                "很好我们",
                "去公园",
                "看看花",
                "然后吃饭",
                "回家休息",
                "明天再见",
                "谢谢大家",
            ],
            2.5,
        ),
        (["สวัสดีครับ"] * 10, 2.0),
    ],
)
def test_sentences_of_scripts_without_spaces_are_no_words(tmp_path, texts, seconds):
    chunks = [
        {"timestamp": [3.0 * i, 3.0 * i + seconds], "text": text} for i, text in enumerate(texts)
    ]
    found, notes = read(tmp_path, json.dumps({"chunks": chunks}), ".json")
    assert [cue.text for cue in found.cues] == texts and not notes


def test_words_of_scripts_without_spaces_are_joined_without_any(tmp_path):
    words = [
        "今日",
        "は",
        "とても",
        "良い",
        "天気",
        "です",
        "ね",
        "。",
        "散歩",
        "に",
        "行き",
        "ましょう",
        "。",
    ]
    chunks = [{"timestamp": [0.5 * i, 0.5 * i + 0.5], "text": w} for i, w in enumerate(words)]
    found, notes = read(tmp_path, json.dumps({"chunks": chunks}), ".json")
    assert spans(found) == [
        (0.0, 4.0, "今日はとても良い天気ですね。"),
        (4.0, 6.5, "散歩に行きましょう。"),
    ]
    assert not notes


def test_tokens_of_whisper_cpp_are_joined_to_words(tmp_path):
    tokens = [
        " And",
        " so",
        ",",
        " my",
        " fel",
        "low",
        " Ameri",
        "cans",
        ",",
        " as",
        "k",
        " not",
        ".",
    ]
    pieces = [
        {"offsets": {"from": 200 * i, "to": 200 * i + 200}, "text": token}
        for i, token in enumerate(tokens)
    ]
    found, _ = read(tmp_path, json.dumps({"transcription": pieces}), ".json")
    assert spans(found) == [(0.0, 2.6, "And so, my fellow Americans, ask not.")]


@pytest.mark.parametrize(
    "content",
    [
        {"params": {"translate": True}, "result": {"language": "de"}, "transcription": CPP},
        {"task": "translate", "language": "german", "segments": SEGMENTS},
    ],
)
def test_a_translation_is_one(tmp_path, content):
    found, _ = read(tmp_path, json.dumps(content), ".json")
    assert found.task == "translate" and found.language in ("de", "german")


def test_a_word_of_another_script_parts_no_transcript(tmp_path):
    words = {
        "今天我们": 0.0,
        "来谈": 0.9,
        "谈": 1.5,
        "智能": 2.0,
        "它": 10.0,
        "改变": 10.5,
        "了": 11.0,
        "世界": 11.4,
        " GPT": 19.0,
        "很": 19.5,
        "好": 20.0,
    }
    pieces = [
        {"offsets": {"from": round(1000 * at), "to": round(1000 * at + 400)}, "text": text}
        for text, at in words.items()
    ]
    found, _ = read(tmp_path, json.dumps({"transcription": pieces}), ".json")
    assert [cue.start for cue in found.cues] == [0.0, 10.0, 19.0]
    assert found.cues[1].text == "它改变了世界"


def test_the_language_of_a_translations_text_is_not_that_of_its_speech(tmp_path):
    content = {"task": "translate", "language": "english", "segments": SEGMENTS}
    found, _ = read(tmp_path, json.dumps(content), ".json")
    assert found.task == "translate" and not found.language
