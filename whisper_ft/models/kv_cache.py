"""The decoder a token at a time, for sequences of any lengths at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from whisper.model import MultiHeadAttention, TextDecoder

ROOM = 64  # positions by which the memory of self attention grows
COMPACT = 0.75  # of recordings still listened to: above, copying costs more than reading the rest


class KVCache:
    """Sequences under way: what they have said, and the recordings that they listen to.

    Keys and values of self attention stand at each token's own position, so that no prompt needs
    padding before it, and a mask hides what lies after (stock attention would ignore a mask). Those
    of cross attention, by far the larger, are kept and read once a recording, whichever number of
    sequences listens to it.
    """

    def __init__(self, decoder: TextDecoder, features: Tensor, recordings: Sequence[int]) -> None:
        """For features [R, n_audio_ctx, n_audio_state] and each sequence's recording."""
        self.decoder = decoder
        self.n_heads = decoder.blocks[0].attn.n_head
        self.dtype = features.dtype
        self.said: list[tuple[Tensor, Tensor]] = []  # keys, values [N, n_heads, positions, d]
        self.heard = [
            (
                self._heads(attn.key(features)).contiguous(),
                self._heads(attn.value(features)).contiguous(),
            )
            for attn in (block.cross_attn for block in decoder.blocks)
        ]
        self._seat(torch.tensor(recordings, device=features.device))

    def begin(self, prefixes: Sequence[Sequence[int]]) -> Tensor:
        """The states [N, longest, n_text_state] of all prefixes, to be projected where needed.

        Those after a prefix's end mean nothing.
        """
        device = self.recordings.device
        self.lengths = torch.tensor([len(prefix) for prefix in prefixes], device=device)
        longest = int(self.lengths.max())
        tokens = torch.zeros(len(prefixes), longest, dtype=torch.long)
        for row, prefix in zip(tokens, prefixes, strict=True):
            row[: len(prefix)] = torch.tensor(prefix)
        tokens = tokens.to(device)
        x = self.decoder.token_embedding(tokens) + self.decoder.positional_embedding[:longest]
        shape = (len(prefixes), self.n_heads, longest + ROOM, x.shape[-1] // self.n_heads)
        zeros = torch.zeros(shape, dtype=self.dtype, device=device)
        self.said = [(zeros.clone(), zeros.clone()) for _ in self.decoder.blocks]
        return self._through(x.to(self.dtype), first=True)

    def next(self, tokens: Tensor) -> Tensor:
        """Logits [N, n_vocab] after one more token of each sequence [N]."""
        if int(self.lengths.max()) == self.said[0][0].shape[2]:
            more = (0, 0, 0, ROOM)
            self.said = [(F.pad(keys, more), F.pad(values, more)) for keys, values in self.said]
        positions = self.decoder.positional_embedding[self.lengths]
        x = (self.decoder.token_embedding(tokens) + positions).to(self.dtype)
        states = self._through(x[:, None], first=False)
        self.lengths = self.lengths + 1
        return self.logits(states[:, 0])

    def take(self, index: Tensor) -> None:
        """Go on with the sequences at these places, in this order, some perhaps several times."""
        self.lengths = self.lengths[index]
        self.said = [(keys[index], values[index]) for keys, values in self.said]
        used, recordings = torch.unique(self.recordings[index], return_inverse=True)
        if len(used) <= COMPACT * len(self.heard[0][0]):
            self.heard = [(keys[used], values[used]) for keys, values in self.heard]
        else:
            recordings = self.recordings[index]
        self._seat(recordings)

    def logits(self, states: Tensor) -> Tensor:
        """float32 [..., n_vocab] of states."""
        return (states @ self.decoder.token_embedding.weight.to(states.dtype).T).float()

    def _seat(self, recordings: Tensor) -> None:
        """Give each sequence a seat among those that listen to its recording."""
        taken: dict[int, int] = {}
        seats = []
        for recording in recordings.tolist():
            seats.append(taken.get(recording, 0))
            taken[recording] = seats[-1] + 1
        self.recordings = recordings
        self.seats = torch.tensor(seats, dtype=torch.long, device=recordings.device)
        self.n_seats = max(taken.values(), default=0)

    def _through(self, x: Tensor, *, first: bool) -> Tensor:
        """What `TextDecoder.forward` does with embedded tokens [N, T, n_text_state] up to `ln`."""
        for block, said, heard in zip(self.decoder.blocks, self.said, self.heard, strict=True):
            x = x + self._speak(block.attn, block.attn_ln(x), *said, first=first)
            x = x + self._listen(block.cross_attn, block.cross_attn_ln(x), *heard)
            x = x + block.mlp(block.mlp_ln(x))
        return self.decoder.ln(x)

    def _speak(
        self, attn: MultiHeadAttention, x: Tensor, keys: Tensor, values: Tensor, *, first: bool
    ) -> Tensor:
        q, k, v = (self._heads(f(x)) for f in (attn.query, attn.key, attn.value))
        if first:
            keys[:, :, : x.shape[1]], values[:, :, : x.shape[1]] = k, v
            return self._out(attn, F.scaled_dot_product_attention(q, k, v, is_causal=True))
        every = torch.arange(len(x), device=x.device)
        keys[every, :, self.lengths], values[every, :, self.lengths] = k[:, :, 0], v[:, :, 0]
        n = int(self.lengths.max()) + 1
        mask = torch.arange(n, device=x.device) <= self.lengths[:, None, None, None]
        read = keys[:, :, :n], values[:, :, :n]
        return self._out(attn, F.scaled_dot_product_attention(q, *read, attn_mask=mask))

    def _listen(self, attn: MultiHeadAttention, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Cross attention of all sequences of a recording in one product, as if one sequence's."""
        q = self._heads(attn.query(x))  # [N, n_heads, T, d]
        _, n_heads, length, d = q.shape
        seated = q.new_zeros(len(keys), self.n_seats, n_heads, length, d)
        seated[self.recordings, self.seats] = q
        together = seated.transpose(1, 2).flatten(2, 3)
        if length > 1:
            answers = F.scaled_dot_product_attention(together, keys, values)
        else:  # a CPU's fused kernel reads bf16 several times slower than its matrix products do
            weights = (together * d**-0.5) @ keys.transpose(2, 3)
            answers = weights.softmax(-1, dtype=torch.float32).to(q.dtype) @ values
        answers = answers.unflatten(2, (self.n_seats, length)).transpose(1, 2)
        return self._out(attn, answers[self.recordings, self.seats])

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)

    @staticmethod
    def _out(attn: MultiHeadAttention, x: Tensor) -> Tensor:
        return attn.out(x.transpose(1, 2).flatten(2))
