"""Transcribe recordings, each with a prompt of its own."""
