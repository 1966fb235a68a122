"""Each kind of prompt that an example can get."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.manifests import NAMED_ROWS, NAMES, row
from helpers.prompts import TALK, draw_prompt, draw_prompts, prompt_text
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.prompt_kinds import previous_ids
from whisper_ft.data.prompts import PromptPolicy, example_rng
from whisper_ft.text.terms import term_count
from whisper_ft.text.tokens import Segment

# --- keywords


def test_keywords_stand_anywhere_among_the_set_number_of_distractors(english):
    policy = PromptPolicy(keywords=1.0, distractors=(7, 9))
    places, lengths = Counter(), set()
    for number in range(600):
        prompt = draw_prompt(policy, NAMED_ROWS, 3, english, pass_number=number)
        listed = [name for name in NAMES if term_count(name, prompt)]
        lengths.add(len(listed))
        ordered = sorted(listed, key=prompt.index)
        if NAMES[3] in ordered:
            places[4 * ordered.index(NAMES[3]) // len(ordered)] += 1
    assert lengths == {7, 8, 9, 10}  # 7 where the right one was dropped
    assert min(places.values()) > 90 and len(places) == 4
    assert 500 < sum(places.values()) < 580


# --- previous


def test_previous_text_is_that_before_the_row_nearest_last(english):
    ids = draw_prompt(PromptPolicy(previous=1.0), TALK, 2, english)
    assert ids == english.encode(" Sentence one.") + english.encode(" Sentence two.")


def test_previous_text_has_timestamps_exactly_when_the_target_has(tokenizer):
    with_times = draw_prompt(PromptPolicy(previous=1.0), TALK, 2, tokenizer, timestamps=True)
    zero = tokenizer.timestamp_begin
    assert [t - zero for t in with_times if t >= zero] == [0, 100, 0, 100]
    plain = draw_prompt(PromptPolicy(previous=1.0), TALK, 2, tokenizer)
    assert max(plain) < tokenizer.eot


def test_the_nearest_223_ids_of_it_are_kept(english):
    rows = [row(f"{n} " + "word " * 60, recording="r") for n in range(9)]
    ids = draw_prompt(PromptPolicy(previous=1.0), rows, 8, english)
    everything = [t for r in rows[:8] for t in english.encode(" " + r.text.strip())]
    assert ids == everything[-223:]


def test_silence_between_is_no_text_and_ends_nothing(english):
    rows = [TALK[0], row("", recording="talk"), TALK[2]]
    assert (
        english.decode(draw_prompt(PromptPolicy(previous=1.0), rows, 2, english))
        == " Sentence one."
    )


@pytest.mark.parametrize(
    "change",
    [
        {"recording": "other"},
        {"recording": ""},
        {"follows": False},
        {"channel": 1},
        {"language": "de"},
        {"task": "translate"},
        {"speaker": "someone else"},  # with another file: a name that two speakers' files share
    ],
)
def test_previous_text_ends_where_a_row_does_not_follow_the_one_before(english, change):
    last = row(**{"text": "Last.", "recording": "talk", "audio": "last.wav", **change})
    assert draw_prompt(PromptPolicy(previous=1.0), [*TALK, last], 3, english) == ""


def test_speakers_of_one_file_follow_each_other_and_its_order_counts(english):
    first = row("Yes?", recording="r", audio="r.wav", speaker="a", start=3.0)
    second = row("No.", recording="r", audio="r.wav", speaker="b", start=5.0)
    policy = PromptPolicy(previous=1.0)
    assert draw_prompt(policy, [first, second], 1, english) == english.encode(" Yes?")
    assert draw_prompt(policy, [second, first], 1, english) == ""


def test_the_start_of_a_cut_segment_ends_half_of_the_prompts_with_times(english):
    cut = (Segment(0.0, 20.0, "One."), Segment(25.0, 33.0, "Two."))
    rows = [
        row("One.", recording="r", segments=cut, duration=30.0),
        row("Two.", recording="r", start=25.0, duration=8.0),
        row("Three.", recording="r", start=33.0, duration=8.0),
    ]
    zero = english.timestamp_begin
    pair = [zero, *english.encode(" One."), zero + 1000]
    shapes = Counter()
    for number in range(400):
        rng = example_rng(0, number, 1)
        ids = previous_ids(rows, 1, rng, timestamps=True, tokenizer=english)
        shapes[ids == [*pair, zero + 1250], ids == pair] += 1
    assert set(shapes) == {(True, False), (False, True)} and min(shapes.values()) > 150
    # after the whole segment, its cut start is not in the previous text
    after = previous_ids(rows, 2, example_rng(0, 0, 2), timestamps=True, tokenizer=english)
    assert after == [*pair, zero, *english.encode(" Two."), zero + 400]


def test_a_row_that_repeats_audio_has_no_previous_text(english):
    rows = [
        row("alpha beta gamma delta", recording="r", audio="x", start=0.0, duration=20.0),
        row("gamma delta epsilon", recording="r", audio="x", start=10.0, duration=20.0),
    ]
    assert draw_prompt(PromptPolicy(previous=1.0), rows, 1, english) == ""


# --- carried


def test_carried_is_the_prompt_or_keywords_and_then_the_previous_text(english):
    rows = [*TALK[:2], row("Call Reid.", recording="talk", audio="r.wav", prompt="Reid, Mohr.")]
    ids = draw_prompt(PromptPolicy(carried=1.0), rows, 2, english)
    assert ids == [t for text in ("Reid, Mohr.", *(r.text for r in TALK[:2]))
                   for t in english.encode(" " + text)]  # fmt: skip
    keyed = [*TALK[:2], row("Call Reid.", recording="talk", audio="r.wav", keywords=("Reid",))]
    policy = PromptPolicy(carried=1.0, distractors=(0, 0))
    prompts = {
        prompt_text(draw_prompt(policy, keyed, 2, english, pass_number=t), english)
        for t in range(30)
    }
    assert any(p.startswith(" Reid Sentence one. Sentence two.") for p in prompts)


def test_a_carried_prompt_leaves_tokens_for_the_history_and_both_fit(english):
    history = [row("word " * 300, recording="r"), row("Last.", recording="r", prompt="x " * 400)]
    ids = draw_prompt(PromptPolicy(carried=1.0), history, 1, english)
    assert len(ids) == 223 and ids[:222] == english.encode(" " + "x " * 399 + "x")[-222:]
    assert ids[222:] == english.encode(" " + "word " * 299 + "word")[-1:]


def test_without_history_or_without_a_prompt_nothing_is_carried(english):
    assert (
        draw_prompt(PromptPolicy(carried=1.0), [row(prompt="Reid.", recording="r")], 0, english)
        == ""
    )
    assert draw_prompt(PromptPolicy(carried=1.0), TALK, 2, english) == ""


# --- style


LOWER = [row(f"say {n} again") for n in ("one", "two", "three")]
CASED = [row(f"Say {n} again, please.") for n in ("four", "five", "six")]


@pytest.mark.parametrize(("index", "alike"), [(0, LOWER), (4, CASED)])
def test_style_is_another_text_in_the_rows_style(english, index, alike):
    rows = [*LOWER, *CASED]
    others = {r.text for r in alike} - {rows[index].text}
    policy = PromptPolicy(style=1.0)
    assert set(draw_prompts(policy, rows, index, english, n=50)) == others


def test_rows_of_one_style_get_no_style_prompt(english):
    assert not any(
        draw_prompt(PromptPolicy(style=1.0), LOWER, 0, english, pass_number=t) for t in range(20)
    )


def test_neither_a_style_nor_a_wrong_prompt_reveals_the_text(english):
    said = ["Where is it?", "We have to go now, all of us."]
    rows = [row(text, speaker=str(i)) for i in range(6) for text in said] + LOWER
    for kind in ("style", "wrong"):
        policy = PromptPolicy(style=0.5, wrong=0.5) if kind == "wrong" else PromptPolicy(style=1.0)
        for index in (0, 1):
            prompts = set(draw_prompts(policy, rows, index, english, n=60))
            assert said[index] not in prompts and said[1 - index] in prompts


# --- wrong


def test_a_wrong_prompt_is_another_rows_and_holds_none_of_this_rows_keywords(english):
    rows = [
        row("Call Reid.", prompt="Reid.", keywords=("Reid",)),
        row("Call Mohr.", prompt="Mohr.", keywords=("Mohr",)),
        row("Call Mohr or Reid.", prompt="Mohr and REID.", keywords=("Mohr", "Reid")),
    ]
    prompts = {
        draw_prompt(PromptPolicy(wrong=1.0), rows, 0, english, pass_number=t) for t in range(100)
    }
    assert all(not term_count("Reid", p, cased=False) for p in prompts)
    assert any("Mohr" in p for p in prompts)


def test_a_wrong_prompt_is_of_the_rows_language_and_style_and_of_another_recording(english):
    same = {"recording": "r", "prompt": "Same recording."}
    rows = [
        row("Call Reid.", **same),
        row("Call Mohr.", **same),
        row("call mohr", prompt="another style"),
        row("Ruf Mohr.", prompt="Andere Sprache.", language="de"),
        row("Ask Quill.", prompt="Wrong."),
    ]
    prompts = {
        draw_prompt(PromptPolicy(wrong=1.0), rows, 0, english, pass_number=t) for t in range(60)
    }
    assert prompts == {"Wrong."} or prompts == {"Wrong.", ""}
    silent = [row(""), *rows[1:]]
    prompts = {
        draw_prompt(PromptPolicy(wrong=1.0), silent, 0, english, pass_number=t) for t in range(60)
    }
    assert {"Wrong.", "another style"} <= prompts  # silence is written in no style


def test_a_wrong_prompt_is_of_the_kinds_that_the_policy_trains(english):
    rows = [row("Call Reid."), row("Call Mohr.", prompt="Own.", keywords=("Mohr",))]
    policy = PromptPolicy(wrong=1.0, own=1e-9)
    assert set(draw_prompts(policy, rows, 0, english, n=60)) <= {"Own.", ""}


def test_a_translations_prompts_are_english_as_its_text_is():
    """Rows of one language, some to be written in it and some in English."""
    german = [row(f"Wort{i} Haus.", language="de", keywords=(f"Wort{i}",)) for i in range(40)]
    english = [
        row(f"word{i} house", language="de", task="translate", keywords=(f"word{i}",))
        for i in range(40)
    ]
    rows = [*german, *english]
    for kind in ("style", "keywords", "wrong"):
        policy = PromptPolicy(**{kind: 1.0}, distractors=(5, 5))
        for number in range(40):
            for index, own, other in ((0, "Wort", "word"), (50, "word", "Wort")):
                prompt = draw_prompt(policy, rows, index, get_tokenizer(True), pass_number=number)
                assert (kind == "style" and not prompt) or (own in prompt and other not in prompt)


def test_a_wrong_prompt_is_of_another_recording_whatever_kind_it_is(english):
    """Another row's style prompt may be a text of this row's own recording."""
    rows = [row(f"text {i} of it", recording=f"r{i % 3}") for i in range(20)]
    rows += [row(f"Text {i}, of it.", recording=f"r{i % 3}") for i in range(20)]
    policy = PromptPolicy(style=1e-9, wrong=1 - 1e-9)
    wrongs = {
        draw_prompt(policy, rows, 0, english, pass_number=number) for number in range(200)
    } - {""}
    assert wrongs and not wrongs & {one.text for one in rows if one.recording == "r0"}


def test_segments_without_text_or_length_are_not_previous_text(english):
    segments = (
        Segment(0.0, 2.0, "Yes."),
        Segment(2.0, 3.0, " "),
        Segment(3.0, 3.0, "No."),
        Segment(3.0, 4.0, "So."),
    )
    rows = [row("Yes. So.", segments=segments, duration=4.0), row("Then.", duration=1.0)]
    rows = [replace(one, recording="r", audio=Path(f"{i}.wav")) for i, one in enumerate(rows)]
    ids = previous_ids(rows, 1, random.Random(0), timestamps=True, tokenizer=english)
    zero = english.timestamp_begin
    yes, so = english.encode(" Yes."), english.encode(" So.")
    assert ids == [zero, *yes, zero + 100, zero + 150, *so, zero + 200]
