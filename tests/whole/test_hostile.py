"""No code comes from files, no memory is taken on a file's word, and names are data."""

import ast
import base64
import gzip
import io
import json
import re
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from helpers.audio import tone
from helpers.manifests import write_manifest
from helpers.runs import lines, plan_of

from whisper_ft.data.audio import read_audio
from whisper_ft.data.audio_info import probe
from whisper_ft.data.feature_cache import TAIL, read_features
from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.row_parsing import MAX_LINE
from whisper_ft.models.loading import load
from whisper_ft.models.safe_load import find_damage
from whisper_ft.training.loop import train

SOURCE = Path(__file__).parents[2] / "whisper_ft"


class Payload:
    """A pickle that leaves a file behind wherever it is opened carelessly."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return exec, (f"open({self.mark!r}, 'w').close()",)


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "ran"


def test_the_payload_works(mark):
    import pickle

    pickle.loads(pickle.dumps(Payload(mark)))
    assert mark.exists()


# ---- no code


def test_a_checkpoint_with_code_in_any_place_is_refused_and_inert(tmp_path, model_path, mark):
    whole = torch.load(model_path)
    for place in ("dims", "model_state_dict", "alignment_heads", "more"):
        path = tmp_path / f"{place}.pt"
        torch.save({**whole, place: Payload(mark)}, path)
        with pytest.raises(ValueError, match="not weights: it names"):
            load(str(path))
    assert not mark.exists()


def test_a_state_with_code_is_refused_and_inert(argv, tmp_path, mark):
    train(plan_of(argv))
    path = tmp_path / "run" / "state.pt"
    for place in ("model", "optimizer", "progress", "rng"):
        state = torch.load(path, weights_only=True)
        for name in ("state.pt", "state.previous.pt"):
            torch.save({**state, place: Payload(mark)}, tmp_path / "run" / name)
        with pytest.raises(ValueError, match=r"not weights: it names .* no intact state is left"):
            train(plan_of(["--resume", str(tmp_path / "run")]))
        torch.save(state, path)
    assert not mark.exists()


def test_features_with_code_are_refused_and_inert(tmp_path, mark):
    content = io.BytesIO()
    np.save(content, np.array([Payload(mark)], dtype=object), allow_pickle=True)
    packed = content.getvalue()
    path = tmp_path / "evil.npy"
    path.write_bytes(packed + TAIL.pack(1.0, zlib.crc32(packed)))
    with pytest.raises(ValueError, match="Python objects"):
        read_features(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    "claim", ["(1000000000, 1000000)", "(2, 2), 'x': 1", "(4,)", "'no'", "((2", "(2L, \0"]
)
def test_features_of_any_other_shape_are_refused(tmp_path, claim):
    head = f"{{'descr': '<f2', 'fortran_order': False, 'shape': {claim}}}".ljust(117) + "\n"
    packed = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode() + bytes(8)
    (tmp_path / "one.npy").write_bytes(packed + TAIL.pack(1.0, zlib.crc32(packed)))
    with pytest.raises(ValueError):
        read_features(tmp_path / "one.npy")


def calls():
    """(file and line, the name that is called, its keywords) of every call in the package."""
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                yield f"{path}:{node.lineno}", ast.unparse(node.func), keywords


def test_nothing_in_the_source_opens_a_door():
    found = list(calls())
    loads = [keywords for _, name, keywords in found if name == "torch.load"]
    assert loads and all(keywords.get("weights_only") == "True" for keywords in loads)
    arrays = [keywords for _, name, keywords in found if name == "np.load"]
    assert arrays and all(keywords.get("allow_pickle") == "False" for keywords in arrays)
    doors = re.compile(
        r"eval|exec|compile|os\.(system|popen|exec\w*|spawn\w*)|pickle\..*|.*\.loads?_module"
    )
    assert not [(place, name) for place, name, _ in found if doors.fullmatch(name)]
    assert not [place for place, _, keywords in found if keywords.get("shell", "False") != "False"]


# ---- no memory on a file's word


def peak_of(action):
    """Megabytes that Python and NumPy held at most."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def refused(path, words):
    with pytest.raises(ValueError, match=words):
        load(str(path))


def test_weights_and_dims_that_claim_more_than_the_file_holds_are_refused(tmp_path, model_path):
    whole = torch.load(model_path)
    huge = torch.zeros(1).expand(10**6, 10**6)
    for dims, tensors, words in (
        ({}, {"encoder.conv1.weight": huge}, "claims more numbers than are stored"),
        ({"n_vocab": 10**12}, {}, "its vocabulary has 1000000000000 tokens"),
        ({"n_text_ctx": 10**9}, {}, "no Whisper has these dims"),
        ({"n_text_head": 10**12}, {}, "no model has a width of 32"),
        ({"n_audio_layer": 10**9}, {}, "its dims ask for"),
        ({"n_audio_state": 10**6, "n_audio_head": 1}, {}, "its dims ask for"),
    ):
        spoiled = {
            "dims": {**whole["dims"], **dims},
            "model_state_dict": {**whole["model_state_dict"], **tensors},
        }
        torch.save(spoiled, tmp_path / "huge.pt")
        refused(tmp_path / "huge.pt", words)


def test_dims_and_heads_of_no_kind_are_refused_in_few_words(tmp_path, model_path):
    whole = torch.load(model_path)
    nested: list = []
    for _ in range(60):  # a repr of each holds the one before it twice
        nested = [nested, nested]
    broken = base64.b85encode(gzip.compress(bytes(8))[:10] + b"broken").decode()
    for spoiled in (
        {"dims": nested},
        {"dims": {**whole["dims"], "n_audio_head": 0}},
        {"dims": {**whole["dims"], "n_audio_layer": -(10**6), "n_text_layer": 10**6}},
        {"dims": {**whole["dims"], "n_vocab": 10**5000}},
        {"alignment_heads": broken},
    ):
        torch.save({**whole, **spoiled}, tmp_path / "odd.pt")
        with pytest.raises(ValueError) as refusal:
            load(str(tmp_path / "odd.pt"))
        assert len(str(refusal.value)) < 1000


def test_a_checkpoint_made_of_one_number_is_refused(tmp_path, model_path):
    """Each weight a view of the same few bytes, as a file of kilobytes may claim gigabytes."""
    whole = torch.load(model_path)
    n = max(tensor.numel() for tensor in whole["model_state_dict"].values())
    one = torch.zeros(n)
    whole["model_state_dict"] = {
        name: one[: tensor.numel()].view(tensor.shape)
        for name, tensor in whole["model_state_dict"].items()
    }
    torch.save(whole, tmp_path / "views.pt")
    refused(tmp_path / "views.pt", "its weights claim")


def test_packed_heads_do_not_unpack_to_gigabytes(tmp_path, model_path):
    bomb = base64.b85encode(gzip.compress(bytes(10**8))).decode()
    torch.save({**torch.load(model_path), "alignment_heads": bomb}, tmp_path / "heads.pt")
    assert peak_of(lambda: refused(tmp_path / "heads.pt", "its alignment_heads are not")) < 50


def test_archive_bombs_are_refused_unopened(tmp_path):
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(10**8))
    assert packed.stat().st_size < 10**6
    assert peak_of(lambda: refused(packed, "a compressed archive")) < 50
    overlapping = tmp_path / "overlapping.pt"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a", bytes(10**5))
        for n in range(100):  # entries of one and the same content
            info = archive.filelist[0]
            again = zipfile.ZipInfo(f"a{n}")
            for name in ("CRC", "file_size", "compress_size", "header_offset"):
                setattr(again, name, getattr(info, name))
            archive.filelist.append(again)
        archive._didModify = True
    overlapping.write_bytes(content.getvalue())
    assert "claims more than the file holds" in find_damage(overlapping)


def test_a_line_of_100_megabytes_is_refused(tmp_path):
    path = tmp_path / "long.jsonl"
    path.write_bytes(b'{"audio": "a.wav", "text": "' + b"x" * 10**8 + b'"}\n{"audio": 1}\n')
    found = []
    assert peak_of(lambda: found.append(read_manifest(path))) < 250
    problems = list(map(str, found[0].problems))
    assert any(f":1: a line of more than {MAX_LINE} bytes" in problem for problem in problems)
    assert any(":2: audio: 1: expected a string" in problem for problem in problems)


@pytest.fixture
def ten_hours(tmp_path) -> Path:
    """A recording whose samples take no room on the disk, all but a tone near its end."""
    path = tmp_path / "ten hours.wav"
    soundfile.write(path, np.zeros(0), 16000, subtype="PCM_16")
    n_bytes = 36_000 * 16_000 * 2
    header = bytearray(path.read_bytes()[:44])
    header[4:8], header[40:44] = (n.to_bytes(4, "little") for n in (n_bytes + 36, n_bytes))
    with path.open("wb") as file:
        file.write(header)
        file.seek(44 + 35_990 * 32_000)
        file.write((tone(5.0) * 32767).astype("<i2").tobytes())
        file.truncate(44 + n_bytes)
    return path


def test_ten_hours_are_read_by_stretches(ten_hours):
    assert probe(ten_hours).duration == 36_000
    heard = []
    assert peak_of(lambda: heard.append(read_audio(ten_hours, 35_990.0, 35_995.0))) < 10
    assert np.abs(heard[0] - tone(5.0)).max() < 1e-3


# ---- names are data

ODD = ["-x.wav", "a b.wav", 'it\'s "quoted".wav', "$(touch ran).wav", "名前 é.wav", "%d{0}.wav"]


def test_any_name_is_a_name(argv, corpus, tmp_path, model_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(ODD):
        soundfile.write(tmp_path / name, tone(1.0, hertz=300 + i), 16000)
    write_manifest(corpus[0], [{"audio": name, "text": "Call now."} for name in ODD])
    assert train(plan_of(argv)).reason == "finished"
    assert not (tmp_path / "ran").exists()
    assert [line["n_rows"] for line in lines(tmp_path / "run") if line["kind"] == "step"] == [4] * 7


def test_a_name_with_markup_or_control_characters_stays_in_its_line(tmp_path):
    path = write_manifest(tmp_path / "m.jsonl", [{"audio": "a\nb.wav", "text": "x", "nme": "<b>"}])
    problems = [*read_manifest(path).problems, *read_manifest(path).warnings]
    assert json.loads(path.read_text())["audio"] == "a\nb.wav"
    assert all("\n" not in str(problem) for problem in problems)
