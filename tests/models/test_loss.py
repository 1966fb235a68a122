"""What is trained, where, and the loss that restates the decoder."""

import pytest
import torch
import torch.nn.functional as F
import whisper

from whisper_ft.models.layers import use_stochastic_depth
from whisper_ft.models.loss import decoder_states, encode, summed_loss
from whisper_ft.models.parameters import freeze_encoder
from whisper_ft.runtime import devices
from whisper_ft.runtime.devices import pick_amp, pick_device
from whisper_ft.training.optimizer import parameter_groups, peak_lr


@pytest.fixture
def batch():
    torch.manual_seed(1)
    tokens = torch.randint(0, 50000, (2, 9))
    targets = torch.randint(0, 50000, (2, 9))
    targets[0, :4] = targets[1, 7:] = -100
    return torch.randn(2, 80, 3000), tokens, targets


def test_the_restated_decoder_is_whispers_own(model, batch):
    mel, tokens, _ = batch
    features = model.encoder(mel)
    states = decoder_states(model.decoder, tokens, features)
    logits = (states @ model.decoder.token_embedding.weight.T).float()
    assert torch.equal(logits, model.decoder(tokens, features))


def test_the_loss_is_cross_entropy_over_learned_positions_alone(model, batch):
    mel, tokens, targets = batch
    logits = model(mel, tokens)
    expected = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")
    assert torch.allclose(
        summed_loss(model.decoder, model.encoder(mel), tokens, targets), expected, rtol=1e-6
    )


def test_padding_to_the_right_changes_no_loss(model, batch):
    mel, tokens, targets = batch
    features = model.encoder(mel)
    padded = F.pad(tokens, (0, 5), value=0), F.pad(targets, (0, 5), value=-100)
    one, other = (
        summed_loss(model.decoder, features, tokens, targets),
        summed_loss(model.decoder, features, *padded),
    )
    assert torch.allclose(one, other, rtol=1e-6)


def test_a_masked_prompt_still_conditions_the_loss(model, batch):
    mel, tokens, targets = batch
    features = model.encoder(mel)
    changed = tokens.clone()
    changed[0, 0] += 1  # its own target is masked
    assert summed_loss(model.decoder, features, tokens, targets) != summed_loss(
        model.decoder, features, changed, targets
    )


def test_a_frozen_encoder_gets_no_gradient_and_no_optimizer_state(model, batch):
    mel, tokens, targets = batch
    freeze_encoder(model)
    summed_loss(model.decoder, encode(model.encoder, mel), tokens, targets).backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(p.grad is not None for p in model.decoder.parameters())
    grouped = [p for group in parameter_groups(model, 0.1) for p in group["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in model.decoder.parameters()}


def test_weight_decay_is_for_matrices_alone(model):
    decayed, other = parameter_groups(model, 0.1)
    assert decayed["weight_decay"] == 0.1 and other["weight_decay"] == 0
    assert min(p.ndim for p in decayed["params"]) == 2
    assert max(p.ndim for p in other["params"]) == 1
    assert len(decayed["params"]) + len(other["params"]) == len(list(model.parameters()))


def test_a_device_that_is_not_there_is_refused_with_the_reason():
    assert pick_device("cpu").type == "cpu"
    for name, words in (
        ("mps", "refused: .*sparse tensor"),
        ("cuda:99", "torch sees"),
        ("xpu", "not supported"),
        ("toaster", "no such device"),
    ):
        with pytest.raises(ValueError, match=f"--device: {name}: .*{words}"):
            pick_device(name)


def test_amp_off_is_float32_and_auto_is_never_emulated(monkeypatch):
    cpu = torch.device("cpu")
    assert pick_amp("off", cpu) is None and pick_amp("fp16", cpu) is torch.float16
    monkeypatch.setattr(devices, "_cpu_has_bf16", lambda: False)
    assert pick_amp("auto", cpu) is None
    with pytest.raises(ValueError, match="--amp: bf16: cpu has no bf16"):
        pick_amp("bf16", cpu)
    monkeypatch.setattr(devices, "_cpu_has_bf16", lambda: True)
    assert pick_amp("auto", cpu) is torch.bfloat16


def test_the_default_learning_rate_is_a_fortieth_of_pre_trainings(model):
    small = whisper.model.ModelDimensions(80, 1500, 768, 12, 12, 51865, 448, 768, 12, 12)
    assert peak_lr(small) == pytest.approx(1.25e-5)
    with pytest.raises(ValueError, match="--lr: a model of width 32"):
        peak_lr(model.dims)


def test_at_depth_0_all_layers_stay_and_without_gradients_too(model):
    x, features = torch.tensor([[50257, 100, 200]]), torch.randn(1, 1500, 32)
    plain = model.decoder(x, features)
    use_stochastic_depth(model, 0.9)
    with torch.no_grad():
        assert torch.equal(model.decoder(x, features), plain)
    differ = [not torch.equal(model.decoder(x, features), plain) for _ in range(20)]
    assert any(differ)


def test_a_dropped_layer_passes_its_input_on_and_a_kept_one_is_scaled(model):
    block = model.encoder.blocks[0]
    x = torch.randn(400, 5, 32)
    full = block(x)
    use_stochastic_depth(model, 0.25)
    torch.manual_seed(0)
    dropped = block(x)
    kept = x + (full - x) / 0.75
    passed = torch.tensor([torch.equal(a, b) for a, b in zip(dropped, x, strict=True)])
    assert 70 < passed.sum() < 130
    assert torch.allclose(dropped[~passed], kept[~passed], atol=1e-5)
