"""Fast versions of Whisper's layers: less time and memory, and the same result up to rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint
from whisper.model import LayerNorm, Linear, MultiHeadAttention, ResidualAttentionBlock, Whisper

N_SAMPLED_KEYS = 96  # keys from which each query's largest score is estimated


class HeadwiseAttention(torch.autograd.Function):
    """softmax(q k^T) v of scaled q [B, T, n_heads, d] and k, v [B, S, n_heads, d] in bfloat16.

    One head's weights [T, S] stay in the CPU's cache between a few large matrix products, where
    the fused kernel does many small ones. Backward recomputes the weights and stores none.

    Each product is rounded to bfloat16, which would spoil large scores. The scores are therefore
    shifted by about the largest score of their query before rounding, as softmax allows. The
    scores that matter are then small, and the errors are those of the fused kernel.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out, shifts = torch.empty_like(q), torch.empty_like(q[..., :1])
        weights = q.new_empty(q.shape[1], k.shape[1])
        stride = max(1, k.shape[1] // N_SAMPLED_KEYS)
        for q1, k1, v1, shift1, out1 in _each_head(q, k, v, shifts, out):
            torch.amax(torch.mm(q1, k1[::stride].t()), -1, keepdim=True, out=shift1).neg_()
            torch.addmm(shift1, q1, k1.t(), out=weights)
            torch.softmax(weights, -1, out=weights)
            torch.mm(weights, v1, out=out1)
        ctx.save_for_backward(q, k, v, shifts)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, shifts = ctx.saved_tensors
        _, needs_k, needs_v = ctx.needs_input_grad  # frozen layers of frozen features need none
        d_q, d_k, d_v = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        weights, d_weights = (q.new_empty(q.shape[1], k.shape[1]) for _ in range(2))
        for q1, k1, v1, shift1, d_out1, d_q1, d_k1, d_v1 in _each_head(
            q, k, v, shifts, d_out, d_q, d_k, d_v
        ):
            torch.addmm(shift1, q1, k1.t(), out=weights)
            torch.softmax(weights, -1, out=weights)
            if needs_v:
                torch.mm(weights.t(), d_out1, out=d_v1)
            torch.mm(d_out1, v1.t(), out=d_weights)
            torch.ops.aten._softmax_backward_data.out(
                d_weights, weights, -1, q.dtype, grad_input=d_weights
            )
            torch.mm(d_weights, k1, out=d_q1)
            if needs_k:
                torch.mm(d_weights.t(), q1, out=d_k1)
        return d_q, d_k if needs_k else None, d_v if needs_v else None


class HalfPrecisionLayerNorm(torch.autograd.Function):
    """`LayerNorm.forward` of x in half precision; backward keeps no float32 copy of x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        out, mean, rstd = torch.native_layer_norm(x.float(), weight.shape, weight, bias, eps)
        ctx.save_for_backward(x, mean, rstd, weight, bias)
        return out.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, rstd, weight, bias = ctx.saved_tensors
        d_x, d_weight, d_bias = torch.ops.aten.native_layer_norm_backward(
            d_out.float(), x.float(), weight.shape, mean, rstd, weight, bias,
            ctx.needs_input_grad[:3],
        )  # fmt: skip
        return None if d_x is None else d_x.to(x.dtype), d_weight, d_bias, None


class GeluLinear(torch.autograd.Function):
    """linear(gelu(x), weight, bias); backward recomputes gelu.

    This saves a quarter of a block's memory for a hundredth of its time.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.linear(F.gelu(x), weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        _, needs_weight, needs_bias = ctx.needs_input_grad
        d_x = torch.ops.aten.gelu_backward(d_out @ weight, x)
        d_out = d_out.flatten(0, -2)
        d_weight = d_out.t() @ F.gelu(x).flatten(0, -2) if needs_weight else None
        return d_x, d_weight, d_out.sum(0) if needs_bias else None


# torch leaves these untyped.
headwise_attention: Callable[..., Tensor] = HeadwiseAttention.apply
half_precision_layer_norm: Callable[..., Tensor] = HalfPrecisionLayerNorm.apply
gelu_linear: Callable[..., Tensor] = GeluLinear.apply
sequential: Callable[..., Tensor] = nn.Sequential.forward


def use_fast_layers(model: Whisper) -> None:
    """Compute a model's attention, layer norms and MLPs by the functions of this module.

    The linear layers stay modules that are called, so that an adapter or a quantised linear in
    their place is used and trained. Only the last linear of an MLP is restated, and only while it
    is whisper's own, without hooks.
    """
    for module in model.modules():
        if isinstance(module, MultiHeadAttention):
            module.qkv_attention = MethodType(_qkv_attention, module)
        elif isinstance(module, LayerNorm):
            module.forward = MethodType(_layer_norm, module)
        elif isinstance(module, ResidualAttentionBlock):
            module.mlp.forward = MethodType(_mlp, module.mlp)


def use_activation_checkpointing(model: Whisper) -> None:
    """Keep only each block's input for backward, which then recomputes the block.

    Gradient checkpointing (Chen et al. 2016): a quarter more time, a fraction of the memory.
    """
    for block in (*model.encoder.blocks, *model.decoder.blocks):
        block.forward = MethodType(_checkpointed, block)


def use_stochastic_depth(model: Whisper, rate: float) -> None:
    """Skip layers at random in training, per row (stochastic depth, Huang et al. 2016).

    The probability grows linearly from the first layer to `rate` at the last. The output of the
    layers that stay is scaled up, so decoding needs no change. A frozen encoder, which runs
    without gradients, keeps all of its layers.
    """
    for blocks in (model.encoder.blocks, model.decoder.blocks):
        for number, block in enumerate(blocks, start=1):
            block.register_forward_hook(partial(_drop_rows, rate * number / len(blocks)))


def _checkpointed(self: ResidualAttentionBlock, *inputs: Tensor, **options: Any) -> Any:
    if not torch.is_grad_enabled():
        return ResidualAttentionBlock.forward(self, *inputs, **options)
    return checkpoint(
        partial(ResidualAttentionBlock.forward, self),
        *inputs, use_reentrant=False, preserve_rng_state=False, **options,
    )  # fmt: skip


def _drop_rows(rate: float, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return output
    x = inputs[0]
    kept = torch.rand(len(x), 1, 1, device=x.device) >= rate
    return x + (output - x) * (kept / (1 - rate)).to(x.dtype)


def _mlp(self: nn.Sequential, x: Tensor) -> Tensor:
    """`nn.Sequential.forward` of a block's MLP: linear, GELU, linear."""
    if torch.is_grad_enabled() and len(self) == 3:
        up, gelu, down = self
        if _is_plain(gelu, nn.GELU) and _is_plain(down, Linear) and down.bias is not None:
            x = up(x)
            return gelu_linear(x, down.weight.to(x.dtype), down.bias.to(x.dtype))
    return sequential(self, x)


def _is_plain(module: nn.Module, kind: type[nn.Module]) -> bool:
    """Return whether a call of the module does what its class's forward does, and no more.

    Adapters, parametrizations and sharding change the class, the forward method or the hooks.
    """
    hooks = (
        *(module._forward_hooks, module._forward_pre_hooks),
        *(module._backward_hooks, module._backward_pre_hooks),
    )
    return type(module) is kind and "forward" not in vars(module) and not any(hooks)


def _layer_norm(self: LayerNorm, x: Tensor) -> Any:
    if x.dtype == torch.float32 or not torch.is_grad_enabled():
        return LayerNorm.forward(self, x)
    return half_precision_layer_norm(x, self.weight, self.bias, self.eps)


def _qkv_attention(
    self: MultiHeadAttention, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None
) -> Any:
    """`MultiHeadAttention.qkv_attention` of q [B, T, n_state] and k, v [B, S, n_state]."""
    cpu_bfloat16 = q.device.type == "cpu" and q.dtype == torch.bfloat16
    if mask is not None or not cpu_bfloat16 or not MultiHeadAttention.use_sdpa:
        return MultiHeadAttention.qkv_attention(self, q, k, v, mask)
    scale = (q.shape[-1] // self.n_head) ** -0.5
    q, k, v = (tensor.unflatten(-1, (self.n_head, -1)) for tensor in (q * scale, k, v))
    return headwise_attention(q, k, v).flatten(2), None


def _each_head(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield views [T, d] of each row and head of tensors [B, T, n_heads, d]."""
    n_rows, _, n_heads, _ = tensors[0].shape
    for row in range(n_rows):
        for head in range(n_heads):
            yield tuple(tensor[row, :, head] for tensor in tensors)
