"""The commands of the README and the pages run as written, on a tiny model and for two steps."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from helpers.models import random_whisper, save_whisper

from whisper_ft.cli.main import main
from whisper_ft.data.audio import read_audio

ROOT = Path(__file__).parents[2]
PAGES = (  # in the order in which a reader takes them: later ones use what earlier ones made
    "README.md",
    "docs/index.md",
    *(f"docs/tutorials/{name}.md" for name in ("terms", "long-recordings", "languages")),
    *(
        f"docs/how-to/{name}.md"
        for name in ("prepare-data", "speak-terms", "out-of-memory", "resume", "evaluate")
    ),
)
OTHERS = ("make ", "pip ")  # they install, or take minutes: CI and `make` run them
SHORT = "--lr 1e-4 --max-steps 2 --eval-rows 1 --batch-size 2 --freeze-encoder --longform-minutes 0"
pytestmark = [pytest.mark.weights, pytest.mark.slow]


def blocks_of(page, language):
    text = (ROOT / page).read_text(encoding="utf-8")
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [block for name, block in fenced if name == language]


def commands():
    """Every different command of the pages, once, in their order."""
    blocks = [block for page in PAGES for block in blocks_of(page, "sh")]
    lines = (line for block in blocks for line in re.sub(r"\\\n *", "", block).split("\n"))
    return [line for line in dict.fromkeys(lines) if line and not line.startswith(OTHERS)]


def shortened(command):
    if command.startswith(("python train.py", "whisper-ft train")) and "--resume" not in command:
        command += f" {SHORT}"
    command = command.replace("runs/small", "runs/tiny")
    names = r"(--model|evaluate|average|longform) (small|tiny\.en)(?=\s|$)"
    # A transcript is aligned with what a model hears in the audio: random weights hear nothing.
    hears = command.startswith(("whisper-ft prepare align", "whisper-ft prepare restore"))
    command = re.sub(names, rf"\1 {'tiny.en' if hears else 'tiny.pt'}", command)
    command = command.replace("runs/tiny.en", "runs/tiny")
    if " longform " in command and "--conditions" not in command:
        command += " --conditions right_carried"  # instead of all five
    return command + " --rows 1" if " evaluate " in command else command


def run_command(command):
    """Return the exit status and output of a command: of ours in this process, others by bash.

    A process of its own would import torch and whisper again for every command.
    """
    ours = re.sub(r"^python train\.py", "whisper-ft train", command)
    if ours.startswith("whisper-ft ") and not re.search(r"[|&;<>$*]", ours):
        return main(shlex.split(ours, comments=True)[1:]), ""
    done = subprocess.run(["bash", "-c", command], capture_output=True)
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A checkout's train.py and data, recordings under my/, a call, a talk, a corpus, noises."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("train.py", "data"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "my").mkdir()
    for split, name in (("train", "train"), ("train", "general"), ("dev", "other"), ("dev", "dev")):
        rows = [json.loads(line) for line in (ROOT / "data" / f"{split}.jsonl").open()]
        for row in rows:
            row["audio"] = str(ROOT / "data" / row["audio"])
        lines = [json.dumps(row) + "\n" for row in rows[:4]]
        (folder / "my" / f"{name}.jsonl").write_text("".join(lines))
    speech = read_audio(Path(rows[-1]["audio"]))
    for name in ("call.wav", "my/talk.wav", "talks/a.wav", "corpus/train/u1.wav", "noise/a.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, speech, 16000)
    (folder / "my/talk.txt").write_text(rows[-1]["text"])
    (folder / "talks/a.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nHello.\n")
    (folder / "corpus/train/wav.scp").write_text("u1 u1.wav\n")
    words = "".join(c for c in rows[-1]["text"].lower() if c.isalnum() or c == " ")
    (folder / "corpus/train/text").write_text(f"u1 {words}\n")
    save_whisper(random_whisper(), folder / "tiny.pt")
    (folder / "my/terms.txt").write_text("Zyxin\n")
    (folder / "my/carriers.txt").write_text("We start {} today.\n")
    (folder / "my/sentences.txt").write_text("Give {Zalvexo} to nobody.\n")
    return folder


def test_the_commands_run_in_the_order_of_the_pages(workplace, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    found = commands()
    assert len(found) >= 25
    monkeypatch.chdir(workplace)
    for command in found:
        if command.startswith("whisper "):
            (code,) = blocks_of("README.md", "python")
            exec(code, {})
        torch.set_num_threads(1)  # commands that find word times leave more
        status, output = run_command(shortened(command))
        assert status == 0, (command, output)
    for run in ("mine", "tiny"):
        assert (workplace / "runs" / run / "best.pt").exists()


@pytest.mark.parametrize("code", blocks_of("docs/reference/python.md", "python"))
def test_the_examples_of_the_python_page_run(code, workplace, monkeypatch, capsys):
    monkeypatch.chdir(workplace)
    exec(code, {})
    assert capsys.readouterr().out.strip()


def test_python_examples_load_a_checkpoint_and_prompt_it():
    for page in PAGES:
        for code in blocks_of(page, "python"):
            compile(code, page, "exec")
            assert "load_model(" in code and "initial_prompt=" in code
