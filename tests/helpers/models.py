"""Random models that decode quickly."""

from pathlib import Path

import torch
from whisper.model import ModelDimensions, Whisper

EOT = {51864: 50256, 51865: 50257, 51866: 50257}


def random_whisper(n_vocab: int = 51864, seed: int = 0) -> Whisper:
    """Return a one-layer model that soon writes eot, as a trained one does: decoding is quick."""
    torch.manual_seed(seed)
    n_mels = 128 if n_vocab == 51866 else 80
    model = Whisper(ModelDimensions(n_mels, 1500, 32, 2, 1, n_vocab, 448, 32, 2, 1))
    torch.nn.init.normal_(model.decoder.positional_embedding, std=0.02)  # whisper leaves it empty
    torch.nn.init.normal_(model.decoder.token_embedding.weight, std=0.1)
    with torch.no_grad():
        model.decoder.ln.bias[0] = 1.0
        model.decoder.token_embedding.weight[EOT[n_vocab], 0] = 8.0
    return model


def save_whisper(model: Whisper, path: Path) -> Path:
    """Write a checkpoint as OpenAI's are and return its path."""
    torch.save({"dims": vars(model.dims), "model_state_dict": model.state_dict()}, path)
    return path
