"""What is refused before the first step."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.manifests import write_manifest
from helpers.runs import plan_of

from whisper_ft.config.train import TrainConfig
from whisper_ft.training.loop import train
from whisper_ft.training.plan import SetupError, describe_plan

ROOT = Path(__file__).parents[2]


def test_an_out_that_is_not_a_folder_or_lies_in_none_is_refused(argv, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    for out, existing in (
        (tmp_path / "file", tmp_path / "file"),
        (tmp_path / "file" / "run", tmp_path / "file"),
        (tmp_path / "dangling", tmp_path / "dangling"),
        (tmp_path / "pipe", tmp_path / "pipe"),
        (Path("/dev/null"), Path("/dev/null")),
    ):
        argv[argv.index("--out") + 1] = str(out)
        with pytest.raises(ValueError) as refused:
            plan_of(argv)
        words = f"--out: {out}: {existing} is not a folder: choose another folder"
        assert str(refused.value) == words


def test_a_full_disk_is_seen_before_the_first_step(argv, monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)._replace(free=10_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match=r"0.0 GB are free and the run needs 0.1 GB"):
        plan_of([*argv, "--learn", "texts"])


@pytest.mark.slow
def test_the_command_prints_problems_with_status_2(tmp_path):
    command = [sys.executable, str(ROOT / "train.py"), "--model", "nope", "--out", str(tmp_path)]
    done = subprocess.run([*command, "--batch-size", "0"], capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "--batch-size: 0" in done.stderr and "--model: nope: neither a file" in done.stderr


def test_warm_up_longer_than_the_run_is_refused(argv):
    with pytest.raises(ValueError, match=r"--warmup: 7: the run has 7 steps"):
        plan_of([*argv, "--warmup", "7"])


def test_epochs_and_max_steps_the_smaller_wins(argv):
    argv[argv.index("--epochs") + 1] = "2"
    assert plan_of(argv).schedule.total_steps == 3  # 10 examples, 4 per step
    assert plan_of([*argv[:-1], argv[-1] + "2", "--max-steps", "2"]).schedule.total_steps == 2


def test_several_manifests_are_mixed_by_their_weights(argv, corpus):
    argv[3:4] = [str(corpus[0]), str(corpus[1])]
    plan = plan_of([*argv, "--train-weights", "1", ".5"])
    assert len(plan.examples.rows) == 7 and plan.sampler.epoch_length == 6
    sampled = [example.row for example in plan.sampler.epoch(0)]
    assert sorted(sampled)[:5] == [0, 1, 2, 3, 4] and max(sampled) in (5, 6)


def test_every_problem_is_reported_at_once_and_nothing_is_written(argv, corpus, tmp_path):
    rows = [json.loads(line) for line in corpus[0].read_text().splitlines()]
    rows[1]["promt"], rows[3]["audio"] = "x", "gone.wav"
    write_manifest(corpus[0], rows)
    argv += ["--prompts", "own=2", "--device", "cuda:99", "--batch-size", "0"]
    with pytest.raises(ValueError) as refused:
        plan_of(argv)
    said = str(refused.value)
    for words in (
        "train.jsonl:2: unknown field",
        "train.jsonl:4: audio",
        "--prompts",
        "--device",
        "--batch",
    ):
        assert words in said
    assert not (tmp_path / "run").exists()


def test_an_unknown_model_is_named_beside_the_rows_problems(argv, corpus):
    write_manifest(corpus[0], [{"audio": "gone.wav", "text": "x"}])
    argv[1] = "smal"
    with pytest.raises(ValueError, match=r"--model: smal: neither.*\n.*gone.wav"):
        plan_of(argv)


def test_a_folder_that_holds_a_run_is_refused(argv, tmp_path):
    train(plan_of(argv))
    with pytest.raises(ValueError, match=r"--out: .*holds a run: resume it with --resume"):
        plan_of(argv)


def test_settings_of_a_wrong_type_are_refused_before_anything_is_read(tmp_path):
    out = str(tmp_path / "run")
    with pytest.raises(SetupError) as refused:
        train(TrainConfig(train="t.jsonl", best_by="x", prompts=3, out=out))
    said = str(refused.value).splitlines()
    assert {line.partition(":")[0] for line in said} == {"--prompts", "--train", "--best-by"}
    assert not (tmp_path / "run").exists()
    with pytest.raises(SetupError, match=r"--resume: 5: expected a text"):
        train(TrainConfig(resume=5))


@pytest.mark.parametrize("config", [None, {"model": "tiny.en"}, "tiny.en"])
def test_train_names_the_type_that_it_takes(config):
    with pytest.raises(TypeError, match=r"^train takes a TrainConfig or a Plan, not "):
        train(config)


def trained_layers(plan):
    return {name.split(".")[0] + (".attn" if ".attn." in name else "")
            for name, p in plan.loaded.model.named_parameters() if p.requires_grad}  # fmt: skip


def test_rows_with_keywords_teach_terms_to_the_decoders_self_attention_alone(argv):
    plan = plan_of([*argv, "--learn", "auto"])
    assert (plan.config.learn, plan.config.layers) == ("terms", "self-attention")
    assert trained_layers(plan) == {"decoder.attn"} and plan.config.encoder_is_frozen
    assert plan.teacher is not None and plan.examples.target_weights.text == 0.25
    assert "learns above all to write the terms of its prompt" in describe_plan(plan)
    plan.lock.close()
    other = plan_of([*argv[:-1], argv[-1], "--out", f"{plan.folder}2", "--learn", "texts"])
    assert trained_layers(other) == {"encoder", "encoder.attn", "decoder", "decoder.attn"}
    assert other.teacher is None and other.examples.target_weights is None
    assert "learns all words of the rows alike\n" in describe_plan(other)


@pytest.mark.parametrize(
    "flags", [["--prompts", "own=0"], ["--prompts", "previous=0.5"], ["--keywords", "off"]]
)
def test_without_keywords_in_prompts_texts_are_learned(argv, flags, tmp_path):
    manifest = Path(argv[argv.index("--train") + 1])
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    if "--keywords" in flags:
        for row in rows:
            row.pop("keywords", None)
        manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = plan_of([*argv, "--learn", "auto", *flags])
    assert (plan.config.learn, plan.config.layers) == ("texts", "all")
    assert plan.teacher is None and plan.config.text_weight == 1
    plan.lock.close()
    with pytest.raises(SetupError, match=r"--learn: terms: no training row has keywords that"):
        plan_of([*argv, *flags, "--learn", "terms", "--out", str(tmp_path / "other")])


def test_settings_that_are_given_stay_whatever_is_learned(argv):
    plan = plan_of([*argv, "--learn", "terms", "--layers", "all", "--text-weight", "0.5",
                    "--kl-weight", "0.25", "--freeze-encoder"])  # fmt: skip
    assert trained_layers(plan) == {"decoder", "decoder.attn"}
    assert (plan.teacher.weight, plan.examples.target_weights.text) == (0.25, 0.5)


def test_features_can_be_cached_where_only_self_attention_is_trained(argv, tmp_path):
    cache = ["--feature-cache", str(tmp_path / "features")]
    plan_of([*argv, *cache, "--learn", "terms"]).lock.close()
    with pytest.raises(SetupError, match=r"--feature-cache: .* add --freeze-encoder"):
        plan_of([*argv, *cache, "--learn", "texts", "--out", str(tmp_path / "other")])
