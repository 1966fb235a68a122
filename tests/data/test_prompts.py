"""Which text stands before a row in training."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.manifests import NAMED_ROWS, NAMES, row
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.prompt_kinds import previous_ids
from whisper_ft.data.prompts import (
    PromptPolicy,
    example_rng,
    format_coverage,
    parse_policy,
    prompt_coverage,
)
from whisper_ft.text.terms import term_count
from whisper_ft.text.tokens import Segment


def drawn(policy, rows, index, tokenizer, *, turn=0, seed=0, timestamps=False):
    rng = example_rng(seed, turn, index)
    return policy(rows, index, rng, timestamps=timestamps, tokenizer=tokenizer)


def text_of(prompt, tokenizer):
    return prompt if isinstance(prompt, str) else tokenizer.decode(prompt)


TALK = [
    row(f"Sentence {n}.", recording="talk", audio=f"{n}.wav", duration=2.0)
    for n in ("one", "two", "three")
]


# --- the mixture


def test_kinds_come_at_their_rates_and_the_rest_is_none(english):
    rows = [row("Call Reid.", prompt="Vandel.", keywords=("Reid",))]
    policy = PromptPolicy(own=0.3, keywords=0.2, distractors=(0, 0))
    kinds = Counter(drawn(policy, rows, 0, english, turn=turn) for turn in range(4000))
    assert 1080 < kinds["Vandel."] < 1320
    assert 1850 < kinds[""] < 2300  # half, and those whose only term was dropped
    assert sum("Reid" in prompt and kinds[prompt] > 0 for prompt in kinds) >= 2


def test_a_kind_that_a_row_lacks_passes_its_share_to_the_rows_others(english):
    policy = PromptPolicy(own=0.3, previous=0.2, wrong=0.0)
    prompts = [drawn(policy, TALK, 1, english, turn=turn) for turn in range(2000)]
    assert 900 < sum(bool(prompt) for prompt in prompts) < 1100
    assert {text_of(p, english) for p in prompts if p} == {" Sentence one."}


def test_a_row_that_has_none_of_the_kinds_gets_no_prompt(english):
    policy = PromptPolicy(own=0.5, previous=0.3, keywords=0.1, carried=0.1)
    assert not any(drawn(policy, TALK, 0, english, turn=turn) for turn in range(100))


def test_no_shares_never_prompt(english):
    assert not any(drawn(PromptPolicy(), NAMED_ROWS, i, english) for i in range(100))


def test_every_visit_draws_anew_and_the_same_visit_the_same(english):
    policy = PromptPolicy(keywords=1.0)
    one = [drawn(policy, NAMED_ROWS, 3, english, turn=turn) for turn in range(20)]
    assert one == [drawn(policy, NAMED_ROWS, 3, english, turn=turn) for turn in range(20)]
    assert len(set(one)) == 20
    assert one[0] != drawn(policy, NAMED_ROWS, 3, english, seed=1)


def test_a_mixture_is_written_as_kinds_and_shares():
    assert parse_policy("own=.3, wrong=.05,", (1, 2)) == PromptPolicy(
        own=0.3, wrong=0.05, distractors=(1, 2)
    )
    assert parse_policy("", (5, 40)) == PromptPolicy()
    assert parse_policy("own=.7,previous=.1,wrong=.2", (5, 40)).own == 0.7  # 1 up to rounding


@pytest.mark.parametrize("text", ["own", "own=x", "own=1.1", "own=-.1", "onw=.5", "own=.5,own=.2"])
def test_a_wrong_mixture_is_named_with_its_remedy(text):
    with pytest.raises(ValueError, match=r"--prompts: .*(give|must|shares)"):
        parse_policy(text, (5, 40))
    with pytest.raises(ValueError, match=r"--distractors: .*the minimum, then the maximum"):
        parse_policy("own=.5", (40, 5))


# --- keywords


def test_keywords_stand_anywhere_among_as_many_distractors_as_set(english):
    policy = PromptPolicy(keywords=1.0, distractors=(7, 9))
    places, lengths = Counter(), set()
    for turn in range(600):
        prompt = drawn(policy, NAMED_ROWS, 3, english, turn=turn)
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
    ids = drawn(PromptPolicy(previous=1.0), TALK, 2, english)
    assert ids == english.encode(" Sentence one.") + english.encode(" Sentence two.")


def test_previous_text_has_timestamps_exactly_when_the_target_has(tokenizer):
    timed = drawn(PromptPolicy(previous=1.0), TALK, 2, tokenizer, timestamps=True)
    zero = tokenizer.timestamp_begin
    assert [t - zero for t in timed if t >= zero] == [0, 100, 0, 100]
    plain = drawn(PromptPolicy(previous=1.0), TALK, 2, tokenizer)
    assert max(plain) < tokenizer.eot


def test_the_nearest_223_ids_of_it_are_kept(english):
    rows = [row(f"{n} " + "word " * 60, recording="r") for n in range(9)]
    ids = drawn(PromptPolicy(previous=1.0), rows, 8, english)
    everything = [t for r in rows[:8] for t in english.encode(" " + r.text.strip())]
    assert ids == everything[-223:]


def test_silence_between_is_no_text_and_ends_nothing(english):
    rows = [TALK[0], row("", recording="talk"), TALK[2]]
    assert english.decode(drawn(PromptPolicy(previous=1.0), rows, 2, english)) == " Sentence one."


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
    assert drawn(PromptPolicy(previous=1.0), [*TALK, last], 3, english) == ""


def test_speakers_of_one_file_follow_each_other_and_its_order_counts(english):
    first = row("Yes?", recording="r", audio="r.wav", speaker="a", start=3.0)
    second = row("No.", recording="r", audio="r.wav", speaker="b", start=5.0)
    policy = PromptPolicy(previous=1.0)
    assert drawn(policy, [first, second], 1, english) == english.encode(" Yes?")
    assert drawn(policy, [second, first], 1, english) == ""


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
    for turn in range(400):
        rng = example_rng(0, turn, 1)
        ids = previous_ids(rows, 1, rng, timestamps=True, tokenizer=english)
        shapes[ids == [*pair, zero + 1250], ids == pair] += 1
    assert set(shapes) == {(True, False), (False, True)} and min(shapes.values()) > 150
    # once the segment was heard whole, its cut start is history
    after = previous_ids(rows, 2, example_rng(0, 0, 2), timestamps=True, tokenizer=english)
    assert after == [*pair, zero, *english.encode(" Two."), zero + 400]


def test_a_row_that_says_again_what_was_said_has_no_previous_text(english):
    rows = [
        row("alpha beta gamma delta", recording="r", audio="x", start=0.0, duration=20.0),
        row("gamma delta epsilon", recording="r", audio="x", start=10.0, duration=20.0),
    ]
    assert drawn(PromptPolicy(previous=1.0), rows, 1, english) == ""


# --- carried


def test_carried_is_the_prompt_or_glossary_then_the_text_before(english):
    rows = [*TALK[:2], row("Call Reid.", recording="talk", audio="r.wav", prompt="Reid, Mohr.")]
    ids = drawn(PromptPolicy(carried=1.0), rows, 2, english)
    assert ids == [t for text in ("Reid, Mohr.", *(r.text for r in TALK[:2]))
                   for t in english.encode(" " + text)]  # fmt: skip
    keyed = [*TALK[:2], row("Call Reid.", recording="talk", audio="r.wav", keywords=("Reid",))]
    policy = PromptPolicy(carried=1.0, distractors=(0, 0))
    prompts = {text_of(drawn(policy, keyed, 2, english, turn=t), english) for t in range(30)}
    assert any(p.startswith(" Reid Sentence one. Sentence two.") for p in prompts)


def test_a_carried_glossary_leaves_room_for_history_and_both_fit_together(english):
    history = [row("word " * 300, recording="r"), row("Last.", recording="r", prompt="x " * 400)]
    ids = drawn(PromptPolicy(carried=1.0), history, 1, english)
    assert len(ids) == 223 and ids[:222] == english.encode(" " + "x " * 399 + "x")[-222:]
    assert ids[222:] == english.encode(" " + "word " * 299 + "word")[-1:]


def test_without_history_or_without_a_glossary_nothing_is_carried(english):
    assert drawn(PromptPolicy(carried=1.0), [row(prompt="Reid.", recording="r")], 0, english) == ""
    assert drawn(PromptPolicy(carried=1.0), TALK, 2, english) == ""


# --- style


LOWER = [row(f"say {n} again") for n in ("one", "two", "three")]
CASED = [row(f"Say {n} again, please.") for n in ("four", "five", "six")]


@pytest.mark.parametrize(("index", "alike"), [(0, LOWER), (4, CASED)])
def test_style_is_another_text_written_as_the_rows_is(english, index, alike):
    rows = [*LOWER, *CASED]
    others = {r.text for r in alike} - {rows[index].text}
    policy = PromptPolicy(style=1.0)
    assert {drawn(policy, rows, index, english, turn=t) for t in range(50)} == others


def test_where_all_rows_are_written_alike_there_is_no_style_to_tell(english):
    assert not any(drawn(PromptPolicy(style=1.0), LOWER, 0, english, turn=t) for t in range(20))


def test_neither_a_style_nor_a_wrong_prompt_gives_the_text_away(english):
    said = ["Where is it?", "We have to go now, all of us."]
    rows = [row(text, speaker=str(i)) for i in range(6) for text in said] + LOWER
    for kind in ("style", "wrong"):
        policy = PromptPolicy(style=0.5, wrong=0.5) if kind == "wrong" else PromptPolicy(style=1.0)
        for index in (0, 1):
            prompts = {drawn(policy, rows, index, english, turn=t) for t in range(60)}
            assert said[index] not in prompts and said[1 - index] in prompts


# --- wrong


def test_a_wrong_prompt_is_another_rows_and_holds_none_of_this_rows_keywords(english):
    rows = [
        row("Call Reid.", prompt="Reid.", keywords=("Reid",)),
        row("Call Mohr.", prompt="Mohr.", keywords=("Mohr",)),
        row("Call Mohr or Reid.", prompt="Mohr and REID.", keywords=("Mohr", "Reid")),
    ]
    prompts = {drawn(PromptPolicy(wrong=1.0), rows, 0, english, turn=t) for t in range(100)}
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
    prompts = {drawn(PromptPolicy(wrong=1.0), rows, 0, english, turn=t) for t in range(60)}
    assert prompts == {"Wrong."} or prompts == {"Wrong.", ""}
    silent = [row(""), *rows[1:]]
    heard = {drawn(PromptPolicy(wrong=1.0), silent, 0, english, turn=t) for t in range(60)}
    assert {"Wrong.", "another style"} <= heard  # silence is written in no style


def test_a_wrong_prompt_is_of_the_kinds_that_the_policy_trains(english):
    rows = [row("Call Reid."), row("Call Mohr.", prompt="Own.", keywords=("Mohr",))]
    policy = PromptPolicy(wrong=1.0, own=1e-9)
    assert {drawn(policy, rows, 0, english, turn=t) for t in range(60)} <= {"Own.", ""}


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
        for turn in range(40):
            for index, own, other in ((0, "Wort", "word"), (50, "word", "Wort")):
                prompt = drawn(policy, rows, index, get_tokenizer(True), turn=turn)
                assert (kind == "style" and not prompt) or (own in prompt and other not in prompt)


def test_a_wrong_prompt_is_of_another_recording_whatever_kind_it_is(english):
    """Another row's style prompt may be a text of this row's own recording."""
    rows = [row(f"text {i} of it", recording=f"r{i % 3}") for i in range(20)]
    rows += [row(f"Text {i}, of it.", recording=f"r{i % 3}") for i in range(20)]
    policy = PromptPolicy(style=1e-9, wrong=1 - 1e-9)
    wrongs = {drawn(policy, rows, 0, english, turn=turn) for turn in range(200)} - {""}
    assert wrongs and not wrongs & {one.text for one in rows if one.recording == "r0"}


def test_segments_that_say_nothing_or_take_no_time_are_not_previous_text(english):
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


def test_it_is_told_how_many_rows_have_each_kind_that_is_drawn():
    rows = [
        row("one two", recording="r", audio="0.wav", duration=1.0, prompt="a", keywords=("one",)),
        row("three four", recording="r", audio="1.wav", duration=1.0, keywords=("four",)),
        row("five", duration=1.0),
    ]
    rows = [replace(one, follows=i > 0) for i, one in enumerate(rows)]
    every = parse_policy("own=.1,previous=.1,keywords=.1,carried=.1,style=.1,wrong=.1", (0, 1))
    assert prompt_coverage(every, rows) == {
        "own": 1, "previous": 1, "keywords": 2, "carried": 1, "style": 0
    }  # fmt: skip
    assert format_coverage(PromptPolicy(own=0.5, keywords=0.1), rows) == (
        "rows with each kind of prompt, of 3: own 1, keywords 2"
    )
    assert format_coverage(PromptPolicy(wrong=0.5), rows) == ""
    assert format_coverage(PromptPolicy(own=0.5, style=0.1), rows[2:]) == (
        "no row has a prompt of the kinds own, style: training will use no prompts of these kinds"
    )
