"""Official names and checkpoints load, and other files are refused with the reason."""

import pytest
import torch
import whisper
from helpers.models import random_whisper

from whisper_ft.models.loading import Vocabulary, load, load_vocabulary, vocabulary_from_dims


@pytest.mark.parametrize("n_vocab", [51864, 51865, 51866])
def test_the_vocabulary_is_what_whisper_derives_from_dims(n_vocab):
    model = random_whisper(n_vocab)
    expected = Vocabulary(model.is_multilingual, model.num_languages, 448)
    assert vocabulary_from_dims(model.dims) == expected


def test_official_names_have_a_vocabulary_without_their_weights():
    assert load_vocabulary("tiny.en") == Vocabulary(False, 99, 448)
    assert load_vocabulary("large-v2") == Vocabulary(True, 99, 448)
    for wide in ("large-v3", "large", "turbo", "large-v3-turbo"):
        assert load_vocabulary(wide) == Vocabulary(True, 100, 448)
    tokenizer = load_vocabulary("turbo").tokenizer(language="en", task="transcribe")
    assert tokenizer.sot_prev == 50362


def test_a_path_loads_in_float32_with_the_heads_it_carries(tmp_path, model):
    heads = whisper._ALIGNMENT_HEADS["tiny.en"]
    model = whisper.model.Whisper(
        whisper.model.ModelDimensions(80, 1500, 24, 6, 1, 51864, 448, 24, 6, 4)
    )
    torch.nn.init.zeros_(model.decoder.positional_embedding)  # whisper leaves it empty
    content = {"dims": vars(model.dims), "model_state_dict": model.half().state_dict()}
    torch.save({**content, "alignment_heads": heads.decode()}, tmp_path / "a.pt")
    loaded = load(str(tmp_path / "a.pt"))
    assert loaded.alignment_heads == heads.decode()
    assert loaded.model.alignment_heads.indices().shape[1] == 8  # tiny.en's, not the default half
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}


def test_weights_that_are_not_finite_are_refused(tmp_path, model):
    model.decoder.ln.weight.data[0] = torch.nan
    torch.save({"dims": vars(model.dims), "model_state_dict": model.state_dict()},
               tmp_path / "nan.pt")  # fmt: skip
    with pytest.raises(ValueError, match=r"nan.pt: some weights are not finite"):
        load(str(tmp_path / "nan.pt"))


def test_a_foreign_or_damaged_checkpoint_is_refused_with_the_reason(tmp_path, model_path):
    (tmp_path / "text.pt").write_text("hello")
    torch.save({"model.encoder.conv1.weight": torch.zeros(1)}, tmp_path / "hf.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    torch.save({"dims": {"n_mels": 80}, "model_state_dict": {}}, tmp_path / "dims.pt")
    torch.save({"dims": None, "model_state_dict": {}}, tmp_path / "none.pt")
    checkpoint = torch.load(model_path)
    torch.save({**checkpoint, "alignment_heads": "{}"}, tmp_path / "heads.pt")
    torch.save({**checkpoint, "alignment_heads": [1]}, tmp_path / "list_heads.pt")
    checkpoint["dims"]["n_text_layer"] = 2
    torch.save(checkpoint, tmp_path / "layers.pt")
    content = bytearray(model_path.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "flipped.pt").write_bytes(content)
    (tmp_path / "cut.pt").write_bytes(content[: len(content) // 2])
    for name, words in (
        ("nope.pt", "neither a file nor an official name .*tiny.en"),
        ("none.pt", "its dims are None"),
        ("heads.pt", "its alignment_heads are not"),
        ("list_heads.pt", "its alignment_heads are not"),
        ("text.pt", "not a whole file that torch.save wrote"),
        ("hf.pt", "no whole Whisper: it lacks encoder.positional_embedding"),
        ("list.pt", "no Whisper checkpoint"),
        ("dims.pt", "its dims are"),
        ("layers.pt", "do not fit its dims"),
        ("flipped.pt", "fails its checksum"),
        ("cut.pt", "not a whole file"),
    ):
        with pytest.raises(ValueError, match=words):
            load(str(tmp_path / name))


class Payload:
    def __reduce__(self):
        return exec, ("raise SystemExit('code from a file ran')",)


def test_a_checkpoint_that_carries_code_is_refused_and_inert(tmp_path):
    torch.save({"dims": {}, "model_state_dict": Payload()}, tmp_path / "evil.pt")
    with pytest.raises(ValueError, match="not weights: it names"):
        load(str(tmp_path / "evil.pt"))


def test_a_runs_folder_or_state_is_refused_by_the_name_of_what_was_meant(tmp_path, model):
    (tmp_path / "best.pt").touch()
    torch.save({"model": {}, "optimizer": {}, "progress": {}}, tmp_path / "state.pt")
    with pytest.raises(ValueError, match=r"a run's folder: give .*best.pt"):
        load(str(tmp_path))
    with pytest.raises(ValueError, match=r"a run's state: give .*best.pt"):
        load(str(tmp_path / "state.pt"))
