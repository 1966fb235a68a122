"""A run goes on where its manifests have moved, with the same content."""

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch
from helpers.audio import write_tone
from helpers.runs import plan_of, train_until_signal, trajectory

from whisper_ft.data.moved_folders import MovedFolders
from whisper_ft.training.loop import train
from whisper_ft.training.plan import SetupError
from whisper_ft.training.run import Run


def stop_after(monkeypatch, step):
    real = Run.step

    def stopping(self, *given):
        log = real(self, *given)
        if log.step == step:
            signal.raise_signal(signal.SIGINT)
        return log

    monkeypatch.setattr(Run, "step", stopping)


@pytest.fixture
def moved(argv, tmp_path, monkeypatch):
    """Stop a run, move its data, and return (run, flags of the new place, the whole run)."""
    whole, run = tmp_path / "whole", tmp_path / "stopped"
    train(plan_of([*argv, "--out", str(whole)]))
    with monkeypatch.context() as patch:
        stop_after(patch, 4)
        assert train_until_signal(plan_of([*argv, "--out", str(run)])).reason == "stopped"
    names = ("--train", "--dev")
    manifests = [Path(argv[argv.index(name) + 1]) for name in names]
    there = tmp_path / "elsewhere"
    there.mkdir()
    for manifest in manifests:
        shutil.move(manifest, there)
    for audio in manifests[0].parent.glob("*.wav"):
        shutil.move(audio, there)
    places = [str(there / manifest.name) for manifest in manifests]
    return run, ["--train", places[0], "--dev", places[1]], whole


def test_a_run_goes_on_with_its_data_in_another_place_and_ends_the_same(moved, logged):
    run, flags, whole = moved
    with pytest.raises(SetupError) as refused:
        plan_of(["--resume", str(run)])
    remedy = f"gone since the run began: restore it, or name its new place: --resume {run} --train"
    assert remedy in str(refused.value)
    assert train(plan_of(["--resume", str(run), *flags])).reason == "finished"
    said = logged()
    assert "these have moved, with the same content" in said and "from step 4 of 7" in said
    assert trajectory(run) == trajectory(whole)
    one, other = (torch.load(folder / "last.pt")["model_state_dict"] for folder in (run, whole))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert json.loads((run / "config.json").read_text())["settings"]["train"] == [flags[1]]
    assert train(plan_of(["--resume", str(run)])).reason == "finished"  # knows its place now
    assert "already finished" in logged()


def test_another_content_or_number_of_manifests_is_refused(moved):
    run, flags, _ = moved
    for more, words in (
        ([*flags[:2], flags[1], *flags[2:]], "--train: 2 for the 1 of the run: give all of them"),
        (
            [*flags[:2], "--dev", "nowhere"],
            "--dev: .*nowhere: no such file: give the place to which",
        ),
    ):
        with pytest.raises(SetupError, match=words):
            plan_of(["--resume", str(run), *more])
    with open(flags[3], "a") as file:
        file.write("\n")
    with pytest.raises(SetupError, match=r"--dev: .*its content is not that of .* when the run"):
        plan_of(["--resume", str(run), *flags])


def test_the_new_place_may_be_relative(moved, monkeypatch):
    run, flags, _ = moved
    monkeypatch.chdir(Path(flags[1]).parent)
    names = [Path(flag).name if flag.endswith(".jsonl") else flag for flag in flags]
    assert plan_of(["--resume", str(run), *names]).config.train == (flags[1],)


@pytest.fixture
def absolute(argv, tmp_path):
    """Give the manifests absolute paths of audio in a folder; return (flags, that folder)."""
    folder = tmp_path / "audio"
    folder.mkdir()
    for name in ("--train", "--dev"):
        manifest = Path(argv[argv.index(name) + 1])
        rows = list(map(json.loads, manifest.read_text().splitlines()))
        for row in rows:
            audio = manifest.parent / row["audio"]
            if audio.exists():
                shutil.move(audio, folder)
            row["audio"] = str(folder / audio.name)
        manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return argv, folder


def test_a_run_goes_on_with_an_audio_folder_in_another_place(
    absolute, tmp_path, monkeypatch, logged
):
    argv, folder = absolute
    whole, run, there = tmp_path / "whole", tmp_path / "stopped", tmp_path / "there"
    train(plan_of([*argv, "--out", str(whole)]))
    with monkeypatch.context() as patch:
        stop_after(patch, 4)
        train_until_signal(plan_of([*argv, "--out", str(run)]))
    shutil.move(folder, there)
    with pytest.raises(SetupError) as refused:
        plan_of(["--resume", str(run)])
    assert f"its folder has moved, name both: --resume {run} --relocate OLD NEW" in str(
        refused.value
    )
    resume = ["--resume", str(run), "--relocate", str(folder), str(there)]
    assert train(plan_of(resume)).reason == "finished"
    assert trajectory(run) == trajectory(whole)
    assert train(plan_of(["--resume", str(run)])).reason == "finished"  # knows its place now
    assert "already finished" in logged()


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (["{folder}"], "--relocate: .*: give pairs of folders, OLD NEW"),
        (["{folder}", "{folder}/nowhere"], "nowhere: no such folder: give the folder that holds"),
        (["/elsewhere", "{folder}"], "--relocate: /elsewhere: no audio path of the manifests"),
    ],
)
def test_folders_that_are_not_the_audios_are_refused(absolute, tmp_path, pair, words):
    argv, folder = absolute
    given = [path.format(folder=folder) for path in pair]
    with pytest.raises(SetupError, match=words):
        plan_of([*argv, "--out", str(tmp_path / "run"), "--relocate", *given])


@pytest.fixture
def noisy(argv, tmp_path, monkeypatch):
    """Stop a run with noise and a glossary, move both, and return (run, where they are)."""
    run, noise, glossary = (tmp_path / name for name in ("stopped", "noise", "terms.txt"))
    noise.mkdir()
    write_tone(noise / "hum.wav", 1.0)
    glossary.write_text("Kelvin\nQuillon\n")
    flags = ["--noise", str(noise), "--glossary", str(glossary), "--out", str(run)]
    with monkeypatch.context() as patch:
        stop_after(patch, 2)
        train_until_signal(plan_of([*argv, *flags]))
    there = tmp_path / "there"
    there.mkdir()
    shutil.move(noise, there)
    shutil.move(glossary, there)
    return run, there


def test_a_run_goes_on_with_noise_and_glossary_in_another_place(noisy):
    run, there = noisy
    with pytest.raises(SetupError) as refused:
        plan_of(["--resume", str(run)])
    assert f"name its new place: --resume {run} --noise NEW" in str(refused.value)
    assert f"name its new place: --resume {run} --glossary NEW" in str(refused.value)
    places = ["--noise", str(there / "noise"), "--glossary", str(there / "terms.txt")]
    assert train(plan_of(["--resume", str(run), *places])).reason == "finished"
    assert train(plan_of(["--resume", str(run)])).reason == "finished"


def test_other_noise_and_another_glossary_are_refused(noisy):
    run, there = noisy
    write_tone(there / "noise" / "more.wav", 1.0)
    places = ["--noise", str(there / "noise"), "--glossary", str(there / "terms.txt")]
    with pytest.raises(SetupError, match=r"--noise: .*its content is not that of"):
        plan_of(["--resume", str(run), *places])
    (there / "noise" / "more.wav").unlink()
    (there / "terms.txt").write_text("Other\n")
    with pytest.raises(SetupError, match="keywords were found by"):
        plan_of(["--resume", str(run), *places])


def test_an_input_that_the_run_has_not_cannot_move(moved):
    run, flags, _ = moved
    with pytest.raises(SetupError, match="--glossary: the run has none: leave it out"):
        plan_of(["--resume", str(run), *flags, "--glossary", flags[1]])


def test_of_folders_in_each_other_the_inner_one_counts(tmp_path):
    moved = MovedFolders.of(["/data", str(tmp_path), "/data/sub", str(tmp_path)])
    assert moved.find(Path("/data/sub/a.wav")) == (Path("/data/sub"), tmp_path / "a.wav")
    assert moved.find(Path("/data/b.wav")) == (Path("/data"), tmp_path / "b.wav")
    assert moved.find(Path("/database/b.wav")) is None
