"""A manifest on one screen."""

from helpers.validation import MULTILINGUAL, write_and_check

from whisper_ft.validation.checks import CheckedManifest
from whisper_ft.validation.summary import format_summary, summarize


def test_a_summary_has_hours_languages_lengths_cut_prompts_and_warnings_by_kind(folder):
    rows = [{"audio": "0.wav", "text": f"Say [{word}].", "language": "en"} for word in "abcdef"]
    german = {"audio": "1.wav", "text": "Guten Tag.", "language": "de", "prompt": "wort " * 300}
    found = write_and_check(folder, *rows, german, name="m.jsonl")
    summary = summarize("m.jsonl", found, MULTILINGUAL)
    assert summary.cut_prompts.n_rows == 1 and summary.cut_prompts.most > 70
    assert sum(summary.n_by_tokens.values()) == 7
    text = "\n".join(format_summary(summary, all_warnings=False))
    for words in (
        "m.jsonl: 7 rows, 0.00 h; 1 with prompt",
        "languages: en 6 (0.00 h), de 1 (0.00 h)",
        "1-16      7 " + "#" * 40,
        "prompts that lose their first tokens: 1 (",
        "6 x text: '[': stock decoding never writes it",
        "(line 1, 2, 3, 4, ...)",
        "0 problems, 7 warnings: --all-warnings lists each",
    ):
        assert words in text, words
    listed = "\n".join(format_summary(summary, all_warnings=True))
    assert listed.count("warning: ") == 7


def test_an_empty_manifest_has_a_summary_too():
    summary = summarize("m.jsonl", CheckedManifest(), None)
    assert list(format_summary(summary, all_warnings=False)) == [
        "m.jsonl: 0 rows, 0.00 h",
        "  0 problems, 0 warnings",
    ]


def test_many_problems_are_grouped_by_kind_and_few_are_listed(folder):
    lines = [{"audio": "0.wav", "text": "Hi there.", "language": f"x{i}"} for i in range(30)]
    found = write_and_check(folder, *lines, {"audio": "gone.wav", "text": "Hi."}, name="m.jsonl")
    summary = summarize("m.jsonl", found, MULTILINGUAL)
    lines = list(format_summary(summary, all_warnings=False))
    assert (
        "  problem:    30 x language: 'x0': whisper has no such language: give a code such as en"
        in (line.partition(" (line 1, 2, 3, 4, ...)")[0] for line in lines)
    )
    assert len(lines) < 10 and lines[-1] == "  31 problems, 0 warnings: --all-warnings lists each"
    assert len(list(format_summary(summary, all_warnings=True))) > 31
    few = write_and_check(folder, {"audio": "gone.wav", "text": "Hi."}, name="few.jsonl")
    summary = summarize("few.jsonl", few, MULTILINGUAL)
    text = "\n".join(format_summary(summary, all_warnings=False))
    assert f"{folder}/few.jsonl:1: audio: {folder}/gone.wav: no such file" in text
