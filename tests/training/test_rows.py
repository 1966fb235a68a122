"""Which rows a run trains and is evaluated on."""

import json

import pytest
from helpers.manifests import write_manifest
from helpers.models import random_whisper, save_whisper
from helpers.runs import plan_of

from whisper_ft.training.loop import train


def test_bad_rows_can_be_left_out_each_named(argv, corpus, logged):
    rows = [json.loads(line) for line in corpus[0].read_text().splitlines()]
    rows[3]["audio"] = "gone.wav"
    write_manifest(corpus[0], rows)
    plan = plan_of([*argv, "--skip-bad-rows"])
    text = logged()
    assert len(plan.examples.rows) == 4
    assert "left out: " in text and "train.jsonl:4: audio" in text and "4 remain" in text


def test_a_manifest_with_no_usable_row_is_an_error_even_then(argv, corpus):
    write_manifest(corpus[0], [{"audio": "gone.wav", "text": "x"}])
    with pytest.raises(ValueError, match=r"gone.wav: no such file"):
        plan_of([*argv, "--skip-bad-rows"])


def test_dev_rows_that_are_training_rows_are_told(argv, corpus, logged):
    plan_of(argv)
    assert "share audio or words" not in logged()
    argv[argv.index("--out") + 1] += "-leaked"
    argv[argv.index("--dev") + 1] = str(corpus[0])
    plan_of(argv)
    assert "5 of 5 rows share audio or words with training rows" in logged()


def test_what_is_wrong_with_other_rows_comes_with_all_other_problems(argv, corpus):
    flags = ["--others", str(corpus[1]), "--prompts", "own=2", "--epochs", "0"]
    with pytest.raises(ValueError, match="--others: 2 rows: too few") as problems:
        plan_of([*argv, *flags])
    assert "--prompts: " in str(problems.value) and "--epochs: " in str(problems.value)


def without_keywords(path, text=None):
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    write_manifest(path, [{"audio": row["audio"], "text": text or row["text"]} for row in rows])


def test_rows_without_keywords_get_those_that_are_found_and_this_is_said(argv, corpus, logged):
    for path in corpus:
        without_keywords(path)
    plan = plan_of(argv)
    said = logged()
    assert "train.jsonl: 5 keywords in 5 of 5 rows, by auto (rules 1, " in said
    assert plan.examples.rows[0].keywords == ("Kathryn",)
    assert plan.dev.right_prompts != [""] * 2 and plan.dev.keyword_source.startswith("auto ")
    assert plan.run_config().to_json()["keyword_source"].startswith("auto ")


def test_what_is_done_where_no_keyword_is_found_is_said_before_training(argv, corpus, logged):
    without_keywords(corpus[0], "Good day to you.")
    plan_of(argv)
    said = logged()
    assert "train.jsonl: no keywords were found" in said and "other kinds of prompt" in said


def test_a_few_training_rows_have_wrong_lists_too(argv, corpus):
    (row, *_) = [json.loads(line) for line in corpus[0].read_text().splitlines()]
    texts = [f"Call Quill{i} and Drew{i} about Kite{i}." for i in range(40)]
    rows = [
        {"audio": row["audio"], "text": text, "keywords": text[5:-1].split(" ")[::2]}
        for text in texts
    ]
    write_manifest(corpus[0], rows)
    sample = plan_of([*argv, "--eval-rows", "4"]).train_sample
    assert len(sample.rows) == 4 and all(sample.right_prompts) and all(sample.wrong_prompts)


@pytest.mark.parametrize(
    ("changed", "score", "lacking", "instead"),
    [
        ({"keywords": []}, "keyword_recall", "keywords", "loss"),
        (
            {"text": "東京に行った", "language": "ja", "keywords": ["東京"]},
            *("b_wer", "keywords and a language with spaces", "loss"),
        ),
        ({"text": "", "keywords": [], "prompt": ""}, "prompted_wer", "words", "last checkpoint"),
    ],
)
def test_where_dev_rows_cannot_have_the_score_another_one_chooses_and_this_is_said(
    argv, corpus, tmp_path, logged, changed, score, lacking, instead
):
    rows = [json.loads(line) for line in corpus[1].read_text().splitlines()]
    write_manifest(corpus[1], [row | changed for row in rows])
    model = save_whisper(random_whisper(51865), tmp_path / "multilingual.pt")
    argv[argv.index("--model") + 1] = str(model)
    result = train(plan_of([*argv, "--keywords", "off", "--best-by", score]))
    said = logged()
    assert f"--best-by: {score}: none of the 2 dev rows of an evaluation has {lacking}" in said
    assert instead in said and result.reason == "finished"
    if "last" in instead:
        assert result.best_step == 7
