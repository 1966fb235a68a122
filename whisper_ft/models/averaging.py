"""Average the weights of several checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

from whisper.model import Whisper

from whisper_ft.models.loading import LoadedModel


def average(ends: Sequence[LoadedModel], shares: Sequence[float]) -> LoadedModel:
    """A model between others: their weights in these shares, which add up to 1.

    Between stock and fine-tuned weights lies what forgets less (Wortsman et al. 2022, "Robust
    fine-tuning of zero-shot models"). Raises ValueError where the models' sizes differ.
    """
    dims = ends[0].model.dims
    for name in vars(dims):
        sizes = [getattr(end.model.dims, name) for end in ends]
        if len(set(sizes)) > 1:
            raise ValueError(
                f"models of other sizes cannot be averaged ({name}: {sizes}): give some of one size"
            )
    states = [end.model.state_dict() for end in ends]
    model = Whisper(dims)
    model.load_state_dict(
        {
            name: sum(share * state[name] for state, share in zip(states, shares, strict=True))
            for name in states[0]
        }
    )
    return LoadedModel(
        model, next((end.alignment_heads for end in ends if end.alignment_heads), None)
    )
