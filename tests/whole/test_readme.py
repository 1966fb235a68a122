"""The README's commands run as written, on tiny.en and for two steps; its table is the figures'."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from whisper.tokenizer import get_tokenizer

from whisper_ft.data.audio import read_audio
from whisper_ft.data.prompts import KINDS, parse_policy
from whisper_ft.data.row_parsing import parse_line
from whisper_ft.evaluation.results import read_evaluations
from whisper_ft.evaluation.tables import MARK, markdown_table
from whisper_ft.text.tokens import IGNORE, build_example

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SHORT = "--max-steps 2 --eval-rows 1 --batch-size 2 --freeze-encoder"
pytestmark = pytest.mark.weights


def blocks(language):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [block for name, block in fenced if name == language]


def shortened(command):
    command = command.replace("--model small", f"--model tiny.en {SHORT}")
    command = command.replace("runs/small", "runs/tiny.en")
    command = re.sub(r"(evaluate|average) small", r"\1 tiny.en", command)
    if " longform " in command:  # four rows, not eighty
        command = command.replace("data/test.jsonl", "my/dev.jsonl")
    return command + " --rows 1" if " evaluate " in command else command


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A checkout's train.py and data, recordings under my/, a call, a talk, a corpus, noises."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("train.py", "data"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "my").mkdir()
    for split in ("train", "dev"):
        rows = [json.loads(line) for line in (ROOT / "data" / f"{split}.jsonl").open()]
        for row in rows:
            row["audio"] = str(ROOT / "data" / row["audio"])
        lines = [json.dumps(row) + "\n" for row in rows[:4]]
        (folder / "my" / f"{split}.jsonl").write_text("".join(lines))
    speech = read_audio(Path(rows[0]["audio"]))
    for name in ("call.wav", "talks/a.wav", "corpus/train/u1.wav", "noise/a.wav"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, speech, 16000)
    (folder / "talks/a.srt").write_text("1\n00:00:00,000 --> 00:00:02,000\nHello.\n")
    (folder / "corpus/train/wav.scp").write_text("u1 u1.wav\n")
    (folder / "corpus/train/text").write_text("u1 hello\n")
    return folder


def test_the_commands_run_in_the_readmes_order(workplace, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    commands = [
        line
        for block in blocks("sh")
        for line in block.splitlines()
        if line.startswith(("python ", "whisper "))
    ]
    assert len(commands) == 16
    for command in commands:
        if command.startswith("whisper"):
            (code,) = blocks("python")
            monkeypatch.chdir(workplace)
            exec(code, {})
        done = subprocess.run(
            ["bash", "-c", shortened(command)], cwd=workplace, capture_output=True
        )
        assert done.returncode == 0, (command, done.stdout.decode(), done.stderr.decode())
    assert (workplace / "runs/mine/best.pt").exists() and (
        workplace / "runs/tiny.en/best.pt"
    ).exists()


def test_the_manifests_example_is_a_row():
    (line,) = blocks("json")
    parsed = parse_line(line.strip().encode())
    assert parsed.fields is not None and not parsed.problems and not parsed.unknown


def test_the_table_is_the_one_that_the_saved_figures_make():
    results = [
        (result.name, result.scores)
        for name in ("stock", "without", "with")
        for result in read_evaluations(ROOT / "data/results" / f"{name}.json")
    ]
    assert README.split(MARK)[1].strip() == markdown_table(results)


def test_every_module_is_in_the_file_tree():
    for path in (ROOT / "whisper_ft").glob("*.py"):
        assert path.name == "__init__.py" or path.name in README, path.name


def test_the_drawing_is_what_build_example_does():
    tokenizer = get_tokenizer(True, language="en", task="transcribe")
    tokens, targets = build_example(tokenizer, "Call Quill.", "Quill, Zyxin")
    drawing = next(block for block in blocks("") if block.startswith("position"))
    for position, line in enumerate(drawing.splitlines()[1:]):
        token, target = (
            "-100" if i == IGNORE else tokenizer.encoding.decode([i])
            for i in (tokens[position], targets[position])
        )
        assert line[:2] == f"{position:2}"
        assert line[11:].startswith(token) and line[36:].startswith(target)
    assert position == len(tokens) - 1


def test_every_mixture_of_prompts_that_it_names_can_be_given():
    mixtures = re.findall(r"`(?:--prompts )?((?:[a-z]+=\.\d+,?)+)`", README)
    assert len(mixtures) >= 5
    for mixture in mixtures:
        assert sum(vars(parse_policy(mixture, (0, 1)))[kind] for kind in KINDS) > 0
