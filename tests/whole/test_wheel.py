"""Installed from a wheel, outside of a checkout, it trains, resumes and evaluates."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest
from helpers.manifests import write_corpus
from helpers.models import random_whisper, save_whisper
from helpers.runs import EXACT, lines

from whisper_ft.version import __version__

ROOT = Path(__file__).parents[2]
SOURCES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "train.py", "whisper_ft")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel of this checkout, built from a copy so that nothing is left in it."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        source, target = ROOT / name, folder / "source" / name
        target.parent.mkdir(exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, folder / "source"], check=True, cwd=folder
    )
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Run a command of a new environment: it has the wheel, and borrows what the wheel needs."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=False)
    bin_folder = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    ask = [bin_folder / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip())
    pip = [sys.executable, "-m", "pip", "--python", bin_folder / "python", "install"]
    subprocess.run([*pip, "--quiet", "--no-deps", "--no-index", wheel], check=True, cwd=folder)
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "borrowed.pth").write_text("\n".join(borrowed) + "\n")  # editable installs stay out
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}

    def run_installed(command, *arguments, status=0):
        done = subprocess.run(
            [bin_folder / command, *map(str, arguments)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    run_installed.folder = folder
    run_installed.packages = packages
    return run_installed


def test_the_wheel_holds_the_package_alone_with_its_page_and_its_types(wheel):
    names = ZipFile(wheel).namelist()
    folders = {name.split("/")[0] for name in names}
    assert folders == {"whisper_ft", f"whisper_ft-{__version__}.dist-info"}
    assert {"whisper_ft/py.typed", "whisper_ft/reporting/page.html"} <= set(names)
    sources = {p.relative_to(ROOT).as_posix() for p in ROOT.glob("whisper_ft/**/*.py")}
    assert sources <= set(names)


def test_the_installed_package_is_the_wheels_and_no_module_is_named_train(installed):
    where = installed("python", "-c", "import whisper_ft; print(whisper_ft.__file__)")
    assert Path(where.strip()).is_relative_to(installed.packages)
    assert "No module named 'train'" in installed("python", "-c", "import train", status=1)
    assert __version__ in installed("whisper-ft", "--version")


def test_the_installed_command_trains_resumes_and_evaluates(installed):
    folder = installed.folder
    train, dev = write_corpus(folder)
    model_path = save_whisper(random_whisper(), folder / "random.pt")
    run = folder / "run"
    assert "usage: whisper-ft train" in installed("whisper-ft", "train", "--help")
    settings = [
        *("--model", model_path, "--train", train, "--dev", dev, "--out", run),
        *("--lr", "1e-3", "--batch-size", "2", "--max-steps", "2", "--eval-every", "2"),
        *("--save-every", "1", "--workers", "0", *EXACT),
    ]
    installed("whisper-ft", "train", *settings)
    losses = [line["loss"] for line in lines(run) if line["kind"] == "step"]
    (run / "state.previous.pt").replace(run / "state.pt")  # as if it had stopped after step 1
    installed("whisper-ft", "train", "--resume", run)
    assert [line["loss"] for line in lines(run) if line["kind"] == "step"] == losses
    assert len(losses) == 2
    table = installed("whisper-ft", "evaluate", run / "best.pt", dev, "--json", folder / "s.json")
    assert "WER" in table and (folder / "s.json").exists()


def test_without_a_sample_beside_it_training_asks_for_a_manifest(installed):
    assert "--train: " in installed("whisper-ft", "train", "--model", "tiny.en", status=2)
