"""What tuning has spoiled in whole recordings, in words."""

import pytest
from helpers.longform import longform_result, longform_sample

from whisper_ft.evaluation.longform_change import describe_longform_change

WORDS = [f"word{i}" for i in range(200)]
SAID = [(0, 60, " ".join(WORDS))]


def written(words, n_segments=10):
    step = -(-len(words) // n_segments)
    return [(i, i + 1, " ".join(words[i : i + step])) for i in range(0, len(words), step)]


def change(before, after, **fields):
    stock, tuned = (longform_result(longform_sample(SAID, w, **fields)) for w in (before, after))
    return describe_longform_change(stock, tuned)


def test_a_model_that_writes_as_before_gets_no_warning():
    slightly = ["other", *WORDS[1:]]  # half a point
    assert change(written(WORDS), written(slightly, 8)) == []
    assert change(written(slightly), written(WORDS, 12)) == []


def test_a_higher_word_error_rate_is_told():
    (warning,) = change(written(WORDS), written(["other", "others", *WORDS[2:]]))
    assert (
        warning == "without an initial prompt, the WER of whole recordings rises from 0.0 to 1.0 %"
    )


@pytest.mark.parametrize(("n", "shown"), [(7, "7.0"), (13, "13.0")])
def test_fewer_or_more_segments_are_told(n, shown):
    (warning,) = change(written(WORDS, 10), written(WORDS, n))
    assert warning.endswith(f"are cut into {shown} segments a minute instead of 10.0")


def test_a_new_loop_is_told_with_its_place_and_one_that_stock_has_is_not():
    looping = written([*WORDS, *["so"] * 10])
    told = change(written(WORDS), looping, place="folder/dev.jsonl:7 and 3 more")
    assert told[1:] == [
        "without an initial prompt, 1 loop that stock lacks: folder/dev.jsonl:7 and 3 more"
    ]
    assert change(looping, looping) == []
    assert change(looping, written([*WORDS, *["so"] * 10, *WORDS[:10], *["no"] * 10]))[1:] != []


def test_a_new_skip_is_told_though_stock_skips_elsewhere():
    first, second = (written([*WORDS[:i], *WORDS[i + 9 :]]) for i in (20, 90))
    (warning,) = change(first, second)
    assert "1 skip that stock lacks, of 8 or more words (or" in warning
    assert "left out: m.jsonl:1" in warning
    assert change(first, first) == []


def test_each_condition_that_both_decoded_is_told():
    good, bad = written(WORDS), written(["other"] * 3 + WORDS[3:])
    stock = longform_result(
        longform_sample(SAID, good, outputs={"right_carried": good, "wrong": good})
    )
    tuned = longform_result(longform_sample(SAID, good, outputs={"right_carried": bad}))
    (warning,) = describe_longform_change(stock, tuned)
    assert warning.startswith("with the right initial prompt carried along, the WER")


def test_silence_and_recordings_of_no_words_change_nothing():
    silent = longform_result(longform_sample([], [(0, 1, "so " * 20)], no_speech_prob=0.5))
    assert describe_longform_change(longform_result(longform_sample([], [])), silent) == []


def test_results_of_other_recordings_are_refused():
    with pytest.raises(ValueError, match="not of the same recordings"):
        describe_longform_change(
            longform_result(longform_sample(SAID, SAID)),
            longform_result(longform_sample(SAID, SAID, place="other:1")),
        )


def test_with_a_prompt_more_segments_are_no_loss_and_fewer_are_told():
    plain, some, more = written(WORDS), written(WORDS, 2), written(WORDS, 6)
    few, many = (
        longform_result(longform_sample(SAID, plain, outputs={"right_carried": segments}))
        for segments in (some, more)
    )
    assert describe_longform_change(few, many) == []
    (warning,) = describe_longform_change(many, few)
    assert "cut into 2.0 segments a minute instead of 6.0" in warning
