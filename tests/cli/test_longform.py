"""The command `longform`."""

import pytest


def test_a_command_that_is_stopped_leaves_no_empty_files(run, tmp_path, corpus, model_path):
    def stopped(*_):
        raise KeyboardInterrupt

    outputs = [tmp_path / "s.json", tmp_path / "s.jsonl"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("whisper_ft.evaluation.longform.load", stopped)
        argv = ["longform", model_path, corpus[0], "--json", outputs[0], "--samples", outputs[1]]
        assert run(*argv)[0] == 130
    assert not any(path.exists() for path in outputs)
