"""The names that `import whisper_ft` offers."""

import subprocess
import sys
from pathlib import Path

import pytest

import whisper_ft

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", whisper_ft.__all__)
def test_every_name_that_is_offered_can_be_had(name):
    assert getattr(whisper_ft, name) is not None
    assert name in dir(whisper_ft)


def test_what_loads_lazily_is_what_type_checkers_see():
    assert {*whisper_ft._MODULES, "__version__"} == {*whisper_ft.__all__}


def test_a_name_that_is_not_offered_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'fit'"):
        whisper_ft.fit  # noqa: B018


@pytest.mark.slow
def test_importing_the_package_loads_neither_torch_nor_whisper():
    code = "import sys, whisper_ft; sys.exit(bool({'torch', 'whisper', 'numpy'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.slow
def test_a_library_call_prints_no_warnings_unless_logging_is_set_up():
    code = "import logging, whisper_ft; logging.getLogger('whisper_ft.data').warning('a warning')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout + done.stderr == b""
