"""Save weights as a checkpoint that stock whisper opens."""

from __future__ import annotations

from pathlib import Path

import torch
from whisper.model import Whisper

from whisper_ft.runtime.torch_files import save_atomically


def save_weights(model: Whisper, path: Path, alignment_heads: str | None) -> None:
    """Write fp16 weights, like OpenAI's own files, that stock `whisper.load_model(path)` opens.

    `alignment_heads` are kept for this project, as whisper packs them: `whisper.load_model` sets
    only those of official names. Raises OSError if the file cannot be written.
    """
    checkpoint = {
        "dims": dict(vars(model.dims)),
        "model_state_dict": {
            name: tensor.detach().to("cpu", torch.float16, copy=True)
            for name, tensor in model.state_dict().items()
        },
        "alignment_heads": alignment_heads,
    }
    save_atomically(path, checkpoint)
