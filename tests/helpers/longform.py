"""Whole recordings with outputs that a test chooses."""

from whisper_ft.config.commands import LONGFORM_CONDITIONS
from whisper_ft.evaluation.longform import LongformResult
from whisper_ft.evaluation.longform_scores import LongformSample, score_longform
from whisper_ft.evaluation.metrics import Count
from whisper_ft.evaluation.samples import Output
from whisper_ft.text.tokens import Segment


def longform_sample(segments, output_segments=None, prompts=None, **fields) -> LongformSample:
    """A recording with segments (start, end, text), and segments written without a prompt.

    `outputs` are more outputs' segments by condition, `prompts` prompts by condition.
    """
    written = {"none": output_segments} | fields.pop("outputs", {})
    outputs = {
        condition: None if some is None else Output(_text(some), _segments(some), Count())
        for condition, some in (dict.fromkeys(LONGFORM_CONDITIONS) | written).items()
    }
    defaults = {
        **{"number": 0, "place": "m.jsonl:1", "language": "en", "task": "transcribe"},
        **{"recording": "", "seconds": 60.0, "keywords": (), "prompt_terms": ()},
    }
    return LongformSample(
        **defaults | fields,
        reference=_text(segments),
        segments=_segments(segments),
        prompts=dict.fromkeys(LONGFORM_CONDITIONS, "") | (prompts or {}),
        outputs=outputs,
    )


def longform_result(*samples: LongformSample) -> LongformResult:
    """The result of a model that wrote these samples."""
    return LongformResult("a model", score_longform(samples), samples)


def _text(segments) -> str:
    return " ".join(text for _, _, text in segments).strip()


def _segments(segments) -> tuple[Segment, ...]:
    return tuple(Segment(*segment) for segment in segments)
