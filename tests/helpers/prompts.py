"""Prompts drawn by a policy, and rows of one recording."""

from helpers.manifests import row
from whisper_ft.data.prompts import example_rng

TALK = [
    row(f"Sentence {n}.", recording="talk", audio=f"{n}.wav", duration=2.0)
    for n in ("one", "two", "three")
]


def draw_prompt(policy, rows, index, tokenizer, *, pass_number=0, seed=0, timestamps=False):
    """Draw the prompt of an example."""
    rng = example_rng(seed, pass_number, index)
    return policy(rows, index, rng, timestamps=timestamps, tokenizer=tokenizer)


def draw_prompts(policy, rows, index, tokenizer, *, n, **options):
    """Draw the prompts of n passes over one row."""
    return [
        draw_prompt(policy, rows, index, tokenizer, pass_number=number, **options)
        for number in range(n)
    ]


def prompt_text(prompt, tokenizer):
    """Return a prompt as text."""
    return prompt if isinstance(prompt, str) else tokenizer.decode(prompt)
