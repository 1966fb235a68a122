"""Random one-layer Whispers, the three vocabularies, small recordings, real weights."""

import dataclasses
import json
import math
import os
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # tiny matrices; and equal floats need equal threads
os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # equal floats, where there is a GPU

import numpy as np
import pytest
import soundfile
import torch
import whisper
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import get_tokenizer

from whisper_ft.cli.main import main
from whisper_ft.config.options import parse
from whisper_ft.config.train import TrainConfig
from whisper_ft.data.loader import Batch
from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.row import Row
from whisper_ft.models.download import fetch
from whisper_ft.models.loading import Vocabulary
from whisper_ft.prepare.cues import read_cues
from whisper_ft.training.resume import resume_plan
from whisper_ft.training.setup import make_plan
from whisper_ft.validation.checks import check_manifest

pytest_plugins = ["drill"]
NAMES = [f"Name{chr(65 + i)}{chr(97 + j)}" for i in range(10) for j in range(10)]
NAMED_ROWS = [Row(None, f"Call {name} now.", keywords=(name,)) for name in NAMES]  # type: ignore[arg-type]
SRT = """1
00:00:00,500 --> 00:00:02,000
Hello there.

2
00:00:02,000 --> 00:00:04,250
<i>Two lines,</i>
one cue.
"""
EXACT = ["--deterministic"] if torch.cuda.is_available() else []  # a CPU adds in order by itself
EOT = {51864: 50256, 51865: 50257, 51866: 50257}


def random_whisper(n_vocab: int = 51864, seed: int = 0) -> Whisper:
    """A one-layer model that soon says eot, as a trained one does, so that decoding it is quick."""
    torch.manual_seed(seed)
    n_mels = 128 if n_vocab == 51866 else 80
    model = Whisper(ModelDimensions(n_mels, 1500, 32, 2, 1, n_vocab, 448, 32, 2, 1))
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.02)  # whisper leaves it empty
    torch.nn.init.normal_(model.decoder.token_embedding.weight, std=0.1)
    with torch.no_grad():
        model.decoder.ln.bias[0] = 1.0
        model.decoder.token_embedding.weight[EOT[n_vocab], 0] = 8.0
    return model


@pytest.fixture(autouse=True)
def one_thread():
    """Word timestamps start numba's threads, after which torch uses as many: other sums."""
    torch.set_num_threads(1)


def row(text="Hello.", **fields) -> Row:
    return Row(fields.pop("audio", None), text, **fields)


@pytest.fixture
def model() -> Whisper:
    return random_whisper()


@pytest.fixture
def model_path(tmp_path, model) -> Path:
    path = tmp_path / "random.pt"
    torch.save({"dims": vars(model.dims), "model_state_dict": model.state_dict()}, path)
    return path


@pytest.fixture
def english():
    return get_tokenizer(False)


@pytest.fixture(params=["english-only", "99 languages", "100 languages"])
def tokenizer(request):
    return {
        "english-only": get_tokenizer(False),
        "99 languages": get_tokenizer(True, num_languages=99, language="de", task="translate"),
        "100 languages": get_tokenizer(True, num_languages=100, language="yue", task="transcribe"),
    }[request.param]


def tone(seconds: float, sample_rate: int = 16000, hertz: float = 440.0) -> np.ndarray:
    times = np.arange(round(seconds * sample_rate)) / sample_rate
    return (0.3 * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def write_manifest(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def corpus(tmp_path):
    """(train, dev) manifests of one-second tones, with prompts and keywords."""
    names = ["Kathryn", "Smyth", "Zalvexo", "Reid", "Geoff", "Mohr", "Neill"]
    rows = []
    for i, name in enumerate(names):
        soundfile.write(tmp_path / f"{i}.wav", tone(1.0, hertz=200 + 50 * i), 16000)
        rows.append({"audio": f"{i}.wav", "text": f"Call {name} now.", "keywords": [name]})
        if i % 2:
            rows[-1]["prompt"] = f"{name}, Vandel."
    train = write_manifest(tmp_path / "train.jsonl", rows[:5])
    return train, write_manifest(tmp_path / "dev.jsonl", rows[5:])


@pytest.fixture(scope="session")
def tiny_en_path() -> Path:
    """OpenAI's tiny.en, in whisper's cache."""
    return fetch("tiny.en")


@pytest.fixture(scope="session")
def tiny_en(tiny_en_path) -> Whisper:
    return whisper.load_model(str(tiny_en_path), device="cpu")


@pytest.fixture
def argv(corpus, model_path, tmp_path):
    """Flags of a run of seven steps on a random model."""
    return [
        *("--model", str(model_path), "--train", str(corpus[0]), "--dev", str(corpus[1])),
        *("--lr", "1e-3", "--batch-size", "2", "--accumulate", "2", "--max-steps", "7"),
        *("--eval-every", "3", "--save-every", "2", "--workers", "0", "--epochs", "100"),
        *EXACT,
        *("--out", str(tmp_path / "run")),
    ]


def train_command(argv):
    """What `python train.py` does with these flags; the exit status."""
    return main(["train", *argv], prog="python train.py")


def plan_of(argv):
    config, given = parse(TrainConfig, argv, "train.py")
    return resume_plan(config, given) if config.resume else make_plan(config)


def lines(folder, name="metrics.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def trajectory(folder):
    """Everything logged but the time it took."""
    times = ("seconds", "waited")
    return [{k: v for k, v in line.items() if k not in times} for line in lines(folder)]


def assert_same_run(one, other):
    """Equal states, bit for bit, weights, logs and samples."""
    states = [torch.load(folder / "state.pt", weights_only=True) for folder in (one, other)]
    assert states[0]["progress"] == states[1]["progress"]
    for name, tensor in states[0]["model"].items():
        assert torch.equal(tensor, states[1]["model"][name]), name
    for index, slot in states[0]["optimizer"]["state"].items():
        for name, tensor in slot.items():
            assert torch.equal(tensor, states[1]["optimizer"]["state"][index][name])
    for checkpoint in ("best.pt", "last.pt"):
        weights = [torch.load(folder / checkpoint)["model_state_dict"] for folder in (one, other)]
        assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert trajectory(one) == trajectory(other)
    assert lines(one, "samples.jsonl") == lines(other, "samples.jsonl")


def poisoned(batch: Batch) -> Batch:
    return dataclasses.replace(batch, mel=batch.mel * math.nan)


def sound(path, seconds=1.0, **options):
    """Write a tone to a file, its folders too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seconds, **options), 16000)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command; (status, what was said)."""

    def run_command(*argv):
        monkeypatch.setattr("sys.argv", ["whisper-ft", *map(str, argv)])
        status = main()
        said = capsys.readouterr()
        return status, said.out + said.err

    return run_command


@pytest.fixture
def prepare(tmp_path, monkeypatch, capsys):
    """Run the command; (status, rows written, what was said)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*argv, out="out.jsonl"):
        monkeypatch.setattr("sys.argv", ["whisper_ft", "prepare", *argv, "--out", out])
        status = main()
        said = capsys.readouterr()
        manifest = tmp_path / out if out.endswith(".jsonl") else tmp_path / out / "manifest.jsonl"
        rows = []
        if status == 0:
            rows = [json.loads(line) for line in manifest.read_text().splitlines()]
            read = read_manifest(manifest)
            checked = check_manifest(read, Vocabulary(True, 100, 448))
            assert not checked.problems, checked.problems
        return status, rows, said.out + said.err

    return run


def read(tmp_path, content, suffix=".srt", duration=60.0, **options):
    """(cues of a subtitle file, notes as (line, what)) with such a content."""
    path = tmp_path / f"talk{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    notes = []
    found = read_cues(path, duration, lambda place, what: notes.append((place, what)), **options)
    return found, [(place.rsplit(":", 1)[-1], what) for place, what in notes]


def srt(*cues):
    """Cues of (start, end, text) in seconds, as SRT; the times of cue n stand on line 4 n + 2."""

    def stamp(seconds):
        return f"00:{int(seconds) // 60:02}:{int(seconds) % 60:02},{round(seconds % 1 * 1000):03}"

    return "".join(
        f"{n}\n{stamp(start)} --> {stamp(end)}\n{text}\n\n"
        for n, (start, end, text) in enumerate(cues, start=1)
    )


def spans(found):
    return [(cue.start, cue.end, cue.text) for cue in found.cues]
