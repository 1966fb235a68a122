"""Several manifests, checked together."""

from helpers.manifests import write_manifest
from helpers.validation import MULTILINGUAL

from whisper_ft.data.found_keywords import KeywordRules
from whisper_ft.data.prompts import PromptPolicy
from whisper_ft.validation.report import check_manifests, format_report


def check(paths, **options):
    settings = {"language": "en", "task": "transcribe", "n_audio_rows": 10, "seed": 0} | options
    return check_manifests(list(map(str, paths)), MULTILINGUAL, PromptPolicy(own=1.0), **settings)


def test_a_report_has_findings_of_headers_audio_and_other_manifests_in_this_order(folder, capsys):
    train = write_manifest(
        folder / "train.jsonl", [{"audio": "quiet.wav", "text": "Hi [there].", "prompt": "Hi."}]
    )
    dev = write_manifest(
        folder / "dev.jsonl",
        [{"audio": "quiet.wav", "text": "Hi [there]."}, {"audio": "gone.wav", "text": "Hi."}],
    )
    report = check([train, dev])
    assert report.has_problems and not check([train]).has_problems
    of_train, of_dev = report.manifests
    assert [warning.what.split(":")[0] for warning in of_train.warnings] == ["text", "audio"]
    fields = [warning.what.split(":")[0] for warning in of_dev.warnings]
    assert fields == ["text", "audio", "audio"] and "train.jsonl:1" in of_dev.warnings[-1].what
    (problem,) = of_dev.problems
    assert "gone.wav: no such file" in problem.what
    assert len(report.rows) == 2 and report.to_json()["prompts"] == {"own": 1}
    assert "gone.wav" in "\n".join(format_report(report, all_warnings=False))
    assert capsys.readouterr().out == ""


def test_audio_is_not_read_while_settings_have_problems(folder):
    path = write_manifest(folder / "m.jsonl", [{"audio": "quiet.wav", "text": "Hi there."}])
    report = check([path], problems=["--model: x: unknown"])
    assert report.has_problems and not report.manifests[0].warnings
    assert next(format_report(report, all_warnings=False)) == "--model: x: unknown"


def test_keywords_that_were_found_are_counted_and_shown(folder):
    rows = [{"audio": f"{i}.wav", "text": f"Ask Kathryn Smyth {i}."} for i in range(3)]
    path = write_manifest(folder / "m.jsonl", rows)
    report = check([path], keywords=KeywordRules(auto=True))
    (summary,) = report.manifests
    assert summary.to_json()["keywords"]["most_frequent"] == {"Kathryn Smyth": 3}
    said = "\n".join(format_report(report, all_warnings=False))
    assert "m.jsonl: 3 keywords in 3 of 3 rows, by auto (rules 1, " in said
    assert "1 different one, most frequent: Kathryn Smyth (3)" in said
    assert "line 2: Kathryn Smyth: in 'Ask Kathryn Smyth 1.'" in said
    assert check([path]).to_json()["manifests"][0]["keywords"] == {}


def test_that_no_keyword_was_found_is_shown(folder):
    path = write_manifest(folder / "m.jsonl", [{"audio": "0.wav", "text": "Good day to you."}])
    said = format_report(check([path], keywords=KeywordRules(auto=True)), all_warnings=False)
    assert "no keywords were found" in "\n".join(said)
