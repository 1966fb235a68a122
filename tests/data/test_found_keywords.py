"""Keywords that a manifest does not give."""

import gc

import pytest
from helpers.manifests import write_manifest

from whisper_ft.data import found_keywords
from whisper_ft.data.found_keywords import (
    AS_GIVEN,
    describe_keywords,
    join_sources,
    read_keyword_rules,
)
from whisper_ft.data.manifest import read_manifest
from whisper_ft.data.rows import row_keywords

AUTO = "auto (rules 1, Whisper's vocabulary)"
TEXTS = ["Please ask Kathryn Smyth about it.", "We have the X-41b here.", "Good day to you."]


@pytest.fixture(autouse=True)
def without_wordfreq(monkeypatch):
    monkeypatch.setattr(found_keywords, "wordfreq_version", lambda: "")


def read(folder, rows, keywords="auto", glossary=""):
    path = write_manifest(folder / "m.jsonl", [{"audio": "a.wav"} | row for row in rows])
    return read_manifest(path, keywords=read_keyword_rules(keywords, glossary))


def keywords_of(manifest):
    return [row.keywords for row in manifest.rows]


def write_terms(folder, *terms):
    path = folder / "terms.txt"
    path.write_text("\n".join(terms), encoding="utf-8")
    return path


def test_a_manifest_without_keywords_gets_those_that_are_found(tmp_path):
    manifest = read(tmp_path, [{"text": text} for text in TEXTS])
    assert keywords_of(manifest) == [("Kathryn Smyth",), ("X-41b",), ()]
    assert [row_keywords(manifest.rows, i) for i in range(3)] == keywords_of(manifest)
    assert manifest.keyword_source == AUTO


def test_by_default_and_with_off_a_manifest_is_read_as_it_is_written(tmp_path):
    rows = [{"text": text} for text in TEXTS]
    assert keywords_of(read(tmp_path, rows, "off")) == [(), (), ()]
    manifest = read_manifest(tmp_path / "m.jsonl")
    assert keywords_of(manifest) == [(), (), ()] and manifest.keyword_source == AS_GIVEN


def test_a_manifest_with_any_keywords_is_left_as_it_is(tmp_path):
    manifest = read(tmp_path, [{"text": TEXTS[0]}, {"text": TEXTS[1], "keywords": ["here"]}])
    assert keywords_of(manifest) == [(), ("here",)] and manifest.keyword_source == AS_GIVEN


def test_a_row_with_a_prompt_of_its_own_gets_none(tmp_path):
    rows = [{"text": TEXTS[0], "prompt": "Kathryn."}, {"text": TEXTS[1], "prompt": " "}]
    assert keywords_of(read(tmp_path, rows)) == [(), ("X-41b",)]


def test_terms_of_a_glossary_are_keywords_of_every_row_that_says_them(tmp_path):
    terms = write_terms(tmp_path, "Smyth", "good day", "about")
    rows = [{"text": TEXTS[0], "prompt": "Ann."}, {"text": "Good day.", "keywords": ["Good"]}]
    for keywords in ("off", "auto"):
        manifest = read(tmp_path, rows, keywords, terms)
        assert keywords_of(manifest) == [("Smyth", "about"), ("Good",)]
        assert manifest.keyword_source.startswith("manifest and glossary ")


def test_a_found_term_that_shares_words_with_one_of_the_glossary_gives_way(tmp_path):
    rows = [{"text": "I ask Kathryn Smyth about Zalvexo now and then."}]
    terms = write_terms(tmp_path, "Smyth")
    manifest = read(tmp_path, rows, "auto", terms)
    assert keywords_of(manifest) == [("Smyth", "Zalvexo")]
    assert manifest.keyword_source.startswith(f"{AUTO} and glossary ")


def test_each_language_has_its_own_counts_and_a_translation_is_english(tmp_path):
    german = {"text": "Das Haus hat einen Garten.", "language": "German"}
    rows = [german, {**german, "text": TEXTS[0], "task": "translate"}]
    assert keywords_of(read(tmp_path, rows)) == [(), ("Kathryn Smyth",)]


def test_what_is_found_does_not_depend_on_other_manifests_or_on_the_order(tmp_path):
    rows = [{"text": f"{text} {n}"} for n in range(3) for text in TEXTS]
    forwards, backwards = (keywords_of(read(tmp_path, some)) for some in (rows, rows[::-1]))
    assert forwards == backwards[::-1]


def test_found_keywords_take_no_python_object_per_row(tmp_path):
    rows = [{"text": f"Please ask Kathryn Smyth about it, number {n}."} for n in range(3000)]
    gc.collect()
    before = len(gc.get_objects())
    manifest = read(tmp_path, rows)
    gc.collect()
    assert len(gc.get_objects()) - before < 6000 + 500  # the 3,000 rows and dicts of this test
    assert manifest.rows[2999].keywords == ("Kathryn Smyth",)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "holds no term"),
        (b"\xff\xfe", "not UTF-8"),
        ("Zalvexo".encode("utf-16-le"), "not UTF-8"),
        (None, "no such file"),
    ],
)
def test_a_glossary_that_cannot_be_read_is_told_with_the_remedy(tmp_path, content, problem):
    path = tmp_path / "terms.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"--glossary: .*terms.txt: {problem}: .*one term a line"):
        read_keyword_rules("off", path)


def test_what_was_found_is_said_and_so_is_what_happens_without(tmp_path):
    manifest = read(tmp_path, [{"text": text} for text in TEXTS])
    said = describe_keywords("m.jsonl", manifest.rows, manifest.keyword_source)
    assert said == f"m.jsonl: 2 keywords in 2 of 3 rows, by {AUTO}"
    manifest = read(tmp_path, [{"text": TEXTS[2]}])
    said = describe_keywords("m.jsonl", manifest.rows, manifest.keyword_source)
    assert (
        "no keywords were found" in said
        and "other kinds of prompt take that share of --prompts; `pip install wordf" in said
    )
    assert describe_keywords("m.jsonl", manifest.rows, AS_GIVEN) == ""


def test_sources_of_several_manifests_are_each_named_once():
    assert join_sources(["b", "a", "b"]) == "a / b" and join_sources([]) == AS_GIVEN


def test_a_glossary_of_which_no_text_holds_a_term_is_told(tmp_path, caplog):
    rows = [{"audio": "a.wav", "text": "Call Zalvexo."}]
    read(tmp_path, rows, glossary=write_terms(tmp_path, "Zalvexo"))
    assert not caplog.messages
    read(tmp_path, rows, glossary=write_terms(tmp_path, '["Zalvexo",', '"Quill"]'))
    assert (
        "no text of" in caplog.text and "one of its 2 terms: is it one term a line" in caplog.text
    )
