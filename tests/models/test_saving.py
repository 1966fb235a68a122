"""Saved weights are opened by stock whisper."""

import torch
import whisper

from whisper_ft.models.saving import save_weights


def test_stock_whisper_opens_saved_weights_which_are_fp16_and_plain(tmp_path, model):
    save_weights(model, tmp_path / "best.pt", "ABzY8")
    loaded = whisper.load_model(str(tmp_path / "best.pt"), device="cpu")
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().float()), name
    content = torch.load(tmp_path / "best.pt", weights_only=True)
    assert content["alignment_heads"] == "ABzY8" and content["dims"] == vars(model.dims)
    assert {tensor.dtype for tensor in content["model_state_dict"].values()} == {torch.float16}
