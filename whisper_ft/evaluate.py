"""Does the prompt help? Rows decoded under right, no and wrong prompts, and scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, reduce
from typing import Any

import torch
from torch import Tensor
from whisper.model import Whisper
from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer

from whisper_ft.audio import log_mel
from whisper_ft.conditions import PromptedRows
from whisper_ft.data import hear, padded
from whisper_ft.decode import Asked, decode
from whisper_ft.manifest import Row, Segment
from whisper_ft.metrics import (
    Count,
    bootstrap_interval,
    character_errors,
    keyword_hits,
    split_word_errors,
    word_errors,
)
from whisper_ft.model import row_losses
from whisper_ft.tokens import IGNORE, build_example, is_unspaced
from whisper_ft.weights import vocabulary_of

CONDITIONS = ("right", "none", "wrong")
SCORES = ("wer", "raw_wer", "cer", "b_wer", "u_wer", "keywords", "loss")
WITH_INTERVAL = ("wer", "keywords")
MARK = "<!-- table -->"
MOST_TOGETHER, CROSS_BYTES = 16, 10**9  # rows decoded at once, and memory for what they heard


@torch.no_grad()
def decode_rows(
    model: Whisper, prompted: PromptedRows, *, timestamps: bool = True
) -> Iterator[dict[str, Any]]:
    """A sample of each row: its reference, and by condition the prompt, output and loss.

    Greedy, temperature 0, the row's language given, transcribe's mel, fp16 on a GPU as whisper
    does; rows are decoded several at once, the encoder runs once a row. Where the wrong prompt is
    None its output is None; an empty right prompt shares the output without. Raises RowError
    naming an unreadable row.
    """
    size = _n_together(model)
    conditions = list(zip(prompted.rights, prompted.wrongs, strict=True))
    for start in range(0, len(prompted.rows), size):
        rows = prompted.rows[start : start + size]
        prompts = [
            dict(zip(CONDITIONS, (right, "", wrong), strict=True))
            for right, wrong in conditions[start : start + size]
        ]
        yield from _decoded(model, rows, prompts, timestamps)


def _n_together(model: Whisper) -> int:
    """Rows whose cross attention, the largest part of decoding's memory, fits its share."""
    dims, n_bytes = model.dims, 2 if model.device.type == "cuda" else 4
    a_row = 2 * dims.n_text_layer * dims.n_audio_ctx * dims.n_text_state * n_bytes
    return min(MOST_TOGETHER, max(1, CROSS_BYTES // a_row))


def _decoded(
    model: Whisper,
    rows: Sequence[Row],
    prompts: Sequence[dict[str, str | None]],
    timestamps: bool,
) -> Iterator[dict[str, Any]]:
    dtype = torch.float16 if model.device.type == "cuda" else torch.float32
    # the words of a cut segment are not in the reference: nothing of it is heard
    heard = [hear(row, timestamps=False) for row in rows]
    mel = torch.stack([log_mel(samples, model.dims.n_mels) for samples, _ in heard])
    features = model.encoder(mel.to(model.device, dtype))
    keys = [
        (number, prompt)
        for number, conditions in enumerate(prompts)
        for prompt in dict.fromkeys(conditions.values())
        if prompt is not None
    ]
    asked = [Asked(n, p, rows[n].language, rows[n].task, timestamps) for n, p in keys]
    texts = [result.text for result in decode(model, features, asked)]
    losses = _losses(model, features, asked, rows, [segments for _, segments in heard])
    done: dict[tuple[int, str | None], tuple[str | None, Count | None]]
    done = dict(zip(keys, zip(texts, losses, strict=True), strict=True))
    for number, (row, conditions) in enumerate(zip(rows, prompts, strict=True)):
        found = {c: done.get((number, p), (None, None)) for c, p in conditions.items()}
        yield {
            "place": row.place,
            "language": row.language,
            "task": row.task,
            "recording": row.recording,
            "keywords": list(row.keywords),
            "reference": row.text,
            "prompt": conditions,
            "output": {condition: text for condition, (text, _) in found.items()},
            "loss": {condition: loss for condition, (_, loss) in found.items()},
        }


def _losses(
    model: Whisper,
    features: Tensor,
    asked: Sequence[Asked],
    rows: Sequence[Row],
    segments: Sequence[Sequence[Segment]],
) -> list[Count]:
    """(summed cross-entropy in nats, learned tokens) of each row's text after each prompt."""
    tokenizer_of = vocabulary_of(model.dims).tokenizer
    examples = [
        build_example(
            tokenizer_of(language=one.language, task=one.task),
            rows[one.recording].text,
            one.prompt,
            segments=[s for s in segments[one.recording] if s.end is not None],
            timestamps=one.timestamps,
            n_text_ctx=model.dims.n_text_ctx,
        )
        for one in asked
    ]
    tokens, targets = (ids.to(features.device) for ids in padded(examples))
    of_each = features[[one.recording for one in asked]]
    nats = row_losses(model, of_each, tokens, targets).tolist()
    n_learned = (targets != IGNORE).sum(dim=1).tolist()
    return [Count(*pair) for pair in zip(nats, n_learned, strict=True)]


def score(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Scores of samples by condition, each `{part, total, rate}`, two of them with an interval.

    Keywords are compared on raw text, with case where the references mix it. Intervals are 95 %
    bootstraps over rows, or over recordings where every row has one and there are several.
    Languages written without spaces are scored by character, as in the Whisper paper.
    """
    cased = is_cased(samples)
    result: dict[str, Any] = {}
    for condition in CONDITIONS:
        scored = [sample for sample in samples if sample["output"][condition] is not None]
        groups = groups_of(scored)
        table = [row_counts(sample, condition, cased) for sample in scored]
        result[condition] = {"rows": len(scored)}
        for name in SCORES:
            counts = [counts[name] for counts in table]
            pooled = reduce(Count.plus, counts, Count())
            entry: dict[str, Any] = {
                "part": pooled.part,
                "total": pooled.total,
                "rate": pooled.rate,
            }
            if name in WITH_INTERVAL:
                entry["interval"] = bootstrap_interval(counts, groups)
            result[condition][name] = entry
    return result


def is_cased(samples: Sequence[dict[str, Any]]) -> bool:
    """Whether references mix upper and lower case, so that case counts in keywords."""
    references = (sample["reference"] for sample in samples)
    return any(text not in (text.lower(), text.upper()) for text in references)


def groups_of(samples: Sequence[dict[str, Any]]) -> list[str]:
    """Recordings, to be resampled whole; none where a row has none or all are of one."""
    groups = [sample["recording"] for sample in samples]
    return groups if all(groups) and len(set(groups)) > 1 else []


def row_counts(sample: dict[str, Any], condition: str, cased: bool) -> dict[str, Count]:
    """Each score's count of one sample."""
    reference, output = sample["reference"], sample["output"][condition]
    normalise = normaliser(sample["language"], sample["task"])
    words, written = normalise(reference), normalise(output)
    by_character = is_unspaced(sample["language"], sample["task"])
    errors = character_errors if by_character else word_errors
    keyword_words = {word for term in sample["keywords"] for word in normalise(term).split()}
    biased, unbiased = split_word_errors(words, written, keyword_words)
    return {
        "wer": errors(words, written),
        "raw_wer": errors(reference, output),
        "cer": character_errors(words, written),
        "b_wer": biased,
        "u_wer": unbiased,
        "keywords": keyword_hits(sample["keywords"], reference, output, cased=cased),
        "loss": Count(*sample["loss"][condition]),
    }


@cache
def normaliser(language: str, task: str) -> BasicTextNormalizer | EnglishTextNormalizer:
    """Whisper's own for what is written: a translation is English."""
    english = language == "en" or task == "translate"
    return EnglishTextNormalizer() if english else BasicTextNormalizer()


def table(results: Sequence[dict[str, Any]]) -> str:
    """A Markdown table of evaluations: a line each, WER and exact spellings by condition."""
    head = (
        "| checkpoint | WER: right prompt | none | wrong | spelled exactly: right | none | wrong |"
    )
    lines = [head, "|---|" + "---:|" * 6]
    for result in results:
        cells = [
            _percent(result["scores"][condition][name])
            for name in ("wer", "keywords")
            for condition in CONDITIONS
        ]
        lines.append(f"| {result['name']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def insert_table(document: str, new_table: str) -> str:
    """A document with the table between its two `<!-- table -->` lines replaced."""
    parts = document.split(MARK)
    if len(parts) != 3:
        raise ValueError(f"the document needs two lines {MARK}, around the table's place")
    return MARK.join([parts[0], f"\n{new_table}\n", parts[2]])


def details(scores: dict[str, Any]) -> str:
    """A table of one evaluation for a terminal: every score with its interval, by condition."""
    lines = [f"{'':10}{'right prompt':>28}{'no prompt':>28}{'wrong prompt':>28}"]
    for name in SCORES:
        lines.append(
            f"{name:10}"
            + "".join(f"{_with_interval(name, scores[c][name]):>28}" for c in CONDITIONS)
        )
    lines.append(f"{'rows':10}" + "".join(f"{scores[c]['rows']:>28}" for c in CONDITIONS))
    if scores["none"]["rows"] and not scores["wrong"]["rows"]:
        lines.append("no row has a wrong prompt: none of another row's holds none of its keywords")
    return "\n".join(lines)


def _percent(entry: dict[str, Any]) -> str:
    return "-" if entry["rate"] is None else f"{100 * entry['rate']:.1f} %"


def _with_interval(name: str, entry: dict[str, Any]) -> str:
    if name == "loss":
        return "-" if entry["rate"] is None else f"{entry['rate']:.3f}"
    if not entry.get("interval"):
        return _percent(entry)
    low, high = entry["interval"]
    return f"{_percent(entry)} [{100 * low:.1f}, {100 * high:.1f}]"
