"""A name means one thing in a file."""

from pathlib import Path
from symtable import SymbolTable, symtable

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("whisper_ft/**/*.py"))


def shadowed(table: SymbolTable, names: set[str]) -> list[str]:
    """Return `line: name` for each of the names that a function below binds again."""
    again = []
    for scope in table.get_children():
        if scope.get_type() == "function":
            local = {s.get_name() for s in scope.get_symbols() if s.is_local()}
            again += [f"line {scope.get_lineno()}: {name}" for name in sorted(local & names)]
        again += shadowed(scope, names)
    return again


@pytest.mark.parametrize("module", MODULES)
def test_no_local_name_shadows_a_function_a_class_or_an_import_of_its_file(module):
    table = symtable((ROOT / module).read_text(encoding="utf-8"), module, "exec")
    names = {s.get_name() for s in table.get_symbols() if s.is_imported() or s.is_namespace()}
    assert not shadowed(table, names)
