"""Write a number with its noun."""

from __future__ import annotations


def format_count(n: int, noun: str) -> str:
    """Return "1 row" or "2 rows", for a noun whose plural ends in s."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
