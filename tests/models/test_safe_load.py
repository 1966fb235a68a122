"""Checkpoints are read as data and not believed."""

import pickle
import zipfile
from collections import Counter, OrderedDict

import pytest
import torch

from whisper_ft.models.loading import load
from whisper_ft.models.safe_load import find_damage


def test_damage_is_seen_by_checksum(tmp_path):
    torch.save({"w": torch.ones(100)}, tmp_path / "a.pt")
    assert find_damage(tmp_path / "a.pt") == ""
    content = bytearray((tmp_path / "a.pt").read_bytes())
    (tmp_path / "cut.pt").write_bytes(content[:-100])
    assert "not a whole file" in find_damage(tmp_path / "cut.pt")


class ClaimsMemory:
    """Unpickles to as many bytes as a number says."""

    def __reduce__(self):
        return bytearray, (6_000_000_000,)


def archived(path, pickled, name="data.pkl"):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"archive/{name}", pickled)
        archive.writestr("archive/version", b"3\n")
    return path


@pytest.mark.parametrize("name", ["data.pkl", "DATA.PKL"])
def test_pickles_that_take_memory_or_the_stack_are_refused_unread(tmp_path, name):
    a_million = b"\x80\x02}" + b")" + b"\x85" * 10**6 + b"K\x01s."
    for content, words in (
        (pickle.dumps({"dims": ClaimsMemory()}, 2), "it names '__builtin__ bytearray'"),
        (a_million, "values in values"),
        (b"\x80\x02" + b"]" * 1000 + b"a" * 999 + b".", "values in values"),
        (b"\x80\x02" + b"N0" * 3_000_000 + b".", "bytes of names alone"),
        (b"\x80\x02(.", "plain weights"),
        (b"\x80\x02}a.", "no pickle"),
        (b"no pickle", "no pickle"),
    ):
        with pytest.raises(ValueError, match=words):
            load(str(archived(tmp_path / "odd.pt", content, name)))


def test_plain_types_long_lists_and_shared_values_are_allowed_beside_weights(tmp_path, model_path):
    whole = torch.load(model_path)
    nested = ("a", ("b", ("c",)))
    plain = [torch.float16, torch.device("cpu"), torch.Size([1]), Counter("ab"), {1}, 1j, b"x"]
    more = {"losses": [0.5] * 10**5, "nested": [nested, nested], "plain": plain}
    torch.save({**whole, **more}, tmp_path / "more.pt")
    assert find_damage(tmp_path / "more.pt") == ""
    load(str(tmp_path / "more.pt"))


def test_an_archive_that_readers_would_read_differently_is_refused(tmp_path, model_path):
    whole = model_path.read_bytes()
    path = tmp_path / "two.pt"
    path.write_bytes(whole + archived(tmp_path / "other.pt", b"\x80\x02}.").read_bytes())
    assert "two directories" in find_damage(path)
    path.write_bytes(whole + b"more")
    assert find_damage(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        archive.writestr("archive/Data.pkl", b"\x80\x02].")
    assert "two entries with one name" in find_damage(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        archive.writestr("other/data.pkl", b"\x80\x02cposix\nsystem\n.")
    assert "it names 'posix system'" in find_damage(path)


def test_weights_with_odd_names_attributes_or_types_are_refused_with_a_reason(tmp_path, model_path):
    whole = torch.load(model_path)
    weights = whole["model_state_dict"]
    name = next(iter(weights))
    for spoiled in (
        {**weights, 5: torch.zeros(1)},
        {**weights, None: torch.zeros(1)},
        {**weights, name: weights[name] > 0},
        {**weights, name: torch.empty(weights[name].shape, device="meta")},
    ):
        torch.save({**whole, "model_state_dict": spoiled}, tmp_path / "odd.pt")
        with pytest.raises(ValueError, match=r"its weights are not|plain weights|not weights"):
            load(str(tmp_path / "odd.pt"))
    for attribute in ("values", "copy", "_metadata"):
        named = OrderedDict(weights)
        setattr(named, attribute, 5)
        torch.save({**whole, "model_state_dict": named}, tmp_path / "named.pt")
        loaded = load(str(tmp_path / "named.pt")).model.state_dict()
        assert torch.equal(loaded[name], weights[name].float())
