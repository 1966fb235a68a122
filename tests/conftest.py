"""Fixtures: random models, the three vocabularies, a small corpus, commands, real weights."""

import json
import os
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # tiny matrices; and equal floats need equal threads
os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # equal floats, where there is a GPU

import pytest

pytest.register_assert_rewrite("helpers.runs")

import torch
import whisper
from helpers.manifests import write_corpus
from helpers.models import random_whisper, save_whisper
from helpers.runs import EXACT
from whisper.model import Whisper
from whisper.tokenizer import get_tokenizer

from whisper_ft.cli.main import main
from whisper_ft.data.manifest import read_manifest
from whisper_ft.models.download import fetch_weights
from whisper_ft.models.loading import Vocabulary
from whisper_ft.models.memory_estimate import estimate_peak_bytes
from whisper_ft.training import capacity
from whisper_ft.validation.checks import check_manifest

pytest_plugins = ["drill"]


def pytest_itemcollected(item):
    """A test that trains a whole run or opens a browser is slow: `make check` leaves it out."""
    if {"argv", "material", "run_folder", "browser"} & {*item.fixturenames}:
        item.add_marker("slow")


def pytest_collection_modifyitems(items):
    """Files with slow tests go first, so that no process works alone at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True, scope="session")
def remembered_estimates():
    """What a step needs takes a second to estimate, and most runs here have one shape."""
    known = {}

    def estimate(*args, **options):
        key = repr((args, options))
        if key not in known:
            known[key] = estimate_peak_bytes(*args, **options)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(capacity, "estimate_peak_bytes", estimate)
        yield


@pytest.fixture(autouse=True)
def one_thread():
    """Word timestamps start numba's threads, after which torch uses as many: other sums."""
    torch.set_num_threads(1)


@pytest.fixture
def model() -> Whisper:
    return random_whisper()


@pytest.fixture
def model_path(tmp_path, model) -> Path:
    return save_whisper(model, tmp_path / "random.pt")


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


@pytest.fixture
def corpus(tmp_path):
    """(train, dev) manifests of one-second tones, with prompts and keywords."""
    return write_corpus(tmp_path)


@pytest.fixture(scope="session")
def tiny_en_path() -> Path:
    """OpenAI's tiny.en, in whisper's cache."""
    return fetch_weights("tiny.en")


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


@pytest.fixture
def logged(caplog):
    """Return a function that returns and clears what the package has logged."""
    caplog.set_level("INFO", logger="whisper_ft")

    def text() -> str:
        lines = [record.getMessage() for record in caplog.records]
        caplog.clear()
        return "\n".join(lines)

    return text


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command and return (status, output and errors)."""

    def run_command(*argv):
        monkeypatch.setattr("sys.argv", ["whisper-ft", *map(str, argv)])
        status = main()
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run_command


@pytest.fixture
def prepare(tmp_path, monkeypatch, capsys):
    """Run the command and return (status, rows written, output and errors)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run_prepare(*argv, out="out.jsonl"):
        monkeypatch.setattr("sys.argv", ["whisper_ft", "prepare", *argv, "--out", out])
        status = main()
        captured = capsys.readouterr()
        manifest = tmp_path / out if out.endswith(".jsonl") else tmp_path / out / "manifest.jsonl"
        rows = []
        if status == 0:
            rows = [json.loads(line) for line in manifest.read_text().splitlines()]
            checked = check_manifest(read_manifest(manifest), Vocabulary(True, 100, 448))
            assert not checked.problems, checked.problems
        return status, rows, captured.out + captured.err

    return run_prepare


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user's folder whose name must not be shown, with a cache of weights."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kathryn" / "cache"))
    (tmp_path / "kathryn" / "cache" / "whisper").mkdir(parents=True)
    (tmp_path / "kathryn" / "cache" / "whisper" / "tiny.en.pt").write_bytes(bytes(2_000_000))
    return tmp_path
