"""Run the decoder one token at a time, on sequences of different lengths at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from whisper.model import MultiHeadAttention, TextDecoder

GROWTH = 64  # positions by which the self-attention cache grows
# Drop unused recordings when at most this share is in use: above, copying costs more than it saves.
MAX_USED_TO_COMPACT = 0.75

KeysAndValues = tuple[Tensor, Tensor]  # each [N, n_heads, n_positions, n_state / n_heads]


class KVCache:
    """The keys and values that the decoder keeps of N sequences over R recordings.

    Self-attention keys and values stand at each token's own position, so prompts need no padding on
    their left; a mask hides the positions after a sequence's end (stock attention would ignore a
    mask). Cross-attention keys and values are by far the larger. They are stored and read once for
    each recording, however many sequences share it: each sequence has a slot among those of its
    recording.
    """

    def __init__(self, decoder: TextDecoder, features: Tensor, recordings: Sequence[int]) -> None:
        """Cache cross-attention for features [R, n_audio_ctx, n_audio_state].

        `recordings` gives the index of each sequence's recording.
        """
        self.decoder = decoder
        self.n_heads: int = decoder.blocks[0].attn.n_head
        self.dtype = features.dtype
        self.self_kv: list[KeysAndValues] = []  # by block; of sequences
        self.cross_kv: list[KeysAndValues] = []  # by block; of recordings
        for block in decoder.blocks:
            keys = self._split_heads(block.cross_attn.key(features)).contiguous()
            values = self._split_heads(block.cross_attn.value(features)).contiguous()
            self.cross_kv.append((keys, values))
        self._assign_slots(torch.tensor(recordings, device=features.device))

    def prefill(self, prefixes: Sequence[Sequence[int]]) -> Tensor:
        """Run all prefixes at once and return the states [N, longest, n_text_state].

        The caller projects the states it needs with `logits`. States after a prefix's end are
        meaningless.
        """
        device = self.recordings.device
        self.lengths = torch.tensor([len(prefix) for prefix in prefixes], device=device)
        longest = int(self.lengths.max())
        tokens = torch.zeros(len(prefixes), longest, dtype=torch.long)
        for row, prefix in zip(tokens, prefixes, strict=True):
            row[: len(prefix)] = torch.tensor(prefix)
        tokens = tokens.to(device)
        x = self.decoder.token_embedding(tokens) + self.decoder.positional_embedding[:longest]
        shape = (len(prefixes), self.n_heads, longest + GROWTH, x.shape[-1] // self.n_heads)
        zeros = torch.zeros(shape, dtype=self.dtype, device=device)
        self.self_kv = [(zeros.clone(), zeros.clone()) for _ in self.decoder.blocks]
        return self._run_blocks(x.to(self.dtype), is_prefill=True)

    def step(self, tokens: Tensor) -> Tensor:
        """Append one token to each sequence [N] and return the logits [N, n_vocab] after it."""
        if int(self.lengths.max()) == self.self_kv[0][0].shape[2]:
            padding = (0, 0, 0, GROWTH)
            self.self_kv = [(F.pad(k, padding), F.pad(v, padding)) for k, v in self.self_kv]
        positions = self.decoder.positional_embedding[self.lengths]
        x = (self.decoder.token_embedding(tokens) + positions).to(self.dtype)
        states = self._run_blocks(x[:, None], is_prefill=False)
        self.lengths = self.lengths + 1
        return self.logits(states[:, 0])

    def select(self, index: Tensor) -> None:
        """Keep the sequences at these places, in this order; a place may occur several times."""
        self.lengths = self.lengths[index]
        self.self_kv = [(keys[index], values[index]) for keys, values in self.self_kv]
        used, recordings = torch.unique(self.recordings[index], return_inverse=True)
        if len(used) <= MAX_USED_TO_COMPACT * len(self.cross_kv[0][0]):
            self.cross_kv = [(keys[used], values[used]) for keys, values in self.cross_kv]
        else:
            recordings = self.recordings[index]
        self._assign_slots(recordings)

    def logits(self, states: Tensor) -> Tensor:
        """Project states [..., n_text_state] to float32 logits [..., n_vocab]."""
        weight: Tensor = self.decoder.token_embedding.weight
        return (states @ weight.to(states.dtype).T).float()

    def _assign_slots(self, recordings: Tensor) -> None:
        """Number the sequences of each recording."""
        n_taken: dict[int, int] = {}
        slots = []
        for recording in recordings.tolist():
            slots.append(n_taken.get(recording, 0))
            n_taken[recording] = slots[-1] + 1
        self.recordings = recordings
        self.slots = torch.tensor(slots, dtype=torch.long, device=recordings.device)
        self.n_slots = max(n_taken.values(), default=0)

    def _run_blocks(self, x: Tensor, *, is_prefill: bool) -> Tensor:
        """Run embedded tokens [N, T, n_text_state] through `TextDecoder.forward` up to `ln`."""
        caches = zip(self.decoder.blocks, self.self_kv, self.cross_kv, strict=True)
        for block, self_kv, cross_kv in caches:
            x = x + self._self_attention(
                block.attn, block.attn_ln(x), self_kv, is_prefill=is_prefill
            )
            x = x + self._cross_attention(block.cross_attn, block.cross_attn_ln(x), cross_kv)
            x = x + block.mlp(block.mlp_ln(x))
        states: Tensor = self.decoder.ln(x)
        return states

    def _self_attention(
        self, attn: MultiHeadAttention, x: Tensor, self_kv: KeysAndValues, *, is_prefill: bool
    ) -> Tensor:
        """Store the keys and values of new tokens, and attend to those of all tokens so far."""
        keys, values = self_kv
        q, k, v = (self._split_heads(f(x)) for f in (attn.query, attn.key, attn.value))
        if is_prefill:
            keys[:, :, : x.shape[1]], values[:, :, : x.shape[1]] = k, v
            return self._project(attn, F.scaled_dot_product_attention(q, k, v, is_causal=True))
        rows = torch.arange(len(x), device=x.device)
        keys[rows, :, self.lengths], values[rows, :, self.lengths] = k[:, :, 0], v[:, :, 0]
        n_positions = int(self.lengths.max()) + 1
        mask = torch.arange(n_positions, device=x.device) <= self.lengths[:, None, None, None]
        k, v = keys[:, :, :n_positions], values[:, :, :n_positions]
        return self._project(attn, F.scaled_dot_product_attention(q, k, v, attn_mask=mask))

    def _cross_attention(
        self, attn: MultiHeadAttention, x: Tensor, cross_kv: KeysAndValues
    ) -> Tensor:
        """Attend for all sequences of a recording in one product, as if they were one sequence."""
        keys, values = cross_kv
        q = self._split_heads(attn.query(x))  # [N, n_heads, T, d]
        _, n_heads, length, d = q.shape
        slotted = q.new_zeros(len(keys), self.n_slots, n_heads, length, d)
        slotted[self.recordings, self.slots] = q
        queries = slotted.transpose(1, 2).flatten(2, 3)  # [R, n_heads, n_slots * T, d]
        if length > 1:
            attended = F.scaled_dot_product_attention(queries, keys, values)
        else:  # a CPU's fused kernel reads bf16 several times slower than its matrix products do
            weights = (queries * d**-0.5) @ keys.transpose(2, 3)
            attended = weights.softmax(-1, dtype=torch.float32).to(q.dtype) @ values
        attended = attended.unflatten(2, (self.n_slots, length)).transpose(1, 2)
        return self._project(attn, attended[self.recordings, self.slots])

    def _split_heads(self, x: Tensor) -> Tensor:
        """Return x [N, T, n_state] as [N, n_heads, T, n_state / n_heads]."""
        heads: Tensor = x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        return heads

    @staticmethod
    def _project(attn: MultiHeadAttention, x: Tensor) -> Tensor:
        """Join the heads and apply the output projection."""
        projected: Tensor = attn.out(x.transpose(1, 2).flatten(2))
        return projected
