"""Stock transcribe() on whole recordings and silence, by initial prompt."""

import json

import numpy as np
import pytest
import soundfile
import torch
from helpers.audio import tone
from helpers.manifests import write_manifest

from whisper_ft.cli.main import main
from whisper_ft.config.commands import LONGFORM_CONDITIONS
from whisper_ft.data.row import Row
from whisper_ft.evaluation import longform
from whisper_ft.evaluation.longform_plan import possible_conditions
from whisper_ft.evaluation.longform_prompts import prompt_recordings
from whisper_ft.evaluation.longform_recordings import longform_recordings
from whisper_ft.evaluation.longform_scores import score_longform
from whisper_ft.models.layers import use_fast_layers
from whisper_ft.runtime import progress
from whisper_ft.text.tokens import Segment

NAMES = ("Kathryn", "Smyth", "Reid")


@pytest.fixture
def rows(tmp_path):
    """Two recordings of a keyword in each row: one of two rows, one of one row."""
    for i in range(3):
        soundfile.write(tmp_path / f"{i}.wav", tone(2.0, hertz=300 + i), 16000)
    return [
        Row(tmp_path / f"{i}.wav", f"Call {name}.", keywords=(name,), recording="rrs"[i],
            duration=2.0, place=f"m:{i}")
        for i, name in enumerate(NAMES)
    ]  # fmt: skip


@pytest.fixture
def lines(rows):
    return [
        {"audio": r.audio.name, "text": r.text, "keywords": r.keywords, "recording": r.recording}
        for r in rows
    ]


@pytest.fixture
def heard(monkeypatch):
    """Number of samples and options of each call of transcribe, which writes a random number."""
    calls = []

    def transcribe(model, samples, **options):
        calls.append((len(samples), options))
        text = f" Part {torch.rand(1).item()}."
        return {"text": text, "segments": [{"start": 0.0, "end": 21.0, "text": text, "id": 0}]}

    monkeypatch.setattr(longform.whisper, "transcribe", transcribe)
    return calls


def prompted(rows):
    return prompt_recordings(longform_recordings(rows), seed=0)


def test_transcribe_hears_the_whole_recording_once_for_each_condition(rows, model, heard):
    recordings = prompted(rows)
    first, second = longform.transcribe_recordings(model, recordings)
    assert [length for length, _ in heard] == [64000] * 5 + [32000] * 5
    defaults = {"language": "en", "task": "transcribe", "fp16": False}
    right = recordings.right_prompts[0]
    assert sorted(right.split(", ")) == sorted(NAMES)
    assert [options for _, options in heard[:5]] == [
        defaults,
        *(
            defaults | {"initial_prompt": prompt, "carry_initial_prompt": carry}
            for prompt in (right, "Reid")
            for carry in (False, True)
        ),
    ]
    assert first.prompts == dict(
        zip(LONGFORM_CONDITIONS, ["", right, right, "Reid", "Reid"], strict=True)
    )
    assert [segment.end for segment in first.segments] == [2.0, 4.0]
    assert first.outputs["wrong"].segments == (
        Segment(0.0, 21.0, f" {first.outputs['wrong'].text}"),
    )
    assert "no_speech_prob" not in first.to_json()
    assert second.number == 1 and set(second.prompt_terms) == set(NAMES)


def test_a_model_in_memory_has_the_scores_of_its_samples(rows, model, heard):
    result = longform.score_recordings(model, prompted(rows), ["none"], name="tuned")
    assert result.name == "tuned" and result.scores == score_longform(result.samples)
    assert [sample.number for sample in result.samples] == [0, 1]


def test_only_the_wanted_conditions_are_transcribed(rows, model, heard):
    (first, _) = longform.transcribe_recordings(model, prompted(rows), ["none"])
    assert len(heard) == 2
    assert [c for c, output in first.outputs.items() if output] == ["none"]


def test_a_recording_without_a_right_prompt_is_transcribed_without_one_once(rows, model, heard):
    plain = Row(rows[0].audio, "Hello.", recording="t", duration=2.0)
    *_, last = longform.transcribe_recordings(model, prompted([*rows, plain]))
    assert len(heard) == 5 + 5 + 3
    assert last.outputs["right_carried"] is last.outputs["right"] is last.outputs["none"]


def test_silence_passes_the_gate_of_transcribe_and_hears_wrong_prompts(rows, model, heard):
    silent = Row(rows[0].audio, "", duration=2.0, place="m:9")
    *_, silence = longform.transcribe_recordings(model, prompted([*rows, silent]))
    assert 0 <= silence.no_speech_prob <= 1 and silence.avg_logprob < 0
    assert silence.to_json()["avg_logprob"] == silence.avg_logprob
    assert heard[-1][1]["initial_prompt"] == silence.prompts["wrong_carried"] != ""


def test_what_is_sampled_is_the_same_each_time_and_leaves_random_states_alone(rows, model, heard):
    torch.manual_seed(7)
    state = torch.get_rng_state()
    recordings = prompted(rows)
    first, again = (longform.transcribe_recordings(model, recordings) for _ in range(2))
    assert first == again
    assert torch.equal(torch.get_rng_state(), state)


def test_a_model_in_memory_with_fast_layers_writes_what_it_writes_without(rows, model):
    recordings = prompted(rows[2:])
    stock = longform.transcribe_recordings(model, recordings, ["none"])
    use_fast_layers(model)
    assert longform.transcribe_recordings(model, recordings, ["none"]) == stock
    assert stock[0].outputs["none"].text


def test_conditions_that_no_recording_has_are_left_out_and_told(rows, logged):
    plain = [Row(r.audio, r.text, recording="r", duration=2.0) for r in rows]
    assert possible_conditions(prompted(plain), LONGFORM_CONDITIONS) == ("none",)
    assert "right right_carried wrong wrong_carried: no recording has keywords, or one" in logged()
    with pytest.raises(ValueError, match="add `keywords`, or use --conditions none"):
        possible_conditions(prompted(plain), ["wrong"])
    only = prompted(rows[:2])
    assert possible_conditions(only, ["wrong", "right", "none"]) == ("none", "right")
    assert "add recordings with keywords. Left out." in logged()
    assert possible_conditions(prompted(rows), ["wrong", "none"]) == ("none", "wrong")
    assert not logged()


def test_a_prompt_that_transcribe_refuses_is_told_before_anything_is_decoded(rows):
    bad = [
        Row(r.audio, r.text, prompt="<|endoftext|> a", duration=2.0, place=r.place) for r in rows
    ]
    with pytest.raises(ValueError, match=r"m:0: a prompt holds <\|(.|\n)*m:1: (.|\n)*m:2: "):
        possible_conditions(prompted(bad), LONGFORM_CONDITIONS)
    assert possible_conditions(prompted(bad), ["none"]) == ("none",)


@pytest.mark.slow
def test_the_command_writes_scores_and_transcripts(
    lines, model_path, tmp_path, monkeypatch, capsys
):
    soundfile.write(tmp_path / "s.wav", np.zeros(16000), 16000)
    manifest = write_manifest(tmp_path / "m.jsonl", [*lines, {"audio": "s.wav", "text": ""}])
    out = [tmp_path / "scores.json", tmp_path / "samples.jsonl"]
    argv = ["longform", model_path, manifest, "--json", out[0], "--samples", out[1]]
    monkeypatch.setattr("sys.argv", ["whisper_ft", *map(str, argv)])
    assert main() == 0
    said = capsys.readouterr().out
    assert "2 recordings, 0.00 h\n" in said and "1 silent row: " in said
    scores = json.loads(out[0].read_text())["scores"]
    assert scores["n_recordings"] == 2 and set(scores["by_condition"]) == set(LONGFORM_CONDITIONS)
    assert len(out[1].read_text().splitlines()) == 3


def test_a_library_user_gets_scores_and_samples_and_nothing_is_printed(
    lines, model_path, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(progress, "_enabled", False)  # as in a library's process
    monkeypatch.setattr(progress.LOGGER, "handlers", [])
    manifest = write_manifest(tmp_path / "m.jsonl", lines)
    result = longform.longform(model_path, [manifest], name="mine", conditions=["none", "right"])
    assert (result.name, result.manifests) == ("mine", ("m.jsonl",))
    assert result.scores == score_longform(result.samples)
    written = json.loads(json.dumps(result.to_json()))["scores"]["by_condition"]
    assert set(written) == {"none", "right"} and written["right"]["wer"]["total"] == 6
    assert capsys.readouterr() == ("", "")
    with pytest.raises(ValueError, match=r"no.pt: neither(.|\n)*--device: tpu(.|\n)*gone.jsonl"):
        longform.longform("no.pt", ["gone.jsonl"], device="tpu")
    with pytest.raises(ValueError, match=r"--conditions: \['right', 'left'\]: expected"):
        longform.longform(model_path, [manifest], conditions=["right", "left"])
    with pytest.raises(ValueError, match=r"--seed: -1"):
        longform.longform(model_path, [manifest], seed=-1)
