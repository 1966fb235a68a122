"""The loss module can be wrapped, and linears inside the fast layers can be replaced."""

import copy
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
import whisper
from conftest import random_whisper
from torch import nn
from torch.nn.utils import parametrize

from whisper_ft.data.loader import Batch
from whisper_ft.models.layers import use_activation_checkpointing, use_fast_layers
from whisper_ft.models.loss import PromptedLoss
from whisper_ft.models.parameters import set_trained


def batch(n_rows=2, n_tokens=12, seed=0):
    torch.manual_seed(seed)
    tokens = torch.randint(0, 50000, (n_rows, n_tokens))
    targets = tokens.roll(-1, 1)
    targets[:, :4] = -100
    return Batch(torch.randn(n_rows, 80, 3000), tokens, targets, ("row",) * n_rows)


def linears(model):
    return {n: m for n, m in model.named_modules() if isinstance(m, whisper.model.Linear)}


class SubclassAdapter(whisper.model.Linear):
    """A low-rank adapter put in by `module.__class__ = SubclassAdapter`."""

    def forward(self, x):
        return super().forward(x) + x @ self.down.to(x.dtype) @ self.up.to(x.dtype)


class WrappingAdapter(nn.Module):
    """A low-rank adapter that holds the linear, as peft has it."""

    def __init__(self, linear):
        super().__init__()
        self.base_layer = linear
        self.down, self.up = low_rank(linear)

    def forward(self, x):
        return self.base_layer(x) + x @ self.down.to(x.dtype) @ self.up.to(x.dtype)


class LowRankWeight(nn.Module):
    """A low-rank adapter as a parametrization of the weight."""

    def __init__(self, linear):
        super().__init__()
        self.down, self.up = low_rank(linear)

    def forward(self, weight):
        return weight + (self.down @ self.up).T


def low_rank(linear):
    return (
        nn.Parameter(0.1 * torch.randn(linear.in_features, 2)),
        nn.Parameter(0.1 * torch.randn(2, linear.out_features)),
    )


def adapt(model, kind):
    """Put an adapter into every linear of a model; return the adapters' parameters by name."""
    torch.manual_seed(0)
    model.requires_grad_(False)
    for name, linear in linears(model).items():
        if kind == "subclass":
            down, up = low_rank(linear)
            linear.register_parameter("down", down)
            linear.register_parameter("up", up)
            linear.__class__ = SubclassAdapter
        elif kind == "wrapper":
            parent, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(parent), attribute, WrappingAdapter(linear))
        else:
            parametrize.register_parametrization(linear, "weight", LowRankWeight(linear))
    return {n: p for n, p in model.named_parameters() if p.requires_grad}


def gradients(model, parameters, amp_dtype):
    with torch.autocast("cpu", dtype=amp_dtype, enabled=amp_dtype is not None):
        loss = PromptedLoss(model)(batch())
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in parameters.items()}


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("amp_dtype", [None, torch.bfloat16])
@pytest.mark.parametrize("kind", ["subclass", "wrapper", "parametrization"])
def test_an_adapter_in_every_linear_is_used_and_trained(kind, amp_dtype, checkpointed):
    plain, fast = random_whisper(), random_whisper()
    use_fast_layers(fast)
    n_linears = len(linears(fast))
    if checkpointed:
        use_activation_checkpointing(fast)
    expected_loss, expected = gradients(plain, adapt(plain, kind), amp_dtype)
    trained = adapt(fast, kind)
    loss, found = gradients(fast, trained, amp_dtype)
    assert len(trained) == 2 * n_linears == 32
    assert loss.item() == pytest.approx(
        expected_loss.item(), rel=1e-5 if amp_dtype is None else 0.01
    )
    for name, gradient in found.items():
        assert gradient.norm() > 0, name
        # bfloat16 rounds each product: the direction must agree, not the digits
        assert F.cosine_similarity(gradient.flatten(), expected[name].flatten(), 0) > 0.99, name


def test_a_quantised_linear_in_an_mlp_is_called():
    class Quantised(nn.Module):
        def __init__(self, linear):
            super().__init__()
            self.scale = linear.weight.abs().max() / 127
            self.register_buffer("weight_int8", (linear.weight / self.scale).round().to(torch.int8))
            self.bias = linear.bias

        def forward(self, x):
            return F.linear(x, self.weight_int8.to(x.dtype) * self.scale.to(x.dtype), self.bias)

    model = random_whisper()
    use_fast_layers(model)
    exact = PromptedLoss(model)(batch()).item()
    for block in (*model.encoder.blocks, *model.decoder.blocks):
        block.mlp[2] = Quantised(block.mlp[2])
    loss = PromptedLoss(model)(batch())
    loss.backward()
    assert loss.item() == pytest.approx(exact, rel=0.01) and loss.item() != exact
    assert model.decoder.blocks[0].mlp[0].weight.grad.norm() > 0


def test_a_hook_on_the_last_linear_of_an_mlp_is_run():
    model = random_whisper()
    use_fast_layers(model)
    calls = []
    model.decoder.blocks[0].mlp[2].register_forward_hook(lambda *_: calls.append("forward"))
    PromptedLoss(model)(batch()).backward()
    assert calls == ["forward"]


def test_the_loss_module_has_the_names_of_a_native_checkpoint_and_no_sparse_buffer():
    model = random_whisper()
    loss = PromptedLoss(model)
    assert loss.state_dict().keys() == model.state_dict().keys()
    assert not any(buffer.is_sparse for buffer in loss.buffers())


def test_cached_features_give_the_loss_of_the_mel_they_were_computed_from():
    model = random_whisper()
    set_trained(model, "decoder")
    loss, one = PromptedLoss(model), batch()
    features = model.encoder(one.mel)
    known = Batch(None, one.tokens, one.targets, one.places, features=features)
    assert torch.equal(loss(known), loss(one))
    with torch.autocast("cpu", torch.bfloat16):
        features = model.encoder(one.mel).half()
        known = Batch(None, one.tokens, one.targets, one.places, features=features)
        assert loss(known).item() == pytest.approx(loss(one).item(), rel=1e-3)


@pytest.mark.slow
def test_compile_can_trace_it():
    model = random_whisper()
    use_fast_layers(model)
    loss = PromptedLoss(model)
    compiled = torch.compile(loss, backend="eager")
    assert compiled(batch()).item() == pytest.approx(loss(batch()).item(), rel=1e-6)


def parts():
    """The uneven batches of two ranks."""
    return [batch(2, n_tokens=12, seed=1), batch(3, n_tokens=9, seed=2)]


def reference_gradients(frozen):
    """Gradients of one process: both batches' nats over all learned tokens."""
    model = random_whisper()
    use_fast_layers(model)
    if frozen:
        set_trained(model, "decoder")
    loss = PromptedLoss(model)
    n_targets = sum(part.n_targets for part in parts())
    for part in parts():
        (loss(part) / n_targets).backward()
    return {n: p.grad for n, p in loss.named_parameters() if p.requires_grad}


WRAPPERS = [("ddp", False), ("ddp", True), ("fsdp", False)]  # and whether the encoder is frozen


def wrap(loss, kind):
    if kind == "ddp":
        return nn.parallel.DistributedDataParallel(loss)
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (2,))
    for block in (*loss.encoder.blocks, *loss.decoder.blocks):
        fully_shard(block, mesh=mesh)
    return fully_shard(loss, mesh=mesh)


def run_rank(rank, folder):
    """Do a backward pass on a rank's batch in each wrapper; rank 0 saves the gradients."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    part = parts()[rank]
    n_targets = torch.tensor(part.n_targets)
    torch.distributed.all_reduce(n_targets)
    found = {}
    for kind, frozen in WRAPPERS:
        model = random_whisper()
        use_fast_layers(model)
        if frozen:
            set_trained(model, "decoder")
        loss = PromptedLoss(model)
        wrapped = wrap(loss, kind)
        (wrapped(part) * 2 / n_targets).backward()  # wrappers average over the ranks
        found[f"{kind} {frozen}"] = {
            name: p.grad.full_tensor() if kind == "fsdp" else p.grad
            for name, p in loss.named_parameters()
            if p.requires_grad
        }
    if rank == 0:
        torch.save(found, Path(folder) / "gradients.pt")
    torch.distributed.barrier()  # a rank that goes first aborts the other's connection
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def gradients_of_two_processes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(run_rank, (str(folder),), nprocs=2)
    return torch.load(folder / "gradients.pt")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "frozen"), WRAPPERS)
def test_two_processes_have_the_gradients_of_one_on_the_joined_batch(
    gradients_of_two_processes, kind, frozen
):
    found, expected = gradients_of_two_processes[f"{kind} {frozen}"], reference_gradients(frozen)
    assert found.keys() == expected.keys()
    assert any(name.startswith("encoder") for name in found) != frozen
    for name, gradient in found.items():
        error = (gradient - expected[name]).norm() / expected[name].norm().clamp(min=1e-12)
        assert error < 1e-5 or expected[name].norm() < 1e-7, (name, error)


def test_a_copy_of_a_model_with_fast_layers_does_not_compute_with_the_original():
    model = random_whisper()
    use_fast_layers(model)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert PromptedLoss(other)(batch()).item() != PromptedLoss(model)(batch()).item()
