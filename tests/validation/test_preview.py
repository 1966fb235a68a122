"""Rows as the model will see them."""

from dataclasses import replace

from helpers.manifests import row
from helpers.validation import ENGLISH

from whisper_ft.data.prompts import PromptPolicy
from whisper_ft.data.respelling import NO_PERTURBATION
from whisper_ft.validation.preview import preview


def preview_one(**options):
    """Return the preview of a row with a prompt."""
    rows = [replace(row("Call\nReid.", prompt="Über Reid"), duration=2.0, place="m:1")]
    policy = PromptPolicy(own=1.0)
    (paragraph,) = preview(
        rows, policy, NO_PERTURBATION, ENGLISH, n_rows=5, timestamp_rate=0.0, seed=0, **options
    )
    return paragraph


def test_masked_tokens_are_dimmed_on_a_terminal():
    _, masked, learned, *_ = preview_one(dim=True).split("\n")
    assert masked.startswith("\033[2m  masked") and masked.endswith("\033[0m")
    assert "\033" not in learned and "\\n" in learned and "Über" in masked.replace("|", "")


def test_a_preview_has_no_terminal_codes_by_default():
    title, masked, learned, *_ = preview_one().split("\n")
    assert title.startswith("m:1  2.00 s, en, transcribe: ")
    assert masked.startswith("  masked  <|startofprev|>|") and "\033" not in masked
    assert learned.startswith("  learned <|startoftranscript|>|")
