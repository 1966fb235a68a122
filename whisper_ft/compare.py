"""What changed between two evaluations of the same rows, or between prompts within one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from whisper_ft.evaluate import CONDITIONS, groups_of, is_cased, row_counts
from whisper_ft.metrics import Count, paired_interval

Samples = Sequence[dict[str, Any]]


def prompts_compared(samples: Samples, name: str) -> list[dict[str, Any]]:
    """How a score changes from no prompt to the right one, and to a wrong one, on the same rows."""
    return [
        _change(f"no prompt -> {condition}", (samples, "none"), (samples, condition), name)
        for condition in ("right", "wrong")
    ]


def evaluations_compared(before: Samples, after: Samples, name: str) -> list[dict[str, Any]]:
    """How a score changes from one evaluation to another: by prompt, then by language without.

    Raises ValueError where their rows are not the same.
    """
    asked = [[(s["place"], s["reference"], s["prompt"]) for s in ss] for ss in (before, after)]
    if asked[0] != asked[1]:
        raise ValueError(
            "the two evaluations are not of the same rows and prompts: evaluate both on the same "
            "manifests, with the same --seed"
        )
    found = [_change(c, (before, c), (after, c), name) for c in CONDITIONS]
    languages = list(dict.fromkeys(sample["language"] for sample in before))
    if len(languages) > 1:
        for language in languages:
            chosen = [[s for s in ss if s["language"] == language] for ss in (before, after)]
            found.append(_change(language, (chosen[0], "none"), (chosen[1], "none"), name))
    return found


def changes_table(changes: Sequence[dict[str, Any]], name: str) -> str:
    """A table of changes for a terminal."""
    lines = [f"{name:22}{'rows':>6}{'before':>10}{'after':>10}{'change':>10}   95 % interval"]
    for change in changes:
        if change["before"] is None or change["interval"] is None:
            lines.append(f"{change['what']:22}{change['rows']:>6}{'-':>10}{'-':>10}")
            continue
        before, after = 100 * change["before"], 100 * change["after"]
        low, high = (100 * bound for bound in change["interval"])
        lines.append(
            f"{change['what']:22}{change['rows']:>6}{before:>9.1f}%{after:>9.1f}%"
            f"{after - before:>+10.1f}   [{low:+.1f}, {high:+.1f}]"
        )
    return "\n".join(lines)


def _change(
    what: str, before: tuple[Samples, str], after: tuple[Samples, str], name: str
) -> dict[str, Any]:
    """One score's rates on the rows that both conditions have, and their paired interval."""
    if len({sample["place"] for sample in before[0]}) < len(before[0]):
        raise ValueError("a row comes twice: give the samples of one evaluation")
    pairs = [
        (a, b)
        for a, b in zip(before[0], after[0], strict=True)
        if a["output"][before[1]] is not None and b["output"][after[1]] is not None
    ]
    cased = is_cased(before[0])
    counts_before = [row_counts(a, before[1], cased)[name] for a, _ in pairs]
    counts_after = [row_counts(b, after[1], cased)[name] for _, b in pairs]
    groups = groups_of([a for a, _ in pairs])
    return {
        "what": what,
        "rows": len(pairs),
        "before": reduce(Count.plus, counts_before, Count()).rate,
        "after": reduce(Count.plus, counts_after, Count()).rate,
        "interval": paired_interval(counts_before, counts_after, groups),
    }
