"""The command `average`."""

import pytest
import torch
import whisper
from helpers.models import random_whisper

from whisper_ft.models.loading import load


@pytest.fixture
def second(tmp_path):
    """Another random model's checkpoint, of the same size."""
    model = random_whisper(seed=1)
    path = tmp_path / "second.pt"
    torch.save({"dims": vars(model.dims), "model_state_dict": model.state_dict()}, path)
    return path


def test_the_average_opens_with_whisper_and_lies_between(run, model_path, second, tmp_path):
    out = tmp_path / "averaged.pt"
    argv = ("average", model_path, second, "--weights", "0.25", "0.75", "--out", out)
    status, output = run(*argv)
    assert status == 0 and f"0.25 {model_path} + 0.75 {second}" in output
    averaged = whisper.load_model(str(out), device="cpu").state_dict()
    one, other = (load(str(path)).model.state_dict() for path in (model_path, second))
    for name, tensor in averaged.items():
        expected = (0.25 * one[name] + 0.75 * other[name]).half().float()
        assert torch.equal(tensor, expected), name


def test_weights_that_nearly_add_up_to_1_are_made_to(run, model_path, second, tmp_path):
    out = tmp_path / "averaged.pt"
    argv = ("average", model_path, second, "--weights", ".4998", ".4998", "--out", out)
    status, output = run(*argv)
    assert status == 0 and f"0.5 {model_path} + 0.5 {second}" in output
    averaged, one = load(str(out)).model.state_dict(), load(str(model_path)).model.state_dict()
    assert torch.equal(averaged["decoder.ln.weight"], one["decoder.ln.weight"])  # ones in both


def test_what_cannot_be_averaged_is_refused_with_the_remedy(run, model_path, second, tmp_path):
    status, output = run("average", model_path, "nosuch.pt", "--weights", "1")
    assert status == 2
    for words in ("nosuch.pt: neither", "--weights: 1 for 2 checkpoints", "--out: not given"):
        assert words in output
    argv = ("average", model_path, second)
    assert "add up to 1.5" in run(*argv, "--weights", ".5", "1", "--out", tmp_path / "o.pt")[1]
    assert "also an input or another output" in run(*argv, "--out", second)[1]
    large = random_whisper(51866)
    torch.save({"dims": vars(large.dims), "model_state_dict": large.state_dict()},
               tmp_path / "large.pt")  # fmt: skip
    output = run("average", model_path, tmp_path / "large.pt", "--out", tmp_path / "o.pt")[1]
    assert "models of different sizes cannot be averaged" in output
    (tmp_path / "link.pt").symlink_to(model_path)
    for twin in (model_path, tmp_path / "link.pt"):
        status, output = run("average", model_path, twin, "--out", tmp_path / "o.pt")
        assert status == 2 and "the same checkpoint is given twice: give each once" in output
    assert not (tmp_path / "o.pt").exists()
