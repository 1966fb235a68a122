"""Fine-tune OpenAI's Whisper so that it obeys its prompt.

The names below are the library. Each loads on first use, so that importing the package stays cheap.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

from whisper_ft.version import __version__

if TYPE_CHECKING:
    from whisper_ft.config.commands import EvaluateConfig
    from whisper_ft.config.train import TrainConfig
    from whisper_ft.data.manifest import read_manifest
    from whisper_ft.evaluation.evaluator import evaluate
    from whisper_ft.evaluation.results import EvaluationResult
    from whisper_ft.models.loading import load
    from whisper_ft.training.loop import train
    from whisper_ft.training.result import TrainResult
    from whisper_ft.transcription.recordings import Transcript, transcribe

__all__ = [
    "EvaluateConfig",
    "EvaluationResult",
    "TrainConfig",
    "TrainResult",
    "Transcript",
    "__version__",
    "evaluate",
    "load",
    "read_manifest",
    "train",
    "transcribe",
]

_MODULES = {
    "EvaluateConfig": "config.commands",
    "EvaluationResult": "evaluation.results",
    "TrainConfig": "config.train",
    "TrainResult": "training.result",
    "Transcript": "transcription.recordings",
    "evaluate": "evaluation.evaluator",
    "load": "models.loading",
    "read_manifest": "data.manifest",
    "train": "training.loop",
    "transcribe": "transcription.recordings",
}


logging.getLogger(__name__).addHandler(logging.NullHandler())  # a library prints nothing


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
