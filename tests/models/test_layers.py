"""What makes a CPU faster gives the numbers of the plain path, as exactly as bfloat16 does."""

import pytest
import torch
from helpers.models import random_whisper
from torch.amp import GradScaler
from torch.nn import functional as F
from whisper.model import MultiHeadAttention, disable_sdpa

from whisper_ft.data.loader import Batch
from whisper_ft.models.layers import (
    GeluLinear,
    HeadwiseAttention,
    use_activation_checkpointing,
    use_fast_layers,
    use_stochastic_depth,
)
from whisper_ft.models.loss import PromptedLoss, decoder_states
from whisper_ft.training.optimizer import (
    BETAS,
    EPS,
    MAX_GRAD_NORM,
    WEIGHT_DECAY,
    make_optimizer,
    parameter_groups,
)
from whisper_ft.training.step import train_step


def fused(q, k, v):
    """torch's kernel, of the same shapes."""
    heads_first = (tensor.transpose(1, 2) for tensor in (q, k, v))
    return F.scaled_dot_product_attention(*heads_first, scale=1.0).transpose(1, 2)


def off(found, expected):
    """The error of found tensors, as a share of the expected."""
    return [
        ((a.double() - b).norm() / b.norm()).item() for a, b in zip(found, expected, strict=True)
    ]


def out_and_gradients(attend, inputs, d_out):
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    out = attend(*leaves)
    out.backward(d_out.to(out.dtype))
    return [out.detach(), *(leaf.grad for leaf in leaves)]


@pytest.mark.parametrize("n_queries", [1, 7, 150])
@pytest.mark.parametrize(("size_of_scores", "n_keys"), [(1, 400), (6, 400), (30, 90)])
def test_attention_is_about_as_exact_as_the_fused_kernel(n_queries, size_of_scores, n_keys):
    torch.manual_seed(0)
    k, v = torch.randn(2, 2, n_keys, 3, 16)
    q = torch.randn(2, n_queries, 3, 16) * size_of_scores / 4
    inputs = [tensor.to(torch.bfloat16) for tensor in (q, k, v)]
    d_out = torch.randn(2, n_queries, 3, 16).to(torch.bfloat16)
    exact = out_and_gradients(fused, [tensor.double() for tensor in inputs], d_out)
    here = off(out_and_gradients(HeadwiseAttention.apply, inputs, d_out), exact)
    there = off(out_and_gradients(fused, inputs, d_out), exact)
    assert all(a < 2 * b for a, b in zip(here, there, strict=True)), (here, there)


@pytest.mark.parametrize(("function", "shapes"), [
    (HeadwiseAttention.apply, [(2, 5, 3, 16), (2, 40, 3, 16), (2, 40, 3, 16)]),
    (GeluLinear.apply, [(2, 5, 16), (8, 16), (8,)]),
])  # fmt: skip
def test_what_is_frozen_gets_no_gradient_and_changes_no_other(function, shapes):
    torch.manual_seed(0)
    inputs = [torch.randn(shape).to(torch.bfloat16) for shape in shapes]
    for n_trained in (1, 2, 3):
        gradients = []
        for n_leaves in (n_trained, 3):
            leaves = [x.clone().requires_grad_(i < n_leaves) for i, x in enumerate(inputs)]
            function(*leaves).square().sum().backward()
            assert [leaf.grad is None for leaf in leaves] == [i >= n_leaves for i in range(3)]
            gradients.append([leaf.grad for leaf in leaves[:n_trained]])
        assert all(map(torch.equal, *gradients))


def test_it_is_used_unmasked_in_bfloat16_alone():
    attention = MultiHeadAttention(32, 2)
    model = random_whisper()
    use_fast_layers(model)
    changed = model.decoder.blocks[0].attn
    changed.load_state_dict(attention.state_dict())
    x, mask = torch.randn(2, 5, 32), model.decoder.mask
    for given in ((x,), (x, None, mask), (x.bfloat16(), None, mask)):
        assert torch.equal(changed(*given)[0], attention(*given)[0])
    x = x.bfloat16()
    assert not torch.equal(changed(x)[0], attention(x)[0])
    assert off([changed(x)[0]], [attention(x)[0]])[0] < 0.01
    with disable_sdpa():  # as word timestamps do, which need the weights
        assert torch.equal(changed(x)[1], attention(x)[1])


def batch(n_rows=2, seed=0):
    torch.manual_seed(seed)
    tokens = torch.randint(0, 50000, (n_rows, 12))
    targets = tokens.roll(-1, 1)
    targets[:, :4] = targets[0, 9:] = -100
    return Batch(torch.randn(n_rows, 80, 3000), tokens, targets, ("row",) * n_rows)


def plain_steps(model, batches, amp_dtype):
    """The losses of the loop that everybody writes."""
    groups = parameter_groups(model, WEIGHT_DECAY)
    optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=BETAS, eps=EPS, fused=False)
    for one in batches:
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=amp_dtype, enabled=amp_dtype is not None):
            logits = model(one.mel, one.tokens)
            loss = F.cross_entropy(logits.transpose(1, 2), one.targets, ignore_index=-100)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRAD_NORM)
        optimizer.step()
        yield loss.item()


def steps(model, batches, amp_dtype):
    use_fast_layers(model)
    optimizer, scaler = make_optimizer(model, 1e-3), GradScaler("cpu", enabled=False)
    for one in batches:
        yield train_step(PromptedLoss(model), [one], optimizer, scaler, amp_dtype).loss


@pytest.mark.slow
@pytest.mark.parametrize(("amp_dtype", "tolerance"), [(None, 1e-5), (torch.bfloat16, 5e-3)])
def test_the_losses_of_20_steps_are_those_of_the_plain_path(amp_dtype, tolerance):
    batches = [batch(seed=i % 3) for i in range(20)]
    plain = list(plain_steps(random_whisper(), batches, amp_dtype))
    assert plain[-1] < plain[0] - 1
    assert list(steps(random_whisper(), batches, amp_dtype)) == pytest.approx(plain, rel=tolerance)


def gradient(loss, model):
    """Of all parameters, as one vector."""
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def plain_gradient(model, one, amp_dtype=None):
    with torch.autocast("cpu", dtype=amp_dtype, enabled=amp_dtype is not None):
        logits = model(one.mel.to(model.encoder.conv1.weight.dtype), one.tokens)
        loss = F.cross_entropy(logits.transpose(1, 2), one.targets, ignore_index=-100)
    return gradient(loss, model)


def exact_gradient(model, one):
    """In float64, which whisper's own layer norms would leave."""
    for module in model.double().modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.__class__ = torch.nn.LayerNorm
    x = model.encoder(one.mel.double())
    states = decoder_states(model.decoder, one.tokens, x)
    logits = states @ model.decoder.token_embedding.weight.t()
    loss = F.cross_entropy(logits.transpose(1, 2), one.targets, ignore_index=-100)
    assert loss.dtype == torch.float64
    return gradient(loss, model)


def gradient_here(model, one, amp_dtype=None):
    use_fast_layers(model)
    with torch.autocast("cpu", dtype=amp_dtype, enabled=amp_dtype is not None):
        loss = PromptedLoss(model)(one)
    return gradient(loss / one.n_targets, model)


@pytest.mark.parametrize(("amp_dtype", "at_most"), [(None, 1e-5), (torch.bfloat16, 0.05)])
def test_gradients_are_as_near_to_those_in_float64_as_the_plain_path_s(amp_dtype, at_most):
    one = batch()
    exact = exact_gradient(random_whisper(), one)
    here, plain = (
        off([way(random_whisper(), one, amp_dtype)], [exact])[0]
        for way in (gradient_here, plain_gradient)
    )
    assert here < 1.1 * plain + 1e-6
    assert here < at_most


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


def saved_bytes(model):
    kept = {}

    def keep(tensor):
        if not (tensor.is_leaf and tensor.requires_grad):
            kept[tensor.data_ptr()] = tensor
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16),
    ):
        model.encoder(torch.zeros(1, 80, 3000))
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def test_backward_keeps_less_than_stock_layers_do():
    stock, lean, again = (random_whisper() for _ in range(3))
    use_fast_layers(lean)
    use_fast_layers(again)
    use_activation_checkpointing(again)
    assert saved_bytes(lean) < 0.8 * saved_bytes(stock)
    assert saved_bytes(again) < 0.7 * saved_bytes(lean)
