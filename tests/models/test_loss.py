"""The loss, and the decoder that it restates."""

import copy
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from whisper_ft.models.loss import (
    PromptedLoss,
    Teacher,
    decoder_states,
    encode,
    row_losses,
)
from whisper_ft.models.parameters import set_trained
from whisper_ft.training.optimizer import parameter_groups

EOT = 50256  # of the English vocabulary


@pytest.fixture
def batch():
    torch.manual_seed(1)
    tokens = torch.randint(0, 50000, (2, 9))
    targets = torch.randint(0, 50000, (2, 9))
    targets[0, :4] = targets[1, 7:] = -100
    return torch.randn(2, 80, 3000), tokens, targets


def as_batch(mel, tokens, targets):
    return SimpleNamespace(mel=mel, features=None, tokens=tokens, targets=targets, text_rows=None,
                           weights=None, teacher_weights=None, learns_kind=None)  # fmt: skip


def changed_copy(model):
    """A model of other weights."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.02)
    return other


def teacher_of(model, weight=1.0, *, shares_encoder=False):
    stock = copy.deepcopy(model)
    return Teacher(stock.decoder, None if shares_encoder else stock.encoder, weight)


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
    assert torch.allclose(PromptedLoss(model)(as_batch(*batch)), expected, rtol=1e-6)
    by_row = row_losses(model.decoder, model.encoder(mel), tokens, targets)
    assert by_row.shape == (2,) and torch.allclose(by_row.sum(), expected, rtol=1e-6)


def test_padding_to_the_right_changes_no_loss(model, batch):
    mel, tokens, targets = batch
    features = model.encoder(mel)
    padded = F.pad(tokens, (0, 5), value=0), F.pad(targets, (0, 5), value=-100)
    one, other = (
        row_losses(model.decoder, features, tokens, targets),
        row_losses(model.decoder, features, *padded),
    )
    assert torch.allclose(one, other, rtol=1e-6)


def test_a_masked_prompt_still_conditions_the_loss(model, batch):
    mel, tokens, targets = batch
    features = model.encoder(mel)
    changed = tokens.clone()
    changed[0, 0] += 1  # its own target is masked
    before, after = (row_losses(model.decoder, features, ids, targets) for ids in (tokens, changed))
    assert before[0] != after[0] and before[1] == after[1]


def test_a_frozen_encoder_gets_no_gradient_and_no_optimizer_state(model, batch):
    mel, tokens, targets = batch
    set_trained(model, "decoder")
    row_losses(model.decoder, encode(model.encoder, mel), tokens, targets).sum().backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(p.grad is not None for p in model.decoder.parameters())
    grouped = [p for group in parameter_groups(model, 0.1) for p in group["params"]]
    assert {id(p) for p in grouped} == {id(p) for p in model.decoder.parameters()}


def kinds_of(log_probs):
    """Return log-probabilities [..., n_vocab] of each token's kind, and within its kind."""
    first_time = log_probs.shape[-1] - 1501
    is_time = torch.arange(log_probs.shape[-1]) >= first_time
    is_end = torch.arange(log_probs.shape[-1]) == EOT
    kind = torch.zeros_like(log_probs)
    for chosen in (is_time, is_end, ~(is_time | is_end)):
        kind[..., chosen] = log_probs[..., chosen].logsumexp(-1, keepdim=True)
    return kind, log_probs - kind


def weighted(batch):
    """A batch whose targets have weights, among them two times and an end."""
    one = as_batch(*batch)
    one.targets[0, 5], one.targets[1, 6], one.targets[0, 8] = 50400, 51000, EOT
    one.weights, one.teacher_weights = torch.rand(2, *one.targets.shape)
    one.learns_kind = torch.ones(one.targets.shape, dtype=torch.bool)
    return one


def test_weights_are_of_which_word_or_time_and_its_kind_is_learned_in_full(model, batch):
    one = weighted(batch)
    learned = one.targets >= 0
    targets = one.targets.clamp(min=0)[..., None]
    log_probs = model(one.mel, one.tokens).log_softmax(-1)
    kind, token = (values.gather(-1, targets)[..., 0] for values in kinds_of(log_probs))
    expected = -(kind + token * one.weights)[learned].sum()
    assert torch.allclose(PromptedLoss(model)(one), expected, rtol=1e-5)
    one.learns_kind[0, 5:8] = one.learns_kind[1, 1] = False
    expected = -(kind * one.learns_kind + token * one.weights)[learned].sum()
    assert torch.allclose(PromptedLoss(model)(one), expected, rtol=1e-5)


def test_with_a_weight_of_1_everywhere_it_is_plain_cross_entropy(model, batch):
    one = weighted(batch)
    plain = PromptedLoss(model)(as_batch(one.mel, one.tokens, one.targets))
    one.weights = torch.ones_like(one.weights)
    assert torch.allclose(PromptedLoss(model)(one), plain, rtol=1e-5)


def test_a_sure_and_wrong_end_gives_a_finite_loss(model, batch):
    one = weighted(batch)
    with torch.no_grad():
        model.decoder.ln.weight.zero_()
        model.decoder.ln.bias.copy_(1e4 * model.decoder.token_embedding.weight[EOT])
    loss = PromptedLoss(model, teacher_of(model))(one)
    loss.backward()
    assert loss.isfinite() and all(p.grad.isfinite().all() for p in model.parameters())


def test_where_the_kind_is_learned_a_teacher_tells_words_apart_alone(model, batch):
    one = weighted(batch)
    one.learns_kind[0, 6] = False
    learned = one.targets >= 0
    stock = changed_copy(model)
    both = (m(one.mel, one.tokens).log_softmax(-1) for m in (model, stock))
    ours, theirs = (
        torch.where(one.learns_kind[..., None], kinds_of(log_probs)[1], log_probs)
        for log_probs in both
    )
    terms = theirs.exp() * (theirs - ours)
    terms[..., EOT][one.learns_kind] = 0
    terms[..., -1501:][one.learns_kind] = 0
    expected = (terms.sum(-1) * one.teacher_weights)[learned].sum()
    taught, plain = (PromptedLoss(model, t)(one) for t in (teacher_of(stock), None))
    assert expected > 0.01 and torch.allclose(taught - plain, expected, rtol=1e-3)
    itself = PromptedLoss(model, teacher_of(model))(one)
    assert torch.allclose(itself, plain, rtol=1e-6)


def test_a_teacher_adds_its_divergence_by_the_weights_of_targets(model, batch):
    mel, tokens, targets = batch
    stock = changed_copy(model)
    learned = targets >= 0
    ours, theirs = (m(mel, tokens).log_softmax(-1) for m in (model, stock))
    divergence = (theirs.exp() * (theirs - ours)).sum(-1)
    one = as_batch(*batch)
    plain = PromptedLoss(model)(one)
    taught = PromptedLoss(model, teacher_of(stock, 0.5))(one)
    assert torch.allclose(taught - plain, 0.5 * divergence[learned].sum(), rtol=1e-3)
    one.teacher_weights = torch.rand(targets.shape)
    one.teacher_weights[1, :3] = 0
    taught = PromptedLoss(model, teacher_of(stock, 0.5))(one)
    kept = (divergence * one.teacher_weights)[learned].sum()
    assert kept > 0.01 and torch.allclose(taught - plain, 0.5 * kept, rtol=1e-3)


def test_a_model_that_equals_its_teacher_diverges_by_nothing_and_only_the_model_learns(
    model, batch
):
    loss = PromptedLoss(model, teacher_of(model))
    assert torch.allclose(loss(as_batch(*batch)), PromptedLoss(model)(as_batch(*batch)), rtol=1e-6)
    loss(as_batch(*batch)).backward()
    assert all(p.grad is None for p in loss.teacher.decoder.parameters())
    assert all(p.grad is not None for p in model.parameters())
    assert len(list(loss.parameters())) == len(list(model.parameters()))  # no second model


def test_a_frozen_encoders_features_serve_the_teacher_too(model, batch):
    mel, tokens, targets = batch
    other = changed_copy(model)
    other.encoder.load_state_dict(model.encoder.state_dict())
    cached = SimpleNamespace(mel=None, features=model.encoder(mel), tokens=tokens, targets=targets,
                             text_rows=None, weights=None, teacher_weights=None,
                             learns_kind=None)  # fmt: skip
    taught = PromptedLoss(model, teacher_of(other, shares_encoder=True))
    assert torch.allclose(
        taught(cached), PromptedLoss(model, teacher_of(other))(as_batch(*batch)), rtol=1e-6
    )
