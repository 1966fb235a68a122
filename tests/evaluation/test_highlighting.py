"""Outputs aligned with their references, word by word."""

from helpers.samples import sample

from whisper_ft.evaluation.highlighting import pieces


def test_words_are_told_apart_and_those_of_the_prompt_marked():
    one = sample("Ask Smyth and Reid now please.", "so ask Smith Reid now", "", None,
                 prompts=("Smyth, Reid", "", None),
                 prompt_terms=("Smyth", "Reid", "Mohr"))  # fmt: skip
    assert pieces(one, "right") == [
        ("insert", "", "so", False),
        ("spelling", "Ask", "ask", False),
        ("substitute", "Smyth", "Smith", False),
        ("delete", "and", "", False),
        ("equal", "Reid", "Reid", True),
        ("equal", "now", "now", False),
        ("delete", "please.", "", False),
    ]
    assert {piece.kind for piece in pieces(one, "none")} == {"delete"}
    assert pieces(one, "wrong") == []


def test_without_keywords_the_prompts_longer_words_are_marked_and_japanese_goes_by_character():
    prompts = ("vandelmohr", "", "")
    one = sample("東京 都", "東都", "", "", language="ja", prompts=prompts)
    assert [p.kind for p in pieces(one, "right")] == ["equal", "delete", "equal"]
    one = sample("東京 都", "the Vandelmohr", "", "", prompts=prompts)
    assert [p.in_prompt for p in pieces(one, "right") if p.output] == [False, True]
