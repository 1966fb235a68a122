"""The command `longform`."""

import json

import pytest
from helpers.audio import write_tone
from helpers.manifests import write_manifest


def test_a_command_that_is_stopped_leaves_no_empty_files(run, tmp_path, corpus, model_path):
    def stopped(*_):
        raise KeyboardInterrupt

    outputs = [tmp_path / "s.json", tmp_path / "s.jsonl"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("whisper_ft.evaluation.longform.load", stopped)
        argv = ["longform", model_path, corpus[0], "--json", outputs[0], "--samples", outputs[1]]
        assert run(*argv)[0] == 130
    assert not any(path.exists() for path in outputs)


def test_keywords_are_found_where_a_manifest_has_none(tmp_path, model_path, run):
    rows = []
    for i in range(4):
        write_tone(tmp_path / f"{i}.wav", 1.0)
        text = f"we will call Kathryn Smyth{i} of Zalvexo about the wet garden on Monday"
        rows.append({"audio": f"{i}.wav", "text": text, "recording": f"r{i}", "duration": 1.0})
    manifest = write_manifest(tmp_path / "m.jsonl", rows)
    sources = []
    for more in ([], ["--keywords", "off"]):
        out = tmp_path / "s.json"
        command = ["longform", model_path, manifest, "--conditions", "none", "--json", out, *more]
        assert run(*command)[0] == 0
        sources.append(json.loads(out.read_text())["keyword_source"])
    assert sources[0].startswith("auto (rules ") and sources[1] == "manifest"
