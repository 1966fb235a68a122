"""The command `evaluate`."""

import json


def test_evaluate_refuses_before_it_writes_or_loads_anything(run, tmp_path, corpus):
    corpus[0].write_text('{"audio": "gone.wav", "text": 1}\n')
    status, said = run(
        "evaluate", "nosuch.pt", corpus[0], "--rows", "0", "--json", tmp_path / "out.json"
    )
    assert status == 2
    for words in ("nosuch.pt: neither", "train.jsonl:1: text: 1", "--rows: 0: must be at least 1"):
        assert words in said
    assert not (tmp_path / "out.json").exists()


def test_evaluate_writes_scores_and_samples(run, tmp_path, corpus, model_path):
    outputs = ["--json", tmp_path / "new" / "s.json", "--samples", tmp_path / "s.jsonl"]
    status, said = run("evaluate", model_path, *corpus, "--rows", "3", "--name", "mine", *outputs)
    assert status == 0 and "| mine |" in said
    (result,) = json.loads((tmp_path / "new" / "s.json").read_text())["evaluations"]
    names = [path.rsplit("/", 1)[-1] for path in result["manifests"]]
    assert result["n_rows"] == 3 and names == ["train.jsonl", "dev.jsonl"]
    assert len((tmp_path / "s.jsonl").read_text().splitlines()) == 3
