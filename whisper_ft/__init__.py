"""Fine-tune OpenAI's Whisper so that it obeys its prompt."""

from whisper_ft.version import __version__

__all__ = ["__version__"]
