"""config.json comes back as it was written."""

import json

from helpers.runs import plan_of

from whisper_ft.training.run_config import RunConfig, read_run_config


def test_a_run_config_read_back_is_the_one_written(argv, tmp_path):
    plan = plan_of(argv)
    written = plan.run_config()
    assert read_run_config(tmp_path / "run") == written
    assert RunConfig.from_json(json.loads(json.dumps(written.to_json()))) == written
    assert written.settings == plan.config and written.usable_rows.n_train == 5
    assert written.environment_changes(written) == []
