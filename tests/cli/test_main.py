"""All commands: wrong input is a message and a status, never a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

from whisper_ft.cli.main import main
from whisper_ft.version import __version__

ROOT = Path(__file__).parents[2]


def test_without_a_command_the_commands_are_listed(run):
    status, said = run()
    assert status == 2 and "evaluate  Decode manifests under the right" in said
    assert run("--help")[0] == 0


def test_the_version_is_that_of_the_package(run):
    assert run("--version") == (0, f"whisper_ft {__version__}\n")


def test_an_unknown_command_is_named_and_the_commands_are_listed(run):
    status, said = run("trian")
    assert status == 2 and "trian: no such command" in said and "  train     Fine-tune" in said


@pytest.mark.parametrize(
    "command", ["train.py", "-m whisper_ft", "-m whisper_ft evaluate", "-m whisper_ft prepare csv"]
)
def test_help_imports_nothing_that_is_slow(command):
    """torch and whisper take seconds."""
    words = [sys.executable, "-X", "importtime", *command.split(), "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "usage:" in done.stdout and "whisper_ft.config.options" in imported
    assert not imported & {"torch", "whisper", "numpy", "soundfile"}


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_ends_the_command_without_a_word(corpus, model_path):
    command = [sys.executable, "-m", "whisper_ft", "check", *corpus, "--model", model_path]
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 141


@pytest.mark.parametrize(
    ("prog", "command"),
    [
        ("whisper-ft", "whisper-ft train"),
        ("python -m whisper_ft", "python -m whisper_ft train"),
        ("python train.py", "python train.py"),
    ],
)
def test_train_names_the_command_by_which_it_was_called(prog, command, capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"], prog=prog)
    assert capsys.readouterr().out.startswith(f"usage: {command} [-h]")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["trian"], "trian: no such command: did you mean train?"),
        (
            ["train", "--max-step", "3"],
            "unrecognized arguments: --max-step 3: did you mean --max-st",
        ),
        (["train", "--max-step=3"], "--max-step=3: did you mean --max-steps?"),
        (["train", "--lr", "1e-5", ""], "unrecognized arguments: \n"),
        (["prepare", "cvs"], "'cvs' is none of these formats: did you mean csv?"),
        (["evaluate", "tiny-en", "none.jsonl"], "did you mean tiny.en?"),
    ],
)
def test_what_is_mistyped_gets_the_nearest_name(argv, said, capsys):
    with pytest.raises(SystemExit) as stop:
        sys.exit(main(argv))
    captured = capsys.readouterr()
    assert stop.value.code == 2 and said in captured.out + captured.err
