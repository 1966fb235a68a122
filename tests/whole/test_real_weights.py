"""On OpenAI's real tiny.en: what a user of a tuned checkpoint does with stock whisper."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import whisper

from whisper_ft.config.options import parse
from whisper_ft.config.train import TrainConfig
from whisper_ft.data.audio import log_mel, read_audio
from whisper_ft.data.manifest import read_manifest
from whisper_ft.models.decoding import DecodeRequest, decode
from whisper_ft.models.loss import encode, row_losses
from whisper_ft.text.tokens import build_example, encode_prompt
from whisper_ft.training.loop import train
from whisper_ft.training.setup import make_plan

pytestmark = pytest.mark.weights
DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="module")
def rows():
    return read_manifest(DATA / "dev.jsonl").rows


@pytest.fixture(scope="module")
def tuned(tiny_en_path, tmp_path_factory):
    """The folder of a short run on the sample, in bf16 where there is any."""
    folder = tmp_path_factory.mktemp("runs") / "tiny.en"
    argv = ["--model", "tiny.en", "--out", str(folder), "--max-steps", "6", "--batch-size", "4"]
    argv += ["--eval-rows", "2", "--workers", "1", "--warmup", "2", "--freeze-encoder"]
    argv += ["--longform-minutes", "0"]
    argv += ["--learn", "texts"]  # which lowers the loss of dev rows within a few steps
    config, _ = parse(TrainConfig, argv, "train.py")
    assert train(make_plan(config)).reason == "finished"
    return folder


def test_a_run_on_real_weights_lowers_the_loss(tuned):
    log = [json.loads(line) for line in (tuned / "metrics.jsonl").read_text().splitlines()]
    before, after = (
        line["scores"]["right"]["loss"]["rate"] for line in log if line["kind"] == "evaluation"
    )
    assert after < before < 3


def test_stock_whisper_transcribes_with_an_initial_prompt_in_its_default_mode(tuned, rows):
    model = whisper.load_model(str(tuned / "best.pt"), device="cpu")
    audio = read_audio(rows[0].audio)
    for prompt in (rows[0].prompt, None):
        result = model.transcribe(audio, initial_prompt=prompt, fp16=False)
        words = result["text"].lower().split()
        assert len(set(words) & set(rows[0].text.lower().split())) >= 3
        assert result["segments"][0]["start"] < result["segments"][-1]["end"] <= 30


def test_word_timestamps_work_with_the_heads_that_the_run_prints(tuned, rows):
    model = whisper.load_model(str(tuned / "best.pt"), device="cpu")
    model.set_alignment_heads(torch.load(tuned / "best.pt")["alignment_heads"].encode())
    audio = read_audio(rows[0].audio)
    result = model.transcribe(audio, word_timestamps=True, fp16=False)
    ends = [word["end"] for segment in result["segments"] for word in segment["words"]]
    assert ends == sorted(ends) and ends[-1] <= len(audio) / 16000 + 0.1


def test_the_whisper_command_reads_the_checkpoint(tuned, rows, tmp_path):
    assert shutil.which("ffmpeg"), "whisper's command needs ffmpeg: install it (apt, brew, winget)"
    audio = tmp_path / "call.wav"
    soundfile.write(audio, read_audio(rows[0].audio), 16000)
    command = [str(Path(sys.executable).with_name("whisper")), str(audio)]
    command += ["--model", str(tuned / "best.pt"), "--initial_prompt", rows[0].prompt]
    command += ["--fp16", "False", "--output_dir", str(tmp_path), "--output_format", "json"]
    subprocess.run(command, check=True)
    assert len(json.loads((tmp_path / "call.json").read_text())["text"].split()) > 3


def test_the_prompt_gives_the_spelling_that_the_ear_cannot(tiny_en, rows):
    """Stock Whisper reads prompts: what training must keep, seen on the names' own tokens."""
    tokenizer = whisper.tokenizer.get_tokenizer(False)
    totals = {"right": 0.0, "none": 0.0}
    for row in rows[:4]:
        features = tiny_en.encoder(log_mel(read_audio(row.audio), 80)[None])
        for condition, prompt in (("right", row.prompt), ("none", "")):
            tokens, targets = build_example(tokenizer, row.text, prompt)
            n_text = len(tokenizer.encode(" " + row.text))
            targets = [-100] * (len(targets) - n_text - 1) + targets[-n_text - 1 :]
            ids = torch.tensor([tokens, targets])
            with torch.no_grad():
                totals[condition] += row_losses(tiny_en.decoder, features, ids[:1], ids[1:]).item()
    assert totals["right"] < 0.8 * totals["none"]


def test_an_english_only_model_decodes_by_its_own_ids(tiny_en, rows):
    features = tiny_en.encoder(log_mel(read_audio(rows[0].audio), 80)[None])
    (result,) = decode(tiny_en, features, [DecodeRequest(prompt="Quill")])
    assert result.tokens[0] >= 50363 and result.no_speech_prob < 0.5


@torch.no_grad()
def test_prompts_of_several_rows_at_once_write_what_whisper_writes_for_each(tiny_en, rows):
    features = tiny_en.encoder(torch.stack([log_mel(read_audio(r.audio), 80) for r in rows[:4]]))
    asked = [
        DecodeRequest(i, prompt, timestamps=timestamps)
        for i, row in enumerate(rows[:4])
        for prompt, timestamps in ((row.prompt, True), ("", False), ("", True))
    ]
    tokenizer = whisper.tokenizer.get_tokenizer(False)
    for one, found in zip(asked, decode(tiny_en, features, asked), strict=True):
        options = whisper.DecodingOptions(
            language="en",
            prompt=encode_prompt(tokenizer, one.prompt),
            without_timestamps=not one.timestamps,
            fp16=False,
        )
        expected = tiny_en.decode(features[one.recording], options)
        assert found.tokens == expected.tokens
        assert found.avg_logprob == pytest.approx(expected.avg_logprob, abs=1e-4)


def test_bf16_has_float32s_loss_on_real_weights(tiny_en, rows):
    """Whisper's residual stream is bf16 under autocast, so the tolerance is 3 %."""
    mel = torch.stack([log_mel(read_audio(row.audio), 80) for row in rows[:2]])
    tokenizer = whisper.tokenizer.get_tokenizer(False)
    examples = [build_example(tokenizer, row.text, row.prompt) for row in rows[:2]]
    n = min(len(tokens) for tokens, _ in examples)
    tokens, targets = (torch.tensor([e[i][:n] for e in examples]) for i in (0, 1))
    losses = []
    for enabled in (False, True):
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            features = encode(tiny_en.encoder, mel)
            losses.append(row_losses(tiny_en.decoder, features, tokens, targets).sum().item())
    assert losses[1] == pytest.approx(losses[0], rel=0.03) and np.isfinite(losses).all()
