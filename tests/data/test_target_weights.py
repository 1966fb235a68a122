"""What the targets of a text weigh."""

import random
from pathlib import Path

import pytest
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.bpe_dropout import DroppingTokenizer
from whisper_ft.data.respelling import Lexicon
from whisper_ft.data.row import Row
from whisper_ft.data.target_weights import UNLISTED_WEIGHT, TargetWeights
from whisper_ft.text.tokens import IGNORE, Segment, build_example

TEXT_WEIGHT = 0.25


def weigh(tokenizer, text, prompt, keywords, spellings=None, **options):
    """Return (targets, their weights)."""
    segments = tuple(options.get("segments", ()))
    row = Row(Path("a.wav"), text, keywords=keywords, segments=segments)
    lexicon = Lexicon.of_rows([row, Row(Path("b.wav"), "", keywords=("Mohr",))])
    said = text
    for plain, spelling in (spellings or {}).items():
        said = said.casefold().replace(plain, spelling)
    _, targets = build_example(tokenizer, said, prompt, **options)
    weights = TargetWeights(TEXT_WEIGHT, lexicon)(tokenizer, targets, prompt, row, spellings or {})
    assert {len(values) for values in weights} == {len(targets)}
    return targets, weights


def learned(tokenizer, *args, **options):
    """Return the words of a text that are learned as terms, which the teacher leaves alone."""
    targets, weights = weigh(tokenizer, *args, **options)
    pairs = [
        (target, pair)
        for target, *pair in zip(targets, weights.loss, weights.teacher, strict=True)
        if target != IGNORE
    ]
    terms = [target for target, pair in pairs if pair == [1.0, 0.0]]
    others = {tuple(pair) for _, pair in pairs if pair != [1.0, 0.0]}
    assert others <= {(TEXT_WEIGHT, weight) for weight in (0.0, 1.0, UNLISTED_WEIGHT)}
    return tokenizer.decode(terms)


def kept(tokenizer, *args, **options):
    """Return the words that the teacher keeps with more than the usual weight."""
    targets, weights = weigh(tokenizer, *args, **options)
    pairs = zip(targets, weights.teacher, strict=True)
    return tokenizer.decode([target for target, teacher in pairs if teacher == UNLISTED_WEIGHT])


def test_the_terms_of_the_prompt_are_learned_and_the_others_are_kept(tokenizer):
    case = ("Call Zalvexo and Kathryn's Ögüt, now.", "Quill, ZALVEXO, Ögüt.",
            ("Zalvexo", "Kathryn", "Ögüt"))  # fmt: skip
    assert learned(tokenizer, *case).split() == ["Zalvexo", "Ögüt"]
    assert kept(tokenizer, *case).split() == ["Kathryn"]


def test_each_occurrence_counts_and_parts_of_longer_words_do_not(english):
    case = ("Reid told Reid about Reidville.", "Reid", ("Reid",))
    assert learned(english, *case).split() == ["Reid", "Reid"]


@pytest.mark.parametrize(
    ("language", "text", "prompt", "terms", "others"),
    [
        ("zh", "我在北京大学学习语言", "清华大学, 北京大学", ("北京大学", "语言"), "语言"),
        ("ko", "나는 서울대학교에서 언어를 배운다", "서울대학교", ("서울대학교", "언어"), "언어"),
        ("th", "ฉันเรียนที่จุฬาลงกรณ์ในกรุงเทพ", "จุฬาลงกรณ์", ("จุฬาลงกรณ์", "กรุงเทพ"), "กรุงเทพ"),
    ],
)
def test_terms_are_found_where_words_have_no_spaces(language, text, prompt, terms, others):
    tokenizer = get_tokenizer(True, num_languages=100, language=language, task="transcribe")
    case = (text, prompt, terms)
    assert terms[0] in learned(tokenizer, *case) and others not in learned(tokenizer, *case)
    assert others in kept(tokenizer, *case) and terms[0] not in kept(tokenizer, *case)


def test_timestamps_stand_between_words(english):
    segments = [Segment(0.0, 1.0, "Call Reid"), Segment(1.0, 2.0, "Mohr now.")]
    found = learned(english, "Call Reid Mohr now.", "Reid, Mohr", ("Reid", "Mohr"),
                    segments=segments, timestamps=True)  # fmt: skip
    assert found.split() == ["Reid", "Mohr"]


def test_where_a_text_without_segments_ends_is_left_to_the_teacher(english):
    text, segments = "Call Reid.", (Segment(0.0, 1.5, "Call Reid."),)
    _, targets = build_example(english, text, "", segments=segments, timestamps=True)
    ends = [i for i, target in enumerate(targets) if target >= english.eot]
    assert [targets[i] >= english.timestamp_begin for i in ends] == [True, True, False]
    for own, seconds in ((segments, 9.0), ((), 4.9), ((), 5.0)):
        row = Row(Path("a.wav"), text, keywords=("Reid",), segments=own, duration=seconds)
        are_known = bool(own) or seconds < 5
        weigh_targets = TargetWeights(TEXT_WEIGHT, Lexicon.of_rows([row]))
        weights = weigh_targets(english, targets, "", row, {})
        assert set(weights.learns_kind) == {are_known}
        assert {weights.loss[i] for i in ends} == {TEXT_WEIGHT if are_known else 0.0}
        assert {weights.teacher[i] for i in ends} == {0.0 if are_known else 1.0}


def test_where_a_text_without_times_ends_is_learned_from_the_row(english):
    targets, weights = weigh(english, "Call Reid.", "", ("Reid",))
    assert all(weights.learns_kind) and 0.0 not in weights.loss
    assert [i for i, weight in enumerate(weights.teacher) if not weight] == [len(targets) - 1]


def test_other_spellings_are_found(english):
    found = learned(english, "call quill.", "kwil", ("Quill",), {"quill": "kwil"})
    assert found.split() == ["kwil"]


@pytest.mark.parametrize("prompt", ["", "Mohr"])
def test_without_a_term_in_the_prompt_keywords_are_kept(english, prompt):
    assert learned(english, "Call Reid.", prompt, ("Reid",)) == ""
    assert kept(english, "Call Reid.", prompt, ("Reid",)).split() == ["Reid"]


def test_after_previous_text_terms_are_learned_and_other_words_never(english):
    row = Row(Path("a.wav"), "Call Reid.", keywords=("Reid",))
    for previous, n_learned in (("So Reid said", len(english.encode(" Reid"))), ("of it", 0)):
        _, targets = build_example(english, row.text, previous)
        weigh_targets = TargetWeights(0.0, Lexicon.of_rows([row]))
        weights = weigh_targets(english, targets, previous, row, {}, is_previous=True)
        assert weights.loss.count(1.0) == n_learned and 1.0 in weights.teacher


def test_a_text_after_a_prompt_about_its_style_is_learned_as_a_whole(english):
    _, weights = weigh(english, "Call Reid.", "A text. With full stops.", ("Reid",))
    assert set(weights.loss) == {1.0} and set(weights.teacher) == {0.0}


def test_silence_is_learned_as_a_whole(english):
    for prompt in ("", "Mohr"):
        _, weights = weigh(english, "", prompt, ())
        assert set(weights.loss) == {1.0} and set(weights.teacher) == {0.0}


def test_dropped_merges_change_tokens_and_not_what_they_spell(english):
    dropping = DroppingTokenizer(english, 0.5, random.Random(0))
    found = learned(dropping, "Call Zalvexo now.", "Zalvexo", ("Zalvexo",))
    assert found.split() == ["Zalvexo"]
