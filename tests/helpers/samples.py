"""Samples of an evaluation, with outputs that a test chooses."""

from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import CONDITIONS, Output, Sample


def sample(reference, *texts, keywords=(), prompts=("", "", ""), losses=(1, 1, 1), segments=(),
           output_segments=((), (), ()), **fields) -> Sample:  # fmt: skip
    """A sample whose texts, prompts, losses (nats of 4 tokens) and segments are by condition."""
    outputs = [
        None if text is None else Output(text, tuple(some), Count(nats, 4))
        for text, nats, some in zip(texts, losses, output_segments, strict=True)
    ]
    defaults = {
        **{"number": 0, "place": "m.jsonl:1", "language": "en", "task": "transcribe"},
        **{"recording": "", "seconds": 1.0, "prompt_terms": tuple(keywords)},
    }
    return Sample(
        **defaults | fields,
        keywords=tuple(keywords),
        reference=reference,
        segments=tuple(segments),
        prompts=dict(zip(CONDITIONS, prompts, strict=True)),
        outputs=dict(zip(CONDITIONS, outputs, strict=True)),
    )


SAMPLES = [
    sample("Call Kathryn.", "Call Kathryn.", "Call Catherine.", "Call Katherine.",
           keywords=["Kathryn"], losses=(1.0, 2.0, 3.0)),
    sample("Ask Dr. Grey now.", "Ask Dr. Grey now.", "ask Doctor gray", None, keywords=["Grey"],
           losses=(1.0, 2.0, 3.0)),
]  # fmt: skip
