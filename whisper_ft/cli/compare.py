"""The command `compare`."""

from __future__ import annotations

from pathlib import Path

from whisper_ft.config.commands import CompareConfig
from whisper_ft.evaluation.results import compare_domain_prompts, compare_domains, read_samples
from whisper_ft.evaluation.tables import changes_table


def compare(config: CompareConfig) -> int:
    """Compare prompts within one file of samples, or two files, with paired intervals."""
    if len(config.samples) > 2:
        raise ValueError("give one file of samples, or two: before and after")
    samples = [read_samples(Path(path)) for path in config.samples]
    if len(samples) == 2:
        changes = compare_domains(samples[0], samples[1], config.score)
    else:
        changes = compare_domain_prompts(samples[0], config.score)
    print(f"{' -> '.join(config.samples)}\n{changes_table(changes, config.score)}")
    return 0
