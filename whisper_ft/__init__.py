"""Fine-tune OpenAI's Whisper so that it obeys its prompt."""

__version__ = "0.1.0"
