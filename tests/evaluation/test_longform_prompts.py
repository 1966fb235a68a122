"""Right and wrong initial prompts of whole recordings."""

import pytest
from helpers.manifests import row

from whisper_ft.evaluation.longform_prompts import MAX_RIGHT_TERMS, prompt_recordings
from whisper_ft.evaluation.longform_recordings import longform_recordings

MAX_TOKENS = 222  # of a prompt of which carry_initial_prompt keeps all


def names(k, n):
    return tuple(f"{chr(65 + k)}{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(n))


def talks(n_talks=5, n_names=60):
    rows = [
        row(f"{name} speaks.", audio=name, keywords=(name,), recording=f"talk {k}", duration=4.0)
        for k in range(n_talks)
        for name in names(k, n_names)
    ]
    return longform_recordings(rows)


def terms(prompt):
    return prompt.split(", ")


def test_the_right_prompt_holds_keywords_of_the_recording_among_those_of_others(tokenizer):
    prompted = prompt_recordings(talks(), seed=0)
    for k, prompt in enumerate(prompted.right_prompts):
        right = [term for term in terms(prompt) if term in names(k, 60)]
        assert len(right) == MAX_RIGHT_TERMS < len(terms(prompt))
        assert sorted(prompted.rows[k].keywords) == sorted(right)  # those that can be obeyed
        assert len(tokenizer.encode(f" {prompt}")) <= MAX_TOKENS
        assert set(right) < set(prompted.prompt_terms(k))


def test_the_wrong_prompt_holds_nothing_that_the_recording_says(tokenizer):
    recordings = talks()
    prompted = prompt_recordings(recordings, seed=0)
    for recording, prompt in zip(recordings, prompted.wrong_prompts, strict=True):
        assert len(terms(prompt)) > MAX_RIGHT_TERMS
        assert not any(term in recording.text for term in terms(prompt))
        assert len(tokenizer.encode(f" {prompt}")) <= MAX_TOKENS


def test_prompts_are_those_of_the_seed_whichever_recordings_are_drawn():
    recordings = talks()
    prompted, again, other = (prompt_recordings(recordings, seed=seed) for seed in (0, 0, 1))
    assert prompted == again and prompted.right_prompts != other.right_prompts
    some = prompt_recordings(recordings, seed=0, total_seconds=500.0)
    assert 0 < len(some.rows) < len(recordings)
    for i, drawn in enumerate(some.rows):
        whole = [r.recording for r in prompted.rows].index(drawn.recording)
        assert drawn == prompted.rows[whole]
        assert some.prompts(i) == prompted.prompts(whole)


def test_a_prompt_that_all_rows_share_is_the_right_one_and_another_recordings_the_wrong_one():
    shared = [
        row(f"{a}.", audio=a, recording=r, prompt=p, keywords=(a,), duration=2.0)
        for r, p, a in (
            *(("r", "About Kathryn.", "Kathryn"), ("r", "About Kathryn.", "Reid")),
            *(("s", "About Reid.", "Mohr"), ("t", "About Smyth.", "Smyth")),
            *(("u", "One.", "Grey"), ("u", "Two.", "Zyxin")),
        )
    ]
    r, s, t, u = range(4)
    prompted = prompt_recordings(longform_recordings(shared), seed=0)
    assert prompted.right_prompts[:u] == ["About Kathryn.", "About Reid.", "About Smyth."]
    assert prompted.rows[r].keywords == ("Kathryn", "Reid")
    assert {"Grey", "Zyxin"} <= set(terms(prompted.right_prompts[u]))  # its rows' prompts differ
    assert "Reid" not in prompted.wrong_prompts[r] and prompted.wrong_prompts[r]
    assert prompted.wrong_prompts[s] and prompted.wrong_prompts[t]


def test_a_shared_prompt_that_is_too_long_to_carry_keeps_its_end(tokenizer):
    prompt = f"{'word ' * 300}Kathryn"
    prompted = prompt_recordings([row(prompt=prompt), row(prompt="語" * 400)], seed=0)
    spaced, unspaced = prompted.right_prompts
    assert spaced.startswith("word") and spaced.endswith("word Kathryn")
    for kept in (spaced, unspaced):
        assert 50 < len(tokenizer.encode(f" {kept}")) <= MAX_TOKENS


def test_languages_and_parts_of_one_recording_are_no_wrong_prompts():
    parts = [
        row("Kathryn.", keywords=("Kathryn",), recording="r", language=language)
        for language in ("en", "en", "de")
    ]
    assert prompt_recordings(parts, seed=0).wrong_prompts == [None, None, None]


@pytest.mark.parametrize("text", ["Hello.", ""])
def test_a_recording_without_keywords_has_a_wrong_prompt_alone(text):
    prompted = prompt_recordings([row(text), *talks(1)], seed=0)
    assert prompted.right_prompts[0] == "" and prompted.wrong_prompts[0]
    assert prompted.wrong_prompts[1] is None
