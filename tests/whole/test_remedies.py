"""Every remedy that a message prints works when it is followed.

`REMEDIES` is the table: a command that fails or warns, what it says, and the command that follows
the advice. A scan of the source refuses a message whose advice names a flag or a command that the
table lacks.
"""

import ast
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from helpers.audio import tone, write_damaged, write_tone
from helpers.models import random_whisper
from helpers.runs import EXACT

from whisper_ft.cli.prepare import COMMANDS
from whisper_ft.config.commands import SETTINGS
from whisper_ft.prepare.corpus_formats import CORPUS_FORMATS

SOURCE = Path(__file__).parents[2] / "whisper_ft"
SRT = "1\n00:00:01,000 --> 00:00:20,000\nOne.\n\n2\n00:00:20,500 --> 00:00:33,000\nTwo.\n"
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+[a-z]")
NAMES = "|".join(
    (*SETTINGS, "train", *(f"prepare {name}" for name in (*COMMANDS, *CORPUS_FORMATS)))
)
COMMAND = re.compile(rf"`(?:python -m whisper_ft )?({NAMES})\b[^`]*`")

# Advice that no test can follow: it installs or fetches something, or needs a full machine.
NOT_FOLLOWED = {
    *("--force-reinstall", "--local-dir"),  # of pip and of hf
    *("--gradient-checkpointing", "--freeze-encoder", "--batch-size", "--accumulate"),  # memory
    *("--contrast", "--kl-weight"),
    *("--feature-cache-gb", "--feature-cache", "--device", "--amp"),  # disk, GPU
    *("--lr", "--learn", "--train", "--others"),  # advice on how to train better
    *("pip", "hf", "apt", "restore"),  # `restore` is a verb here
    "prepare restore",  # needs a model that hears
}
# Flags of other programs, and flags that messages name as their subject or as they are.
NOT_ADVICE = {
    *("--decode", "--stdout", "--silent", "--force", "--type", "--rate", "--bits", "--encoding"),
    *("--setf", "--stdin", "--quiet", "--no-deps", "--only-binary", "--dest", "--initial"),
    *("--help", "--version", "--voices", "--respell", "--lookalikes", "--channels"),
}


@dataclass(frozen=True)
class Remedy:
    """A wrong command, what it says, and the command that follows the advice."""

    names: tuple[str, ...]  # flags and commands that the advice names
    files: Callable[[Path], None]
    wrong: str
    says: str
    right: str
    succeeds: str = ""  # part of what the right command says or writes
    status: int = 2  # of the wrong command
    between: Callable[[Path], None] = field(default=lambda folder: None)  # what the advice asks


def table(text, name="t.csv"):
    def write(folder):
        write_tone(folder / "a.wav")
        (folder / name).write_text(text)

    return write


def manifest(*rows, name="m.jsonl"):
    def write(folder):
        for audio in {row["audio"] for row in rows}:
            write_tone(folder / audio)
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    return write


def talk(folder):
    write_tone(folder / "in/talk.wav", 40.0)
    (folder / "in/talk.srt").write_text(SRT)


def two_parties(folder):
    soundfile.write(folder / "call.wav", np.zeros((40 * 16000, 2)), 16000)
    for name in ("a.srt", "b.srt"):
        (folder / name).write_text(SRT)


def carrier(folder):
    (folder / "s.txt").write_text("Please ask {} about it today.\n")


def mojibake(folder):
    talk(folder)
    (folder / "in/talk.srt").write_bytes(SRT.replace("One", "Ça va, déjà").encode("cp1252"))


ROW = {"audio": "a.wav", "text": "Call Ann now.", "keywords": ["Ann"]}
REMEDIES = [
    Remedy(("--columns",), table("file,said\na.wav,Hi.\n"), "prepare csv t.csv --out m.jsonl",
           "give --columns audio=... text=...",
           "prepare csv t.csv --out m.jsonl --columns audio=file text=said", "1 row"),
    Remedy(("--delimiter",), table("audio,text\na.wav,one, two\n"),
           "prepare csv t.csv --out m.jsonl", "put values that contain the delimiter in quotes, or "
           "give --delimiter", "prepare csv t.csv --out m.jsonl --delimiter ,", "1 row",
           between=table('audio,text\na.wav,"one, two"\n')),
    Remedy(("--delimiter",), table("audio:text\na.wav:one\n"), "prepare csv t.csv --out m.jsonl",
           "no audio or text among its columns audio:text",
           "prepare csv t.csv --out m.jsonl --delimiter :", "1 row"),
    Remedy(("--empty-is-silence",), table("audio,text\na.wav,\n"),
           "prepare csv t.csv --out m.jsonl", "give --empty-is-silence if it means silence",
           "prepare csv t.csv --out m.jsonl --empty-is-silence", "1 row"),
    Remedy(("--out",), table("audio,text\na.wav,Hi.\n"), "prepare csv t.csv",
           "--out: say where to write", "prepare csv t.csv --out m.jsonl", "1 row"),
    Remedy(("--language",), table("audio,text\na.wav,Hi.\n"),
           "prepare csv t.csv --out m.jsonl --language gn", "give a code such as en, or that of a "
           "near one: es", "prepare csv t.csv --out m.jsonl --language es", "1 row"),
    Remedy(("prepare csv",), table("audio,text\na.wav,Hi.\n"), "check t.csv --model tiny",
           "`prepare csv` makes a manifest from a table", "prepare csv t.csv --out m.jsonl",
           "1 row", status=1),
    Remedy(("prepare repair",), manifest({"audio": "a.wav", "text": "cafÃ© now"}),
           "check m.jsonl --model tiny", "prepare repair MANIFEST --out NEW` repairs them",
           "prepare repair m.jsonl --out n.jsonl", "1 row", status=0),
    Remedy(("--encoding",), mojibake, "prepare subtitles in --out made --encoding utf-8",
           "give --encoding", "prepare subtitles in --out made --encoding cp1252", "2 rows"),
    Remedy(("--channels",), two_parties, "prepare subtitles call.wav a.srt b.srt --out made",
           "give one, or --channels and one for each channel",
           "prepare subtitles call.wav a.srt b.srt --channels --out made",
           "rows"),
    Remedy(("--all-warnings",), manifest(*[ROW | {"text": f"2024 {i}", "keywords": []}
                                          for i in range(9)]),
           "check m.jsonl --model tiny", "--all-warnings lists each",
           "check m.jsonl --model tiny --all-warnings", "m.jsonl:9", status=0),
    Remedy(("--glossary",), manifest(ROW), "check m.jsonl --model tiny --glossary none.txt",
           "--glossary: none.txt: ", "check m.jsonl --model tiny --glossary terms.txt", "Ann",
           between=lambda folder: (folder / "terms.txt").write_text("Ann\n")),
    Remedy(("--carriers",), carrier,
           "prepare speak s.txt --voices flite/slt --takes 1 --out made",
           "is a carrier: give it by --carriers",
           "prepare speak terms.txt --carriers s.txt --voices flite/slt "
           "--takes 1 --out made", "1 row",
           between=lambda folder: (folder / "terms.txt").write_text("Zyxin\n")),
    Remedy(("--distractors", "--prompts"), manifest(ROW),
           "check m.jsonl --model tiny --distractors 9 3", "give the minimum, then the maximum",
           "check m.jsonl --model tiny --distractors 3 9"),
]  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: " ".join(remedy.names))
def test_a_remedy_works_when_it_is_followed(here, run, remedy):
    remedy.files(here)
    status, said = run(*remedy.wrong.split())
    assert status == remedy.status and remedy.says in said, said
    remedy.between(here)
    status, said = run(*remedy.right.split())
    assert status == 0 and remedy.succeeds in said, said


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Flags of a run of two steps, its finished folder, and evaluations of its checkpoint."""
    folder = tmp_path_factory.mktemp("run")
    for i in range(12):
        soundfile.write(folder / f"{i}.wav", tone(1.0, hertz=200 + i), 16000)
    rows = [
        {"audio": f"{i}.wav", "text": f"Call Ann{i} now.", "keywords": [f"Ann{i}"]}
        for i in range(12)
    ]
    for name, some in (("train", rows[:6]), ("dev", rows[4:])):
        lines = "".join(json.dumps(row) + "\n" for row in some)
        (folder / f"{name}.jsonl").write_text(lines)
    model = random_whisper()
    content = {"dims": vars(model.dims), "model_state_dict": model.state_dict()}
    torch.save(content, folder / "m.pt")
    return folder, [
        *("train", "--model", folder / "m.pt", "--train", folder / "train.jsonl"),
        *("--dev", folder / "dev.jsonl", "--batch-size", "2", "--max-steps", "2"),
        *("--eval-every", "9", "--workers", "0", "--epochs", "9", "--learn", "texts"),
        *("--longform-minutes", "0", "--contrast", "0", "--lr", "1e-3", *EXACT),
    ]


TRAINING = (
    *("--resume", "--model", "--interpolate", "--longform-minutes", "--dev", "--segments"),
    *(
        "--eval-rows",
        "--learn",
        "--json",
        "--relocate",
        "--skip-bad-rows",
        "--samples",
        "--keywords",
        "--seed",
        "--conditions",
    ),
    *("evaluate", "check"),
)


@pytest.mark.slow
def test_what_a_run_advises_works(trained, here, run):
    folder, argv = trained
    out = here / "run"
    status, said = run(*argv, "--out", out, "--interpolate", "auto")
    assert status == 0 and "`python -m whisper_ft check TRAIN DEV` lists them" in said, said
    manifests = (folder / "train.jsonl", folder / "dev.jsonl")
    status, said = run("check", *manifests, "--model", folder / "m.pt")
    assert status == 0 and "s of it are also in" in said, said
    # finished: to go on, start from its checkpoint
    status, said = run("train", "--resume", out, "--max-steps", "4")
    advice = re.search(r"start a new run with --model (\S+)", said)
    assert status == 2 and advice, said
    status, said = run(*argv[:1], "--model", advice[1], *argv[3:], "--out", here / "longer")
    assert status == 0, said
    # the first model is gone before the mixture
    own = here / "own.pt"
    shutil.copy(folder / "m.pt", own)
    flags = [own if flag == folder / "m.pt" else flag for flag in argv]
    status, said = run(*flags, "--out", here / "lost", "--interpolate", "off")
    assert status == 0, said
    own.unlink()
    status, said = run("train", "--resume", here / "lost", "--interpolate", "auto")
    assert status == 2 and "restore it, or add --interpolate off" in said, said
    status, said = run("train", "--resume", here / "lost", "--interpolate", "off")
    assert status == 0, said
    # data that moved
    for name in ("train.jsonl", "dev.jsonl", *(f"{i}.wav" for i in range(12))):
        shutil.copy2(folder / name, here / name)
    flags = [here / flag.name if isinstance(flag, Path) and flag.suffix == ".jsonl" else flag
             for flag in argv]  # fmt: skip
    status, said = run(*flags, "--out", here / "moved")
    assert status == 0, said
    (here / "there").mkdir()
    for path in (*here.glob("*.jsonl"), *here.glob("*.wav")):
        shutil.move(path, here / "there")
    status, said = run("train", "--resume", here / "moved")
    advice = re.findall(r"--resume \S+ (--\w+) NEW", said)
    assert status == 2 and advice == ["--train", "--dev"], said
    moved = [item for flag in advice for item in (flag, here / f"there/{flag[2:]}.jsonl")]
    status, said = run("train", "--resume", here / "moved", *moved)
    assert status == 0, said
    # audio that moved, and a file of it that is damaged in its middle
    (here / "sound").mkdir()
    for path in (here / "there").glob("*.wav"):
        shutil.move(path, here / "sound")
    status, said = run("train", "--resume", here / "moved")
    assert status == 2 and f"--resume {here / 'moved'} --relocate OLD NEW" in said, said
    status, said = run(
        "train", "--resume", here / "moved", "--relocate", here / "there", here / "sound"
    )
    assert status == 0, said


@pytest.mark.slow
def test_the_advice_on_audio_that_is_damaged_in_its_middle_works(trained, here, run):
    folder, argv = trained
    row = {"audio": "damaged.flac", "text": "Call Ann now."}
    manifest({"audio": "a.wav", "text": "Call Bob now.", "keywords": ["Bob"]}, row)(here)
    flags = [here / "m.jsonl" if flag == folder / "train.jsonl" else flag for flag in argv]
    write_damaged(here / "damaged.flac")
    status, said = run(*flags, "--out", here / "run", "--segments", "off")
    advice = re.search(r"--resume (\S+) (--\S+)", said)
    assert status == 1 and advice and advice[2] == "--skip-bad-rows", said
    status, said = run("train", "--resume", advice[1], advice[2])
    assert status == 0 and "another row stands in for it" in said, said


@pytest.mark.slow
def test_what_an_evaluation_advises_works(trained, here, run):
    folder, _ = trained
    dev, model = folder / "dev.jsonl", folder / "m.pt"
    status, said = run("evaluate", model, dev, "--samples", "a.jsonl", "--json", "a.json")
    assert status == 0, said
    status, said = run("compare", "a.json")  # not what --samples wrote
    assert status == 2 and "give the samples, which evaluate --samples writes" in said, said
    status, said = run("table", "a.jsonl")  # not what --json wrote
    assert status == 2 and "write it again with evaluate --json" in said, said
    assert run("table", "a.json")[0] == 0
    flags = ("--keywords", "off", "--seed", "3", "--samples", "b.jsonl")
    status, said = run("evaluate", model, dev, *flags)
    status, said = run("compare", "a.jsonl", "b.jsonl")
    assert status == 2 and "with the same --" in said, said
    assert run("evaluate", model, dev, "--samples", "b.jsonl")[0] == 0
    assert run("compare", "a.jsonl", "b.jsonl")[0] == 0


COVERED = {*TRAINING, *(name for remedy in REMEDIES for name in remedy.names)}


def messages():
    """Yield (place, text) of every string that may be said: no docstring, no help of a flag."""
    for path in sorted(SOURCE.rglob("*.py")):
        if path.relative_to(SOURCE).parts[0] == "config":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        documented = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if is_text and id(node) not in docs:
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", node.value


def test_every_flag_and_command_that_a_message_advises_is_in_the_table():
    known = COVERED | NOT_FOLLOWED | NOT_ADVICE
    unknown = []
    for place, text in messages():
        for match in FLAG.finditer(text):
            is_subject = text[match.end() :].startswith(":") and match.start() == 0
            is_value = text.strip() == match[0] or text.startswith(f"{match[0]} ")
            if not is_subject and not is_value and match[0] not in known:
                unknown.append((place, match[0]))
        unknown += [(place, match[1]) for match in COMMAND.finditer(text) if match[1] not in known]
    assert not unknown, "add them to REMEDIES, with a test that follows the advice"
