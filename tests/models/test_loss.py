"""The loss, and the decoder that it restates."""

import pytest
import torch
import torch.nn.functional as F

from whisper_ft.models.loss import decoder_states, encode, summed_loss
from whisper_ft.models.parameters import freeze_encoder
from whisper_ft.training.optimizer import parameter_groups


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
