"""The command `table`."""

import json

from helpers.samples import sample

from whisper_ft.evaluation.results import EvaluationResult, EvaluationSettings, evaluations_json
from whisper_ft.evaluation.scoring import score
from whisper_ft.runtime.files import write_json


def test_a_table_of_what_is_no_evaluation_names_the_file(run, tmp_path):
    for name, content in (("a.json", ""), ("b.json", "[1]"), ("c.json", '{"evaluations": []}')):
        (tmp_path / name).write_text(content)
        status, said = run("table", tmp_path / name)
        assert status == 2 and f"{name}: holds no evaluations that can be read" in said


def test_a_table_of_no_file_or_of_an_earlier_versions_says_so(run, tmp_path):
    status, said = run("table", tmp_path / "gone.json")
    assert status == 2
    assert "gone.json: no such file: give a file that `evaluate --json` wrote" in said
    (tmp_path / "old.json").write_text(json.dumps({"evaluations": [{"name": "a"}]}))
    status, said = run("table", tmp_path / "old.json")
    assert status == 2 and "(KeyError: 'manifests'; an earlier version may have written it)" in said


def write_result(path, name, **settings):
    scores = score([sample("a", "a", "a", None)])
    settings = EvaluationSettings(("m.jsonl",), 0, True, "float32", None, **settings)
    result = EvaluationResult(name, settings, 1, scores, {}, {})
    write_json(path, evaluations_json([result]))


def test_keywords_that_were_found_in_other_ways_share_no_table(run, tmp_path):
    write_result(tmp_path / "a.json", "mine", keyword_source="wordfreq 3.1.1")
    write_result(tmp_path / "b.json", "theirs")
    status, said = run("table", tmp_path / "a.json", tmp_path / "b.json")
    assert status == 2 and "(mine: wordfreq 3.1.1; theirs: " in said and "--keywords" in said


def test_a_document_that_is_missing_is_told(run, tmp_path):
    write_result(tmp_path / "a.json", "mine")
    assert run("table", tmp_path / "a.json")[0] == 0
    status, said = run("table", tmp_path / "a.json", "--into", tmp_path / "gone.md")
    assert status == 2 and "--into: " in said and "gone.md: no such file: give a document" in said
