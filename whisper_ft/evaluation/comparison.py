"""What changed between two evaluations of the same rows, or between prompts within one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whisper_ft.evaluation.bootstrap import Interval, paired_interval
from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import CONDITIONS, Sample, cased_corpora, groups_of, parts, short
from whisper_ft.evaluation.scoring import SCORES, row_count

ENOUGH = 10  # rows, or recordings, for a verdict
Samples = Sequence[Sample]


def prompts_compared(samples: Samples, name: str) -> list[dict[str, Any]]:
    """How a score changes from no prompt to the right one, and to a wrong one, on the same rows."""
    return [
        change(f"no prompt -> {condition}", (samples, "none"), (samples, condition), name)
        for condition in ("right", "wrong")
    ]


def evaluations_compared(before: Samples, after: Samples, name: str) -> list[dict[str, Any]]:
    """How a score changes from one evaluation to another: by prompt, then by part without.

    Raises ValueError where their rows are not the same.
    """
    asked = [[(s["place"], s["reference"], s["prompt"]) for s in ss] for ss in (before, after)]
    if asked[0] != asked[1]:
        raise ValueError(
            "the two evaluations are not of the same rows and prompts: evaluate both on the same "
            "manifests, with the same --seed"
        )
    found = [change(c, (before, c), (after, c), name) for c in CONDITIONS]
    for (part, here), there in zip(parts(before).items(), parts(after).values(), strict=True):
        found.append(change(part, (here, "none"), (there, "none"), name))
    return found


def changes_table(changes: Sequence[dict[str, Any]], name: str) -> str:
    """A table of changes for a terminal; those whose interval is on one side of 0 are judged."""
    width = max([22, *(len(short(change["what"])) + 1 for change in changes)])
    lines = [f"{name:{width}}{'rows':>6}{'before':>10}{'after':>10}{'change':>10}   95 % interval"]
    scale, form, unit = (100, ".1f", "%") if SCORES[name].share else (1, ".2f", " ")
    for change in changes:
        line = f"{short(change['what']):{width}}{change['rows']:>6}"
        if change["before"] is None or change["after"] is None:
            lines.append(f"{line}{'-':>10}{'-':>10}")
            continue
        before, after = scale * change["before"], scale * change["after"]
        line += f"{before:>9{form}}{unit}{after:>9{form}}{unit}{after - before:>+10{form}}"
        if change["interval"] is not None:
            low, high = (scale * bound for bound in change["interval"])
            line += f"   [{low:+{form}}, {high:+{form}}] {change['verdict']}".rstrip()
        lines.append(line)
    if any(change["drawn"] < ENOUGH for change in changes):
        lines.append(f"of fewer than {ENOUGH} rows or recordings nothing is called better or worse")
    return "\n".join(lines)


def most_different(
    before: tuple[str, Samples, str], after: tuple[str, Samples, str], n: int
) -> list[str]:
    """The rows whose word errors differ most between two (name, samples, condition), as lines."""
    differing = []
    for a, b in zip(before[1], after[1], strict=True):
        if a["output"][before[2]] is None or b["output"][after[2]] is None:
            continue
        errors, there = (
            row_count(sample, condition, "wer", set()).part
            for sample, condition in ((a, before[2]), (b, after[2]))
        )
        if errors != there:
            differing.append((errors, there, a, b))
    differing.sort(key=lambda found: -abs(found[1] - found[0]))
    lines = []
    for errors, there, a, b in differing[:n]:
        lines.append(f"{short(a['place'])}: {errors} -> {there} word errors")
        lines.append(f"  reference: {a['reference']}")
        lines.append(f"  {before[0]}: {a['output'][before[2]]}")
        lines.append(f"  {after[0]}: {b['output'][after[2]]}")
    return lines


def change(
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
    cased = cased_corpora(before[0])
    counts_before = [row_count(a, before[1], name, cased) for a, _ in pairs]
    counts_after = [row_count(b, after[1], name, cased) for _, b in pairs]
    groups = groups_of([a for a, _ in pairs])
    interval = paired_interval(counts_before, counts_after, groups)
    return {
        "what": what,
        "rows": len(pairs),
        "before": Count.sum(counts_before).rate,
        "after": Count.sum(counts_after).rate,
        "interval": interval,
        "drawn": len(set(groups)) or len(pairs),  # rows, or recordings
        "verdict": _verdict(name, interval, len(set(groups)) or len(pairs)),
    }


def _verdict(name: str, interval: Interval | None, n_drawn: int) -> str:
    """Better or worse where the whole interval says so, else ""; of few rows neither.

    Bootstraps of few are too narrow: where nothing differs, intervals of 5 recordings exclude 0
    in 13 % of cases and those of 12 in 9 %, instead of 5.
    """
    if interval is None or interval[0] <= 0 <= interval[1] or n_drawn < ENOUGH:
        return ""
    return "better" if (interval[0] > 0) == SCORES[name].higher_is_better else "worse"
