"""Weights in the wrappers of other tools are the same model."""

import json

import pytest
import torch
import whisper
from safetensors.torch import save_file
from whisper.model import ModelDimensions, Whisper

from whisper_ft.models.formats import PARTS, to_native_name
from whisper_ft.models.loading import load, load_dims

ATTENTION = ("q_proj.weight", "q_proj.bias", "k_proj.weight", "v_proj.weight", "v_proj.bias",
             "out_proj.weight", "out_proj.bias")  # fmt: skip
NORM = ("weight", "bias")


def to_hugging_face_name(name):
    """Return Hugging Face's name of a tensor, within `model.`, for OpenAI's."""
    for native, foreign in PARTS:
        name = name.replace(native, foreign)
    return name


def hugging_face_names():
    """The names of a model of one layer, as `WhisperForConditionalGeneration` has them."""
    names = ["encoder.embed_positions.weight", "decoder.embed_positions.weight",
             "decoder.embed_tokens.weight"]  # fmt: skip
    for side in ("encoder", "decoder"):
        layer = f"{side}.layers.0"
        names += [f"{side}.layer_norm.{part}" for part in NORM]
        names += [f"{layer}.{ln}.{part}" for ln in ("self_attn_layer_norm", "final_layer_norm")
                  for part in NORM]  # fmt: skip
        names += [f"{layer}.fc{i}.{part}" for i in (1, 2) for part in NORM]
        names += [f"{layer}.self_attn.{part}" for part in ATTENTION]
    names += [f"decoder.layers.0.encoder_attn.{part}" for part in ATTENTION]
    names += [f"decoder.layers.0.encoder_attn_layer_norm.{part}" for part in NORM]
    names += [f"encoder.conv{i}.{part}" for i in (1, 2) for part in NORM]
    return names


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = Whisper(ModelDimensions(80, 1500, 128, 2, 1, 51865, 448, 128, 2, 1))
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.02)
    return model.eval()


@pytest.fixture(scope="module")
def foreign(model):
    """The weights under Hugging Face's names."""
    weights = {f"model.{to_hugging_face_name(k)}": v for k, v in model.state_dict().items()}
    return weights | {"proj_out.weight": model.decoder.token_embedding.weight.detach().clone()}


def assert_same(path, model):
    loaded = load(str(path))
    assert loaded.model.dims == model.dims == load_dims(str(path))
    state = loaded.model.state_dict()
    assert {*state} == {*model.state_dict()}
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    return loaded


def test_every_name_is_translated_both_ways(model):
    names = {to_hugging_face_name(name): name for name in model.state_dict()}
    assert {*names} == {*hugging_face_names()}
    assert all(to_native_name(foreign) == native for foreign, native in names.items())
    assert all(to_native_name(native) == native for native in names.values())


def test_a_folder_of_hugging_face_is_read_whole_or_in_parts(tmp_path, model, foreign):
    (tmp_path / "config.json").write_text('{"model_type": "whisper"}')
    (tmp_path / "generation_config.json").write_text('{"alignment_heads": [[0, 1]]}')
    save_file(foreign, tmp_path / "model.safetensors")
    loaded = assert_same(tmp_path, model)
    assert loaded.model.alignment_heads.to_dense().tolist() == [[False, True]]
    assert_same(tmp_path / "model.safetensors", model)
    (tmp_path / "model.safetensors").unlink()
    names = sorted(foreign)
    shards = {"a.safetensors": names[:20], "b.safetensors": names[20:]}
    for file, some in shards.items():
        save_file({name: foreign[name] for name in some}, tmp_path / file)
    weight_map = {name: file for file, some in shards.items() for name in some}
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    assert_same(tmp_path, model)
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(ValueError, match=r"b.safetensors missing: copy all parts"):
        load(str(tmp_path))


def test_a_folder_with_pytorchs_own_file_is_read(tmp_path, model, foreign):
    torch.save(foreign, tmp_path / "pytorch_model.bin")
    assert_same(tmp_path, model)
    assert_same(tmp_path / "pytorch_model.bin", model)


@pytest.mark.parametrize(
    ("prefix", "hugging_face", "wrap"),
    [
        ("", False, lambda state: state),
        ("module.", False, lambda state: state),
        ("_orig_mod.", False, lambda state: {"model_state_dict": state, "epoch": 3}),
        ("module._orig_mod.model.", True, lambda state: {"state_dict": state}),
        ("model.", True, lambda state: {"state_dict": state, "pytorch-lightning_version": "2.5"}),
        ("whisper.model.", True, lambda state: {"model": state}),
        ("", True, lambda state: state),  # a body, such as WhisperModel
    ],
)
def test_a_state_in_any_wrapper_is_read(tmp_path, model, prefix, hugging_face, wrap):
    rename = to_hugging_face_name if hugging_face else str
    state = {prefix + rename(name): v for name, v in model.state_dict().items()}
    state |= {"loss.weight": torch.ones(3)} if prefix else {}
    torch.save(wrap(state), tmp_path / "a.ckpt")
    assert_same(tmp_path / "a.ckpt", model)


@pytest.mark.parametrize("name", ["./bets.pt", "runs/bets.pt", "~/best.pt", "openai/clip.pt"])
def test_a_mistyped_path_is_no_name_on_a_hub(name):
    with pytest.raises(ValueError, match="neither a file nor an official name"):
        load(name)


def test_a_loss_beside_the_weights_and_an_encoder_compiled_alone_do_not_matter(tmp_path, model):
    content = {"model_state_dict": model.state_dict(), "loss": torch.ones(1), "epoch": 3}
    torch.save(content, tmp_path / "a.pt")
    assert_same(tmp_path / "a.pt", model)
    state = {
        name.replace("encoder.", "encoder._orig_mod.", 1): v
        for name, v in model.state_dict().items()
    }
    torch.save(state, tmp_path / "b.pt")
    assert_same(tmp_path / "b.pt", model)


def test_a_trainers_folder_with_weights_of_its_own_is_read(tmp_path, model, foreign):
    torch.save(foreign, tmp_path / "pytorch_model.bin")
    (tmp_path / "checkpoint-500").mkdir()
    (tmp_path / "model.bin").touch()
    assert_same(tmp_path, model)


def test_parts_that_were_compiled_alone_are_read(tmp_path, model):
    state = {
        name.replace("blocks.0.", "blocks.0._orig_mod."): v
        for name, v in model.state_dict().items()
    }
    torch.save(state, tmp_path / "a.pt")
    assert_same(tmp_path / "a.pt", model)


def test_weights_in_half_precision_are_read_in_float32(tmp_path, model, foreign):
    save_file({k: v.to(torch.bfloat16) for k, v in foreign.items()}, tmp_path / "model.safetensors")
    loaded = load(str(tmp_path)).model
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    assert torch.allclose(loaded.encoder.conv1.weight, model.encoder.conv1.weight, atol=1e-2)


class Hyperparameters(dict):
    """What a trainer may pickle beside the weights."""


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda path, state: (path / "adapter_config.json").write_text("{}"),
            "a LoRA adapter, not a model: merge it first",
        ),
        (lambda path, state: (path / "model.bin").touch(), "CTranslate2's format"),
        (lambda path, state: None, "give a .pt file or an official name"),
        (
            lambda path, state: (path / "model.safetensors").write_bytes(b"\x08" + bytes(99)),
            "model.safetensors: damaged",
        ),
        (
            lambda path, state: save_file({"a": torch.ones(2)}, path / "model.safetensors"),
            "it has no encoder.conv1.weight",
        ),
        (
            lambda path, state: save_file(
                {k: v for k, v in state.items() if "embed_positions" not in k},
                path / "model.safetensors",
            ),
            "no whole Whisper: it lacks encoder.positional_embedding",
        ),
        (
            lambda path, state: save_file(
                state | {"model.decoder.embed_tokens.weight": torch.ones(51900, 128)},
                path / "model.safetensors",
            ),
            "its vocabulary has 51900 tokens",
        ),
        (
            lambda path, state: (path / "model.safetensors.index.json").write_text(
                '{"weight_map": {"a": "../../etc/passwd"}}'
            ),
            "names no files of weights",
        ),
        (
            lambda path, state: torch.save(
                {"state_dict": state, "hyper_parameters": Hyperparameters(a=1)},
                path / "pytorch_model.bin",
            ),
            "it names '.*Hyperparameters'",
        ),
    ],
)
def test_a_folder_without_whole_weights_is_refused_in_words(tmp_path, foreign, make, words):
    make(tmp_path, foreign)
    with pytest.raises(ValueError, match=words):
        load(str(tmp_path))


def test_two_models_in_one_file_are_refused_by_their_names(tmp_path, model):
    state = {f"{p}.{k}": v for p in ("teacher", "student") for k, v in model.state_dict().items()}
    torch.save({"state_dict": state}, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match=r"several Whispers \(teacher\., student\.\)"):
        load(str(tmp_path / "a.ckpt"))


def test_weights_that_are_not_those_of_the_config_are_refused(tmp_path, foreign):
    save_file(foreign, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"decoder_layers": 2}')
    with pytest.raises(ValueError, match="decoder_layers is 2, but the weights have 1"):
        load(str(tmp_path))


def test_a_vocabulary_of_another_model_is_refused(tmp_path, foreign):
    tokens = torch.zeros(51866, 128)
    save_file(
        foreign | {"model.decoder.embed_tokens.weight": tokens}, tmp_path / "model.safetensors"
    )
    with pytest.raises(ValueError, match="no Whisper has 80 mels and 51866 tokens"):
        load(str(tmp_path))


def test_a_name_on_a_hub_gets_the_command_that_helps():
    with pytest.raises(ValueError, match=r"OpenAI's weights are --model small\.en"):
        load("openai/whisper-small.en")
    with pytest.raises(
        ValueError, match="`hf download someone/whisper-small-hi --local-dir FOLDER` fetches it"
    ):
        load("someone/whisper-small-hi")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"lmgg" + bytes(100), r"whisper\.cpp's format: give the \.pt"),
        (b"GGUF" + bytes(100), r"whisper\.cpp's format"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
    ],
)
def test_files_that_are_no_weights_are_recognised(tmp_path, content, words):
    (tmp_path / "model.bin.pt").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        load(str(tmp_path / "model.bin.pt"))


def test_a_trainers_folder_and_an_adapter_in_a_file_get_the_sentence_that_helps(tmp_path):
    (tmp_path / "checkpoint-40").mkdir()
    (tmp_path / "checkpoint-40/pytorch_model.bin").touch()
    with pytest.raises(ValueError, match=r"a trainer's folder: give one inside, .*checkpoint-40"):
        load(str(tmp_path))
    torch.save({"decoder.blocks.0.attn.query.lora_A.weight": torch.ones(2)}, tmp_path / "a.pt")
    with pytest.raises(ValueError, match="a LoRA adapter's weights: merge them"):
        load(str(tmp_path / "a.pt"))


def test_a_folder_opens_as_whisper_itself_would_after_conversion(tmp_path, model, foreign):
    save_file(foreign, tmp_path / "model.safetensors")
    mel = torch.randn(1, 80, 3000)
    tokens = torch.tensor([[50258, 50259, 50359, 50363]])
    with torch.no_grad():
        assert torch.equal(load(str(tmp_path)).model(mel, tokens), model(mel, tokens))
    assert whisper.model.Whisper is Whisper
