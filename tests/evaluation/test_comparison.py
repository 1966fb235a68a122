"""What changed, with paired intervals."""

import pytest
from helpers.samples import sample

from whisper_ft.evaluation.comparison import (
    Side,
    compare_evaluations,
    compare_prompts,
    most_different,
)
from whisper_ft.evaluation.tables import changes_table


def row(number, right, none, wrong, language="en", **fields):
    return sample("alpha beta gamma delta", right, none, wrong, language=language,
                  prompts=("a", "", "b"), place=f"m:{number}", number=number, **fields)  # fmt: skip


FULL, LACKING = "alpha beta gamma delta", "alpha beta gamma"


def test_within_one_evaluation_prompts_are_compared_with_none_on_rows_that_have_them():
    samples = [row(i, FULL, LACKING, None if i else FULL) for i in range(4)]
    right, wrong = compare_prompts(samples, "wer")
    assert (right.n_rows, right.before, right.after) == (4, 0.25, 0.0)
    assert right.interval == pytest.approx((-0.25, -0.25))
    assert wrong.n_rows == 1


def test_between_two_each_prompt_and_each_language_is_compared():
    before = [row(i, FULL, LACKING, LACKING, "de" if i % 2 else "en") for i in range(6)]
    after = [row(i, FULL, FULL if i % 2 else LACKING, FULL, "de" if i % 2 else "en")
             for i in range(6)]  # fmt: skip
    changes = {change.label: change for change in compare_evaluations(before, after, "wer")}
    assert list(changes) == ["right", "none", "wrong", "en", "de"]
    assert changes["none"].after == 0.125 and changes["wrong"].after == 0.0
    assert (changes["en"].after, changes["de"].after) == (0.25, 0.0)
    said = changes_table(list(changes.values()), "wer")
    assert "de                         3     25.0%      0.0%     -25.0   [-25.0, -25.0]" in said


def test_other_rows_are_refused():
    twice = [row(1, FULL, FULL, FULL)] * 2
    with pytest.raises(ValueError, match="a row comes twice"):
        compare_prompts(twice, "wer")
    with pytest.raises(ValueError, match="not of the same rows and prompts"):
        compare_evaluations([row(1, FULL, FULL, FULL)], [row(2, FULL, FULL, FULL)], "wer")


def test_keywords_that_were_found_in_another_way_are_refused_in_words():
    before, after = (
        [row(1, FULL, FULL, FULL, keyword_source=source)] for source in ("manifest", "auto 1")
    )
    with pytest.raises(ValueError, match=r"manifest before, auto 1 after: .* same --keywords"):
        compare_evaluations(before, after, "wer")
    assert compare_evaluations(after, after, "wer")


def verdicts(n, name="wer", keywords=(), better=LACKING, worse=FULL, recordings=()):
    rows = [
        row(i, better, worse, worse, keywords=keywords, recording=(recordings or [""] * n)[i])
        for i in range(n)
    ]
    return [change.verdict for change in compare_prompts(rows, name)]


def test_a_change_whose_whole_interval_is_on_one_side_is_judged_by_the_scores_direction():
    assert verdicts(20, better=FULL, worse=LACKING) == ["better", ""]
    assert verdicts(20, better=LACKING, worse=FULL) == ["worse", ""]
    assert verdicts(20, "keyword_recall", ["delta"], better=FULL, worse=LACKING) == ["better", ""]
    assert verdicts(20, "keyword_recall", ["delta"], better=LACKING, worse=FULL) == ["worse", ""]


def test_of_few_rows_or_recordings_there_is_no_verdict():
    assert verdicts(9, better=FULL, worse=LACKING)[0] == ""
    said = changes_table(
        compare_prompts([row(i, FULL, LACKING, FULL) for i in range(9)], "wer"), "wer"
    )
    assert said.endswith("With fewer than 10 rows or recordings there is no verdict.")
    few = [f"r{i % 4}" for i in range(20)]
    assert verdicts(20, better=FULL, worse=LACKING, recordings=few)[0] == ""
    many = [f"r{i % 12}" for i in range(24)]
    assert verdicts(24, better=FULL, worse=LACKING, recordings=many)[0] == "better"


def test_where_no_row_has_a_wrong_prompt_nothing_is_compared():
    right, wrong = compare_prompts([row(i, FULL, LACKING, None) for i in range(3)], "wer")
    assert wrong.n_rows == 0 and wrong.interval is None and right.n_rows == 3
    assert "-" in changes_table([wrong], "wer")


def test_one_row_shows_its_change_without_an_interval():
    said = changes_table(compare_prompts([row(1, FULL, LACKING, FULL)], "wer"), "wer")
    assert "25.0%      0.0%     -25.0\n" in said


def test_rows_whose_errors_differ_most_come_first():
    def side(name, *texts):
        references = ("a b c", "a b c", "a")
        samples = [
            sample(reference, *[text] * 3, place=f"m:{number}")
            for number, (reference, text) in enumerate(zip(references, texts, strict=True), start=1)
        ]
        return Side(samples, "right", name)

    sides = side("one", "a b c", "a", "a"), side("two", "a b", "a b c", "a")
    assert most_different(*sides, 5) == [
        *("m:2: 2 -> 0 word errors", "  reference: a b c", "  one: a", "  two: a b c"),
        *("m:1: 0 -> 1 word errors", "  reference: a b c", "  one: a b c", "  two: a b"),
    ]
    assert len(most_different(*sides, 1)) == 4
