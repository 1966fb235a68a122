"""Does the prompt help? Rows decoded under right, no and wrong prompts, and scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, reduce
from typing import Any

import torch
from torch import Tensor
from whisper.model import Whisper
from whisper.normalizers import BasicTextNormalizer, EnglishTextNormalizer
from whisper.tokenizer import Tokenizer

from whisper_ft.audio import log_mel
from whisper_ft.conditions import PromptedRows
from whisper_ft.data import hear
from whisper_ft.decode import decode_row
from whisper_ft.manifest import Segment
from whisper_ft.metrics import (
    Count,
    bootstrap_interval,
    character_errors,
    keyword_hits,
    split_word_errors,
    word_errors,
)
from whisper_ft.model import summed_loss
from whisper_ft.tokens import IGNORE, build_example, is_unspaced
from whisper_ft.weights import vocabulary_of

CONDITIONS = ("right", "none", "wrong")
SCORES = ("wer", "raw_wer", "cer", "b_wer", "u_wer", "keywords", "loss")
WITH_INTERVAL = ("wer", "keywords")
MARK = "<!-- table -->"


@torch.no_grad()
def decode_rows(
    model: Whisper,
    prompted: PromptedRows,
    *,
    timestamps: bool = True,
) -> Iterator[dict[str, Any]]:
    """A sample of each row: its reference, and by condition the prompt, output and loss.

    Greedy, temperature 0, the row's language given, transcribe's mel, fp16 on a GPU as whisper
    does; the encoder runs once a row. Where the wrong prompt is None its output is None; an empty
    right prompt shares the output without. Raises RowError naming an unreadable row.
    """
    dtype = torch.float16 if model.device.type == "cuda" else torch.float32
    tokenizer_of = vocabulary_of(model.dims).tokenizer
    for row, right, wrong in zip(prompted.rows, prompted.rights, prompted.wrongs, strict=True):
        # the words of a cut segment are not in the reference: nothing of it is heard
        audio, segments = hear(row, timestamps=False)
        segments = tuple(segment for segment in segments if segment.end is not None)
        features = model.encoder(log_mel(audio, model.dims.n_mels)[None].to(model.device, dtype))
        tokenizer = tokenizer_of(language=row.language, task=row.task)
        prompts = dict(zip(CONDITIONS, (right, "", wrong), strict=True))
        done: dict[str | None, tuple[str | None, Count | None]] = {None: (None, None)}
        for prompt in dict.fromkeys(prompts.values()):
            if prompt is not None:
                result = decode_row(
                    model,
                    features[0],
                    prompt,
                    language=row.language,
                    task=row.task,
                    timestamps=timestamps,
                )
                timed = segments if timestamps else None
                done[prompt] = (
                    result.text,
                    _row_loss(model, features, tokenizer, row.text, prompt, timed),
                )
        yield {
            "place": row.place,
            "language": row.language,
            "task": row.task,
            "recording": row.recording,
            "keywords": list(row.keywords),
            "reference": row.text,
            "prompt": prompts,
            "output": {condition: done[prompt][0] for condition, prompt in prompts.items()},
            "loss": {condition: done[prompt][1] for condition, prompt in prompts.items()},
        }


def _row_loss(
    model: Whisper,
    features: Tensor,
    tokenizer: Tokenizer,
    text: str,
    prompt: str,
    segments: Sequence[Segment] | None,
) -> Count:
    """(summed cross-entropy in nats, learned tokens) of a text after a prompt."""
    tokens, targets = build_example(
        tokenizer,
        text,
        prompt,
        segments=segments,
        timestamps=segments is not None,
        n_text_ctx=model.dims.n_text_ctx,
    )
    ids = torch.tensor([tokens, targets], device=features.device)
    loss = summed_loss(model, features, ids[:1], ids[1:])
    return Count(float(loss), sum(target != IGNORE for target in targets))


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
