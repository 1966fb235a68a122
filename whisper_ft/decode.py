"""Decoding with a prompt per row."""

from __future__ import annotations

import torch
from torch import Tensor
from whisper.decoding import DecodingOptions, DecodingResult
from whisper.model import Whisper
from whisper.tokenizer import get_tokenizer

from whisper_ft.tokens import encode_prompt


@torch.no_grad()
def decode_row(
    model: Whisper,
    features: Tensor,
    prompt: str = "",
    *,
    language: str = "en",
    task: str = "transcribe",
    timestamps: bool = True,
) -> DecodingResult:
    """Greedy decoding of one row's audio features [n_audio_ctx, n_audio_state] after a prompt.

    By `whisper.decode`, so with its suppression, timestamp rules and limit of 224 new tokens; the
    prompt goes in as ids, where `<|...|>` is text and white space alone is no prompt.
    """
    tokenizer = get_tokenizer(
        model.is_multilingual, num_languages=model.num_languages, language=language, task=task
    )
    options = DecodingOptions(
        task=task,
        language=language,
        temperature=0.0,
        prompt=encode_prompt(tokenizer, prompt),
        without_timestamps=not timestamps,
        fp16=features.dtype == torch.float16,
    )
    return model.decode(features, options)
