"""The command that a message prints for a missing optional package installs it."""

import configparser
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from whisper_ft.runtime import extras
from whisper_ft.runtime.extras import describe_import_error, install_command

SETUP = Path(__file__).parents[2] / "setup.cfg"


@pytest.mark.parametrize("extra", ["plot", "prepare", "augment", "speak"])
def test_the_command_names_the_packages_of_the_extra(extra):
    setup = configparser.ConfigParser()
    setup.read(SETUP)
    packages = setup["options.extras_require"][extra].split()
    assert packages and install_command(extra) == f"pip install {' '.join(packages)}"


def test_without_an_installation_it_names_the_extra_of_the_checkout(monkeypatch):
    def missing(_):
        raise PackageNotFoundError

    monkeypatch.setattr(extras, "requires", missing)
    assert install_command("plot") == "pip install '.[plot]'"


def test_packages_with_versions_are_quoted(monkeypatch):
    found = ['pysubs2>=1.8; extra == "prepare"', "numpy", 'jinja2; extra == "plot"']
    monkeypatch.setattr(extras, "requires", lambda _: found)
    assert install_command("prepare") == "pip install 'pysubs2>=1.8'"


def test_a_missing_and_a_broken_package_are_told_apart(monkeypatch):
    monkeypatch.setattr(extras, "requires", lambda _: ['jinja2; extra == "plot"'])
    missing = ModuleNotFoundError("No module named 'jinja2'", name="jinja2")
    assert describe_import_error(missing, "plot") == "jinja2 is missing: pip install jinja2"
    repair = "pip install --force-reinstall jinja2"
    broken = ImportError("libz.so: no such file")
    assert describe_import_error(broken, "plot") == (
        f"a package cannot be imported (libz.so: no such file): {repair}"
    )
    broken = ImportError("cannot import name 'x'", name="jinja2")
    assert describe_import_error(broken, "plot") == (
        f"jinja2 cannot be imported (cannot import name 'x'): {repair}"
    )
