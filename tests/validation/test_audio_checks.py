"""Audio that cannot be read, is clipped or is silent."""

import numpy as np
from helpers.audio import tone
from helpers.manifests import row
from helpers.validation import write_and_check

from whisper_ft.validation.audio_checks import audio_warnings, check_audio


def test_clipped_and_silent_audio_has_a_warning():
    loud = np.clip(5 * tone(1.0), -1, 1)
    assert "of the samples are clipped" in next(audio_warnings(row(), loud))
    assert "peak level 0.0001 of full scale" in next(audio_warnings(row(), tone(1.0) / 3000))
    assert not list(audio_warnings(row(""), tone(1.0) / 3000))
    assert not list(audio_warnings(row(), tone(1.0)))


def test_audio_of_so_many_rows_is_read_and_unreadable_audio_is_a_problem(folder):
    found = write_and_check(
        folder, *[{"audio": "quiet.wav", "text": "Hello there."}] * 6, name="m.jsonl"
    )
    assert len(check_audio(found.rows, 4, seed=0).warnings) == 4
    (folder / "quiet.wav").unlink()
    findings = check_audio(found.rows, 1, seed=0)
    assert "quiet.wav" in str(findings.problems[0]) and not findings.warnings
