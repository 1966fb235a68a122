"""What models score on the same rows, what differs, and what was forgotten: to keep, to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from whisper_ft.evaluation.comparison import (
    Samples,
    change,
    changes_table,
    evaluations_compared,
    most_different,
    prompts_compared,
)
from whisper_ft.evaluation.samples import CONDITIONS, parts, short
from whisper_ft.evaluation.scoring import score
from whisper_ft.evaluation.tables import cell, details, format_score, markdown_table

COMPARED = ("wer", "keywords")
Domains = dict[str, Samples]  # by manifests; the first is what was trained for


def result_of(name: str, samples: Domains) -> dict[str, Any]:
    """What one model scores, for JSON: on the first domain, its parts, and the other domains."""
    first, *others = samples
    return {
        "name": name,
        "rows": len(samples[first]),
        "scores": score(samples[first]),
        "parts": {part: score(held) for part, held in parts(samples[first]).items()},
        "others": {other: score(samples[other]) for other in others},
    }


def lines(samples: Domains) -> list[dict[str, Any]]:
    """Samples for a file: each with its domain, "" for the first."""
    first = next(iter(samples))
    return [
        {"domain": "" if domain == first else domain, **sample}
        for domain, held in samples.items()
        for sample in held
    ]


def domains(samples: Samples) -> Domains:
    """The samples of such a file by domain, the first one's first; of a run's, its last step's."""
    step = samples[-1].get("step") if samples else None
    samples = [sample for sample in samples if sample.get("step") == step]
    names = dict.fromkeys(sample.get("domain", "") for sample in samples)
    return {name: [s for s in samples if s.get("domain", "") == name] for name in names}


def told(result: dict[str, Any]) -> str:
    """The scores of one model for a terminal."""
    blocks = [details(result["scores"]), _wer_lines("WER by part", result["parts"])]
    blocks.append(_wer_lines("WER on others", result["others"]))
    return "\n\n".join(filter(None, blocks))


def _wer_lines(title: str, scores_of: dict[str, Any]) -> str:
    if not scores_of:
        return ""
    lines = [f"{title:22}{'rows':>6}" + "".join(f"{c:>23}" for c in CONDITIONS)]
    for name, scores in scores_of.items():
        cells = [f" {format_score('wer', scores[c]['wer'], interval=True):>22}" for c in CONDITIONS]
        lines.append(f"{short(name)[-21:]:22}{scores['none']['rows']:>6}{''.join(cells)}")
    return "\n".join(lines)


def changes(done: dict[str, Domains]) -> list[dict[str, Any]]:
    """How scores change from the first model to each other: by prompt, part and other domain."""
    (first, before), *later = done.items()
    return [
        {
            "from": first,
            "to": name,
            "score": compared,
            "changes": domain_changes(before, after, compared),
        }
        for name, after in later
        for compared in COMPARED
    ]


def domain_changes(before: Domains, after: Domains, name: str) -> list[dict[str, Any]]:
    """How a score changes on the first domain, by prompt and part, and on the others."""
    if list(before) != list(after):
        raise ValueError(
            "the two evaluations are not of the same manifests: evaluate both on the same, with "
            "the same --others"
        )
    first, *others = before
    found = evaluations_compared(before[first], after[first], name)
    for domain in others:
        without = (before[domain], "none"), (after[domain], "none")
        found.append(change(f"{domain}, none", *without, name))
        if any(sample["prompt"]["right"] for sample in before[domain]):
            with_prompts = (before[domain], "right"), (after[domain], "right")
            found.append(change(f"{domain}, right", *with_prompts, name))
    return found


def prompt_changes(samples: Domains, name: str) -> list[dict[str, Any]]:
    """How a score changes with prompts within one model's samples, on each domain."""
    return [
        change | {"what": f"{domain} {change['what']}".strip()}
        for domain, held in samples.items()
        for change in prompts_compared(held, name)
    ]


def compared(
    results: Sequence[dict[str, Any]],
    done: dict[str, Domains],
    changed: Sequence[dict[str, Any]],
    n_rows: int,
) -> str:
    """What differs between models, or between prompts where there is one: tables, then rows."""
    samples = [(name, next(iter(domains.values()))) for name, domains in done.items()]
    if len(samples) > 1:
        one, other = (*samples[0], "right"), (*samples[-1], "right")
        under = " under right prompts"
        blocks = [
            f"{c['from']} -> {c['to']}\n{changes_table(c['changes'], c['score'])}" for c in changed
        ]
    else:
        under = ""
        one, other = ("no prompt", samples[0][1], "none"), ("right prompt", samples[0][1], "right")
        blocks = [changes_table(prompts_compared(samples[0][1], "wer"), "wer")]
    if rows := most_different(one, other, n_rows):
        blocks.append(f"rows that differ most{under}\n" + "\n".join(rows))
    blocks.append(markdown_table(results))
    if results[0]["others"]:
        blocks.append(overview(results, changed))
    return "\n\n".join(blocks)


def overview(results: Sequence[dict[str, Any]], changed: Sequence[dict[str, Any]]) -> str:
    """A Markdown table of WER on what was trained for, by prompt, and on others, without.

    Bold is what differs from the first model's beyond the 95 % interval.
    """
    others = list(results[0]["others"])
    heads = [
        "checkpoint",
        "WER: right prompt",
        "none",
        "wrong",
        *(f"{short(other)}, none" for other in others),
    ]
    lines = ["| " + " | ".join(map(cell, heads)) + " |"]
    lines.append("|---|" + "---:|" * (3 + len(others)))
    for result in results:
        sure = {
            change["what"]
            for held in changed
            if (held["to"], held["score"]) == (result["name"], "wer")
            for change in held["changes"]
            if change["verdict"] in ("better", "worse")
        }
        entries = {c: result["scores"][c]["wer"] for c in CONDITIONS}
        entries |= {f"{other}, none": result["others"][other]["none"]["wer"] for other in others}
        cells = [
            f"**{format_score('wer', e)}**" if n in sure else format_score("wer", e)
            for n, e in entries.items()
        ]
        lines.append(f"| {cell(result['name'])} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
