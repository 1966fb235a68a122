"""How an example becomes tensors and tokens, augmented or not."""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from helpers.audio import tone
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.audio import log_mel, read_audio
from whisper_ft.data.augmentation import Augmentation, check_augmentation
from whisper_ft.data.dataset import DrawnText, Examples, RowError, read_row_audio
from whisper_ft.data.loader import collate
from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.prompts import PromptPolicy
from whisper_ft.data.respelling import NO_PERTURBATION, Lexicon, Perturbation
from whisper_ft.data.sampler import ExampleIndex
from whisper_ft.data.target_weights import TargetWeights
from whisper_ft.models.loading import Vocabulary
from whisper_ft.text.tokens import IGNORE, Segment


@pytest.fixture
def examples(corpus):
    """Examples of five rows, under a prompt policy."""
    rows = read_manifest(corpus[0]).rows
    tokenizer_of = Vocabulary(False, 99, 448).tokenizer
    policy = PromptPolicy(own=0.5, keywords=0.2)
    return Examples(rows, policy, tokenizer_of, 80, 448, timestamp_rate=0.5, seed=0)


def test_an_example_has_the_rows_mel_and_the_tokens_of_build_example(examples, english):
    example = examples[ExampleIndex(0, 2)]
    row = examples.rows[2]
    assert torch.equal(example.mel, log_mel(read_audio(row.audio), 80))
    assert english.sot in example.tokens and example.targets[-1] == english.eot
    assert example.place == row.place


def test_timestamps_and_prompts_are_drawn_independently_at_their_rates(examples, english):
    seen = [examples[ExampleIndex(number, 1)] for number in range(200)]
    timed = sum(english.timestamp_begin in v.tokens for v in seen)
    prompted = sum(v.tokens[0] == english.sot_prev for v in seen)
    both = sum(
        v.tokens[0] == english.sot_prev and english.timestamp_begin in v.tokens for v in seen
    )
    assert 75 < timed < 125 and 115 < prompted < 165 and 45 < both < 95
    assert all(
        (english.no_timestamps in v.tokens) != (english.timestamp_begin in v.tokens) for v in seen
    )


def test_a_row_without_segments_is_one_from_0_to_its_end(examples, english):
    timed = next(
        v
        for number in range(20)
        if english.timestamp_begin in (v := examples[ExampleIndex(number, 1)]).tokens
    )
    assert timed.tokens[-1] == english.timestamp_begin + 50  # the file lasts 1.00 s


def test_without_timestamps_the_audio_stops_before_a_segment_that_the_window_cuts(examples):
    row = replace(
        examples.rows[0], segments=(Segment(0, 0.5, "Call"), Segment(0.625, 1.4, "Kathryn now."))
    )
    timed, segments = read_row_audio(row, timestamps=True)
    plain, _ = read_row_audio(row, timestamps=False)
    assert len(timed) == 16000 and len(plain) == 10000
    assert segments == (Segment(0, 0.5, "Call"), Segment(0.625, None, ""))
    assert np.array_equal(plain, timed[:10000])


@pytest.fixture
def respelled(examples):
    """The same examples with a keyword prompt each, respelled in every prompt."""
    perturbation = Perturbation(1.0, 0.0, 0.0, Lexicon.of_rows(examples.rows))
    policy = PromptPolicy(own=0.5, keywords=0.5, distractors=(2, 4))
    return replace(examples, policy=policy, perturbation=perturbation)


def test_a_respelled_term_stands_in_prompt_text_and_segments_alike(respelled, english):
    for number in range(60):
        drawn = respelled.draw_text(ExampleIndex(number, 1))
        if not drawn.spellings:  # the term was dropped from its list
            assert "Smyth" not in drawn.prompt
            continue
        (spelling,) = drawn.spellings.values()
        assert spelling in drawn.prompt and "Smyth" not in drawn.prompt.split(", ")
        tokens = english.decode(respelled[ExampleIndex(number, 1)].tokens)
        assert f" Call {spelling} now." in tokens


def test_other_spellings_do_not_change_which_prompt_is_drawn(respelled):
    plain = replace(respelled, perturbation=NO_PERTURBATION)
    for number in range(30):
        index = ExampleIndex(number, 1)
        assert respelled.draw_text(index).plain_prompt == plain.draw_text(index).prompt


def test_a_contrast_is_a_second_text_of_the_same_audio(respelled, english):
    lexicon = respelled.perturbation.lexicon
    both = replace(respelled, perturbation=Perturbation(contrast=1.0, lexicon=lexicon))
    examples = [both[ExampleIndex(number, 1)] for number in range(40)]
    seconds = [english.decode(text.tokens) for e in examples for text in e.texts[1:]]
    assert len(seconds) > 20 and not any("Smyth," in text for text in seconds)
    assert any("startofprev" not in text for text in seconds)  # no prompt
    assert any("Call Smyth now." in text for text in seconds)  # a lookalike in the prompt
    assert any("Call Smyth now." not in text for text in seconds)  # another spelling in both
    batch = collate(examples[:8])
    n_contrasts = sum(len(e.texts) - 1 for e in examples[:8])
    assert len(batch.mel) == len(batch.places) == 8 and len(batch.tokens) == 8 + n_contrasts
    assert batch.text_rows.tolist() == sorted(batch.text_rows.tolist()) and n_contrasts > 0


def test_the_targets_of_a_text_have_weights_where_the_run_wants_them(respelled, english):
    lexicon = respelled.perturbation.lexicon
    some = replace(respelled, target_weights=TargetWeights(0.25, lexicon))
    example = some[ExampleIndex(1, 1)]
    (spelling,) = respelled.draw_text(ExampleIndex(1, 1)).spellings.values()
    pairs = zip(example.targets, example.texts[0].weights.loss, strict=True)
    assert english.decode([target for target, weight in pairs if weight == 1]).strip() == spelling
    batch = collate([example, replace(some, policy=PromptPolicy())[ExampleIndex(1, 0)]])
    assert batch.weights.shape == batch.teacher_weights.shape == batch.targets.shape
    assert (batch.weights == 1).any(dim=1).tolist() == [True, False]
    assert collate([respelled[ExampleIndex(0, 1)]]).weights is None


def test_a_term_that_is_cut_from_a_long_prompt_is_not_learned(respelled):
    lexicon = Lexicon.of_rows(respelled.rows, glossary=["Quill"])
    some = replace(respelled, target_weights=TargetWeights(0.0, lexicon))
    index = ExampleIndex(1, 1)
    drawn = some.draw_text(index).plain
    segments = some.rows[1].resolved_segments(1.0)
    for prompt, is_learned in (
        ("Quill, " * 200 + "Smyth", True),
        ("Smyth" + ", Quill" * 200, False),
    ):
        text = some.tokenize(index, drawn._replace(prompt=prompt, plain_prompt=prompt), segments)
        assert any(text.weights.loss) == is_learned


def test_a_text_that_no_longer_fits_in_its_other_spelling_stays_as_it_is(respelled, english):
    index = next(
        ExampleIndex(n, 1) for n in range(60) if respelled.draw_text(ExampleIndex(n, 1)).spellings
    )
    n_plain = len(
        replace(respelled, perturbation=NO_PERTURBATION, policy=PromptPolicy())[index].tokens
    )
    example = replace(respelled, n_text_ctx=n_plain)[index]
    assert " Call Smyth now." in english.decode(example.tokens) and example.n_fallbacks == 1


def test_a_prompt_that_would_lose_its_respelled_term_to_the_cut_stays_as_it_is(respelled, english):
    drawn = DrawnText(english, "Smithe" + " Quill" * 300, "Smyth" + " Quill" * 300,
                      {"smyth": "Smithe"}, timestamps=False)  # fmt: skip
    text = respelled.tokenize(ExampleIndex(0, 1), drawn, ())
    assert " Call Smyth now." in english.decode(text.tokens) and text.n_fallbacks == 1


def test_a_long_text_leaves_a_prompt_less_room(respelled, english):
    """The room is what the text leaves of the context, which may be less than half of it."""
    words = " ".join(["word"] * 60)
    rows = [replace(respelled.rows[0], text=f"Call Smyth now. {words}")]
    small = replace(respelled, rows=rows, n_text_ctx=96)
    drawn = DrawnText(english, "Smithe" + " Quill" * 20, "Smyth" + " Quill" * 20,
                      {"smyth": "Smithe"}, timestamps=False)  # fmt: skip
    text = small.tokenize(ExampleIndex(0, 0), drawn, ())
    assert "Smithe" not in english.decode(text.tokens) and text.n_fallbacks == 1


def test_a_quarter_of_silent_examples_are_blank_and_the_rest_no_speech(examples, english):
    silent = replace(examples, rows=[replace(row, text="") for row in examples.rows])
    for rate in (0.5, 1.0):
        seen = [
            replace(silent, timestamp_rate=rate)[ExampleIndex(number, 1)] for number in range(400)
        ]
        said = Counter(tuple(v.tokens[-2:]) for v in seen)
        blank = said[english.sot, english.timestamp_begin]
        assert 70 < blank < 130 and said[english.sot, english.no_speech] == 400 - blank


def test_the_workers_tokenizer_is_whispers_own_cached_one(examples):
    assert (
        examples.tokenizer_of(language="en", task="transcribe").encoding
        is get_tokenizer(False).encoding
    )


def build_all(examples, n=12):
    return [examples[ExampleIndex(number, row)] for number in range(n) for row in range(5)]


def variants(folders):
    return {
        "speed": {"augmentation": Augmentation(speed=0.1)},
        "reverb": {"augmentation": Augmentation(reverb=folders[1])},
        "noise": {"augmentation": Augmentation(noise=folders[0])},
        "gain": {"augmentation": Augmentation(gain=6.0)},
        "spec_augment": {"augmentation": Augmentation(spec_augment=True)},
        "bpe_dropout": {"bpe_dropout": 0.3},
    }


KINDS = ("speed", "reverb", "noise", "gain", "spec_augment", "bpe_dropout")


@pytest.mark.parametrize("kind", KINDS)
def test_each_augmentation_changes_an_example_reproducibly_and_never_its_prompt(
    examples, folders, kind
):
    changed = replace(examples, **variants(folders)[kind])
    one, again, plain = build_all(changed), build_all(changed), build_all(examples)
    assert all(
        torch.equal(a.mel, b.mel) and a[1:] == b[1:] for a, b in zip(one, again, strict=True)
    )
    differ = [
        not torch.equal(a.mel, b.mel) or a.tokens != b.tokens
        for a, b in zip(one, plain, strict=True)
    ]
    assert sum(differ) > 20
    for a, b in zip(one, plain, strict=True):
        n = a.targets.count(IGNORE)
        assert n == b.targets.count(IGNORE) and a.tokens[: n + 1] == b.tokens[: n + 1]


def test_one_augmentation_does_not_change_what_another_draws(examples, folders):
    """Timestamps move with SpecAugment's warp, and noise leaves them there."""
    one = replace(examples, augmentation=Augmentation(spec_augment=True))
    two = replace(examples, augmentation=Augmentation(spec_augment=True, noise=folders[0]))
    assert [v.tokens for v in build_all(one)] == [v.tokens for v in build_all(two)]
    asked = []
    Augmentation(gain=6.0).augment_samples(
        tone(0.1), lambda kind: asked.append(kind) or random.Random(0)
    )
    assert asked == ["reverb", "noise", "gain"]


def test_the_modules_random_is_left_as_it_was(examples, folders):
    random.seed(7)
    before = random.getstate()
    build_all(replace(examples, augmentation=Augmentation(noise=folders[0], gain=6.0)))
    assert random.getstate() == before


def test_a_damaged_noise_file_is_named_before_the_run_and_in_it(examples, folders, tmp_path):
    (tmp_path / "noise" / "bad.wav").write_text("not audio")
    noisy = Augmentation(noise=folders[0])
    assert "bad.wav: FFmpeg cannot read it" in check_augmentation(noisy)[0]
    changed = replace(examples, augmentation=noisy)
    found = [changed[ExampleIndex(number, 0)] for number in range(30)]
    errors = [str(one) for one in found if isinstance(one, RowError)]
    assert errors and all("--noise: " in error and "damaged" in error for error in errors)


def test_a_mel_is_never_longer_than_3000_frames(examples, tmp_path):
    soundfile.write(tmp_path / "l.wav", tone(30.0099, sample_rate=11025), 11025)
    row = replace(examples.rows[0], audio=tmp_path / "l.wav")
    augmented = replace(examples, rows=[row], augmentation=Augmentation(spec_augment=True))
    assert augmented[ExampleIndex(0, 0)].mel.shape == (80, 3000)


def test_the_warp_of_an_example_moves_its_timestamps(examples, corpus):
    path = examples.rows[0].audio
    soundfile.write(path, tone(10.0), 16000)
    segments = (Segment(0.0, 5.0, "Call"), Segment(5.0, 10.0, "Kathryn now."))
    row = replace(examples.rows[0], segments=segments)
    rows = [row, *examples.rows[1:]]
    augmented = replace(
        examples, rows=rows, timestamp_rate=1.0, augmentation=Augmentation(spec_augment=True)
    )
    zero = get_tokenizer(False).timestamp_begin
    middles = set()
    for number in range(20):
        times = [t - zero for t in augmented[ExampleIndex(number, 0)].tokens if t >= zero]
        assert times[0] == 0 and times[-1] == 500 and times[1] == times[2]
        middles.add(times[1])
    assert len(middles) > 10 and all(abs(middle - 250) <= 41 for middle in middles)


def test_bpe_dropout_that_does_not_fit_falls_back_and_is_counted(examples):
    row = replace(examples.rows[0], text="information " * 440, prompt="")
    changed = replace(examples, rows=[row], bpe_dropout=0.5, timestamp_rate=0.0)
    example = changed[ExampleIndex(0, 0)]
    assert example.n_fallbacks == 1
    assert example.tokens == replace(changed, bpe_dropout=0.0)[ExampleIndex(0, 0)].tokens
    assert collate([example, example]).n_fallbacks == 2


def test_without_augmentation_the_mel_is_that_of_the_row(examples):
    samples, _ = read_row_audio(examples.rows[0], timestamps=True)
    for example in build_all(examples, n=2)[::5]:
        assert torch.equal(example.mel, log_mel(samples, 80))


def test_no_change_moves_the_first_timestamp_beyond_the_first_second(examples):
    path = examples.rows[0].audio
    soundfile.write(path, tone(10.0), 16000)
    row = replace(examples.rows[0], segments=(Segment(0.99, 10.0, "Call Kathryn now."),))
    zero = get_tokenizer(False).timestamp_begin
    for augmentation in (Augmentation(speed=0.2), Augmentation(spec_augment=True)):
        changed = replace(examples, rows=[row], timestamp_rate=1.0, augmentation=augmentation)
        seen = [changed[ExampleIndex(number, 0)] for number in range(30)]
        firsts = [next(t - zero for t in e.tokens if t >= zero) for e in seen]
        assert max(firsts) <= 50 and min(firsts) < 49
        assert 0 < sum(e.n_fallbacks for e in seen) < 30


def test_bpe_dropout_takes_no_tokens_from_the_prompt(examples):
    row = replace(examples.rows[0], text="information " * 215, prompt="Kathryn " * 200)
    plain = replace(examples, rows=[row], timestamp_rate=0.0, policy=PromptPolicy(own=1.0))
    dropping = replace(plain, bpe_dropout=0.3)
    example, other = dropping[ExampleIndex(0, 0)], plain[ExampleIndex(0, 0)]
    assert example.targets.count(IGNORE) == other.targets.count(IGNORE) > 100
    assert example.n_fallbacks == 1
