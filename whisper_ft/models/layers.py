"""The same numbers in less time and memory: what of Whisper's layers is computed otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint
from whisper.model import (
    LayerNorm,
    MultiHeadAttention,
    ResidualAttentionBlock,
    Whisper,
)

N_GLANCED = 96  # of a row's keys, to guess each query's largest score


class HeadByHead(torch.autograd.Function):
    """softmax(q k^T) v of scaled q [B, T, n_heads, d] and k, v [B, S, n_heads, d] in bfloat16.

    One head's weights [T, S] stay in the processor's cache between large matrix products, where
    the fused kernel does many small ones. Backward computes them again, so that none are kept.

    A product's result is rounded to bfloat16, which would spoil large scores. They are shifted
    before it by about the largest of their query, as any softmax allows: those that matter are
    then small, and errors are those of the fused kernel.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out, shifts = torch.empty_like(q), torch.empty_like(q[..., :1])
        weights = q.new_empty(q.shape[1], k.shape[1])
        every = max(1, k.shape[1] // N_GLANCED)
        for q1, k1, v1, shift1, out1 in _heads(q, k, v, shifts, out):
            torch.amax(torch.mm(q1, k1[::every].t()), -1, keepdim=True, out=shift1).neg_()
            torch.addmm(shift1, q1, k1.t(), out=weights)
            torch.softmax(weights, -1, out=weights)
            torch.mm(weights, v1, out=out1)
        ctx.save_for_backward(q, k, v, shifts)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v, shifts = ctx.saved_tensors
        d_q, d_k, d_v = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        weights, d_weights = (q.new_empty(q.shape[1], k.shape[1]) for _ in range(2))
        for q1, k1, v1, shift1, d_out1, d_q1, d_k1, d_v1 in _heads(
            q, k, v, shifts, d_out, d_q, d_k, d_v
        ):
            torch.addmm(shift1, q1, k1.t(), out=weights)
            torch.softmax(weights, -1, out=weights)
            torch.mm(weights.t(), d_out1, out=d_v1)
            torch.mm(d_out1, v1.t(), out=d_weights)
            torch.ops.aten._softmax_backward_data.out(
                d_weights, weights, -1, q.dtype, grad_input=d_weights
            )
            torch.mm(d_weights, k1, out=d_q1)
            torch.mm(d_weights.t(), q1, out=d_k1)
        return d_q, d_k, d_v


class LeanLayerNorm(torch.autograd.Function):
    """`LayerNorm.forward` of x in half precision, of which backward keeps no float32 copy."""

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
    """linear(gelu(x), weight, bias), of which backward computes gelu again: a quarter of a block's
    memory for a hundredth of its time.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.linear(F.gelu(x), weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        d_x = torch.ops.aten.gelu_backward(d_out @ weight, x)
        d_out = d_out.flatten(0, -2)
        return d_x, d_out.t() @ F.gelu(x).flatten(0, -2), d_out.sum(0)


def use_fast_layers(model: Whisper) -> None:
    """Have a model's layers computed so wherever they can be; the others stay as they are."""
    for module in model.modules():
        if isinstance(module, MultiHeadAttention):
            module.qkv_attention = MethodType(_qkv_attention, module)
        elif isinstance(module, LayerNorm):
            module.forward = MethodType(_layer_norm, module)
        elif isinstance(module, ResidualAttentionBlock):
            module.mlp.forward = MethodType(_mlp, module.mlp)


def use_activation_checkpointing(model: Whisper) -> None:
    """Have backward compute what blocks did again, of which it then keeps the input alone.

    Gradient checkpointing (Chen et al. 2016): a quarter more time, a fraction of the memory.
    """
    for block in (*model.encoder.blocks, *model.decoder.blocks):
        block.forward = MethodType(_recomputed, block)


def _recomputed(self: ResidualAttentionBlock, *inputs: Tensor, **more: Any) -> Tensor:
    if not torch.is_grad_enabled():
        return ResidualAttentionBlock.forward(self, *inputs, **more)
    return checkpoint(
        partial(ResidualAttentionBlock.forward, self),
        *inputs, use_reentrant=False, preserve_rng_state=False, **more,
    )  # fmt: skip


def _mlp(self: nn.Sequential, x: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return nn.Sequential.forward(self, x)
    up, _, down = self
    return GeluLinear.apply(up(x), down.weight.to(x.dtype), down.bias.to(x.dtype))


def _layer_norm(self: LayerNorm, x: Tensor) -> Tensor:
    if x.dtype == torch.float32 or not torch.is_grad_enabled():
        return LayerNorm.forward(self, x)
    return LeanLayerNorm.apply(x, self.weight, self.bias, self.eps)


def _qkv_attention(
    self: MultiHeadAttention, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """`MultiHeadAttention.qkv_attention` of q [B, T, n_state] and k, v [B, S, n_state]."""
    here = q.device.type == "cpu" and q.dtype == torch.bfloat16
    if mask is not None or not here or not MultiHeadAttention.use_sdpa:
        return MultiHeadAttention.qkv_attention(self, q, k, v, mask)
    scale = (q.shape[-1] // self.n_head) ** -0.5
    q, k, v = (tensor.unflatten(-1, (self.n_head, -1)) for tensor in (q * scale, k, v))
    return HeadByHead.apply(q, k, v).flatten(2), None


def _heads(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The [T, d] of each row and head of tensors [B, T, n_heads, d], as views."""
    n_rows, _, n_heads, _ = tensors[0].shape
    for row in range(n_rows):
        for head in range(n_heads):
            yield tuple(tensor[row, :, head] for tensor in tensors)


def use_stochastic_depth(model: Whisper, rate: float) -> None:
    """Stochastic depth (Huang et al. 2016): in training, rows skip layers at random.

    The chance grows from the first layer to `rate` at the last; what stays is scaled up, so that
    decoding needs nothing. A frozen encoder, which runs without gradients, keeps its layers.
    """
    for blocks in (model.encoder.blocks, model.decoder.blocks):
        for number, block in enumerate(blocks, start=1):
            block.register_forward_hook(partial(_dropped, rate * number / len(blocks)))


def _dropped(rate: float, _: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    if not torch.is_grad_enabled():
        return output
    x = inputs[0]
    kept = torch.rand(len(x), 1, 1, device=x.device) >= rate
    return x + (output - x) * (kept / (1 - rate)).to(x.dtype)
