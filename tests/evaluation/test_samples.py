"""Samples: their parts, and their JSON."""

import json
from dataclasses import replace

import pytest
from helpers.samples import sample

from whisper_ft.evaluation.samples import Sample, by_part, recording_groups
from whisper_ft.evaluation.scoring import score
from whisper_ft.text.tokens import Segment


def test_languages_and_corpora_are_scored_apart_each_with_its_own_case():
    english = sample("Call Reid.", *["Call reid."] * 3, keywords=["Reid"])
    lower = replace(english, reference="call reid", keywords=("reid",), place="n.jsonl:1")
    german = replace(english, language="de", reference="Ruf Reid.")
    assert by_part([english, english]) == {}
    assert set(by_part([english, german])) == {"en", "de"}
    translated = replace(german, task="translate")
    by_name = by_part([english, lower, translated])
    assert list(by_name) == ["en", "de to en", "m.jsonl", "n.jsonl"]
    assert [len(some) for some in by_name.values()] == [2, 1, 2, 1]
    both = score([english, lower])["none"]["keyword_recall"]  # case counts where it is mixed
    assert (both.part, both.total) == (1, 2)
    few = [replace(lower, reference=text) for text in ("call reid", "ask reid", "I saw reid")]
    assert score(few)["none"]["keyword_recall"].rate == 1.0  # one capital makes no cased corpus


def test_recordings_are_groups_only_if_every_sample_has_one_and_there_are_several():
    first, second = (sample("a", *["a"] * 3, recording=name) for name in ("r", "q"))
    assert recording_groups([first, second, first]) == ["r", "q", "r"]
    assert recording_groups([first, first]) == []
    assert recording_groups([first, replace(second, recording="")]) == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda data: data.pop("place"), KeyError),
        (lambda data: data.update(reference=None), TypeError),
        (lambda data: data.update(number=True), TypeError),
        (lambda data: data.update(seconds=float("nan")), TypeError),
        (lambda data: data.update(seconds=10**400), TypeError),
        (lambda data: data.update(keywords=[1]), TypeError),
        (lambda data: data["outputs"].pop("none"), KeyError),
        (lambda data: data["outputs"]["right"].update(text=1), TypeError),
        (lambda data: data["outputs"]["right"].update(loss=[1.0, 4]), TypeError),
        (lambda data: data["outputs"]["right"].update(segments=[[0.0, 1.0, "a"]]), TypeError),
    ],
)
def test_data_that_is_no_sample_is_refused(change, kind):
    one = sample("a", "a", "a", None, segments=[Segment(0.0, 1.0, "a")])
    data = json.loads(json.dumps(one.to_json()))
    assert Sample.from_json(data | {"step": 5}) == one
    change(data)
    with pytest.raises(kind):
        Sample.from_json(data)
