"""Recordings are transcribed as stock Whisper does one at a time, each after its own prompt."""

import pytest
import soundfile
import torch
import whisper
from helpers.audio import write_tone
from helpers.models import random_whisper, save_whisper

from whisper_ft.data.audio import log_mel, read_audio
from whisper_ft.models import decoding
from whisper_ft.models.loading import load
from whisper_ft.transcription.recordings import transcribe


@pytest.fixture
def talkative():
    """A random model that writes for a while: its eot is no likelier than other tokens."""
    model = random_whisper(51865)
    torch.nn.init.normal_(model.decoder.token_embedding.weight, std=0.3)
    return model.requires_grad_(False)


@pytest.fixture
def clips(tmp_path):
    """Five recordings of one to three seconds."""
    paths = [tmp_path / f"{number}.wav" for number in range(5)]
    for number, path in enumerate(paths):
        write_tone(path, 1.0 + number / 2, hertz=200 + 100 * number)
    return paths


PROMPTS = ["Kathryn Smyth.", "", "Zalvexo, Reid", "Geoff Mohr", "naïve 東京"]


@pytest.mark.slow
@pytest.mark.parametrize("timestamps", [True, False])
@pytest.mark.parametrize("beam_size", [None, 2])
def test_a_short_recording_is_what_whisper_decodes_with_its_prompt(
    talkative, clips, timestamps, beam_size, monkeypatch
):
    monkeypatch.setattr(decoding, "MAX_RECORDINGS", 3)  # a full batch and the rest
    transcripts = transcribe(
        talkative, clips, PROMPTS, language="de", timestamps=timestamps, beam_size=beam_size
    )
    for path, prompt, transcript in zip(clips, PROMPTS, transcripts, strict=True):
        options = whisper.DecodingOptions(
            language="de",
            prompt=prompt or None,
            without_timestamps=not timestamps,
            beam_size=beam_size,
            fp16=False,
        )
        expected = whisper.decode(talkative, log_mel(read_audio(path), 80), options)
        assert transcript.text == expected.text != ""
        assert (transcript.audio, transcript.prompt) == (path, prompt)
        assert transcript.language == "de" and bool(transcript.segments) == timestamps


def test_a_long_recording_is_what_whisper_transcribes_with_its_prompt_carried(
    model, clips, tmp_path
):
    long = tmp_path / "long.wav"
    write_tone(long, 31.0)
    torch.manual_seed(0)  # a random model makes whisper fall back to sampling
    first, transcript, last = transcribe(
        model, [clips[0], long, clips[1]], ["Smyth", "Kathryn Smyth.", "Reid"]
    )
    torch.manual_seed(0)
    expected = whisper.transcribe(
        model,
        read_audio(long),
        initial_prompt="Kathryn Smyth.",
        carry_initial_prompt=True,
        language="en",
        fp16=False,
    )
    assert transcript.text == expected["text"].strip()
    spans = [(segment.start, segment.end) for segment in transcript.segments]
    assert spans == [(segment["start"], segment["end"]) for segment in expected["segments"]]
    assert [first.audio, last.audio] == clips[:2] and transcript.audio == long


def test_one_prompt_serves_all_and_a_checkpoint_is_loaded_from_its_path(model, clips, tmp_path):
    path = save_whisper(model, tmp_path / "random.pt")
    shared = transcribe(path, clips, "Kathryn Smyth.", device="cpu")
    assert shared == transcribe(model, clips, ["Kathryn Smyth."] * 5)
    assert shared == transcribe(load(str(path)), clips, "Kathryn Smyth.")
    assert shared[:1] == transcribe(model, str(clips[0]), "Kathryn Smyth.")
    assert shared[:1] == transcribe(model, clips[0], "Kathryn Smyth.")


def test_special_spellings_in_a_prompt_are_text(model, clips, tmp_path):
    assert len(transcribe(model, clips[:1], "<|endoftext|>")) == 1
    write_tone(tmp_path / "long.wav", 31.0)
    with pytest.raises(ValueError, match=r"long\.wav: .*<\|endoftext\|>"):  # stock whisper refuses
        transcribe(model, [tmp_path / "long.wav"], "<|endoftext|>")


def test_every_file_that_cannot_be_read_is_named_before_anything_is_decoded(model, clips, tmp_path):
    (tmp_path / "empty.wav").touch()
    bad = [tmp_path / "gone.wav", tmp_path / "empty.wav"]
    words = r"(?s)gone\.wav: no such file.*empty\.wav: an empty file"
    with pytest.raises(ValueError, match=words) as error:
        transcribe(model, [*clips, *bad])
    assert "correct the path" in str(error.value) and "row" not in str(error.value)


def test_a_damaged_file_is_named(model, tmp_path):
    path = tmp_path / "cut.wav"
    soundfile.write(path, torch.full((16000,), float("nan")).numpy(), 16000, subtype="FLOAT")
    with pytest.raises(ValueError, match=r"cut\.wav: .*finite"):
        transcribe(model, [path])


def test_a_prompt_too_few_and_a_language_that_the_model_lacks_are_told(model, clips):
    with pytest.raises(ValueError, match="1 prompt for 5 recordings: give one for each"):
        transcribe(model, clips, ["Smyth"])
    with pytest.raises(ValueError, match="language: 'de': the model is English-only"):
        transcribe(model, clips, language="de")


def test_a_prompt_that_is_no_text_and_a_task_that_the_model_lacks_are_told(model, talkative, clips):
    with pytest.raises(ValueError, match='prompt 2 is None: give text, "" for none'):
        transcribe(model, clips[:3], ["a", None, "b"])
    for any_model in (model, talkative):
        with pytest.raises(ValueError, match="task: 'foo': give transcribe or translate"):
            transcribe(any_model, clips, task="foo")
    with pytest.raises(ValueError, match="task: 'translate': the model is English-only"):
        transcribe(model, clips, task="translate")


def test_no_recordings_are_no_transcripts(model):
    assert transcribe(model, []) == []
