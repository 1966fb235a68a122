"""The architecture, enforced: a module imports only from floors below its own, by full name."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "whisper_ft"
FLOORS = [
    {"shortage"},
    {
        "flags",
        "manifest",
        "metrics",
        "speed",
        "stopping",
        "bpe_dropout",
        "untrusted",
        "visits",
    },
    {"config", "glossary", "audio", "intervals", "tokens", "model", "rows", "steps", "weights"},
    {
        "settings",
        "prompts",
        "checkpoint",
        "packing",
        "augment",
        "features",
        "doubts",
        "memory",
        "scores",
    },
    {"data", "decode", "check", "conditions", "compare", "curves", "record"},
    {"evaluate", "encoding", "optim", "room", "progress", "results", "show", "survey"},
    {"plan", "doctor"},
    {"run", "resuming", "longform", "evaluations", "report"},
    {"training", "commands"},
    {"__main__"},
]
PREPARE = [
    {"raw_cues", "languages"},
    {"settings", "corpora", "output"},
    {"cues", "noises"},
    {"windows"},
    {"subtitles"},
    {"commands"},
]
FLOOR_OF = {module: floor for floor, modules in enumerate(FLOORS) for module in modules} | {
    f"prepare.{module}": floor for floor, modules in enumerate(PREPARE, 1) for module in modules
}
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if path.stem != "__init__"
)


def imported_from_package(path: Path) -> list[str]:
    """Names of the package's modules that a file imports; relative imports count as wrong names."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [a.name.split(".", 1)[1] for a in node.names if a.name[:11] == "whisper_ft."]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
            if node.module == "whisper_ft.prepare":
                found += [f"prepare.{name}" for name in names]
            elif node.level:
                found.append("." * node.level + (node.module or ""))
            elif node.module == "whisper_ft":
                found += [name for name in names if name != "__version__"]
            elif node.module and node.module.startswith("whisper_ft."):
                found.append(node.module.split(".", 1)[1])
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_floors_below(module):
    assert module in FLOOR_OF, f"{module}.py stands on no floor: add it to FLOORS"
    for imported in imported_from_package(PACKAGE / f"{module.replace('.', '/')}.py"):
        assert FLOOR_OF.get(imported, 99) < FLOOR_OF[module], f"{module} imports {imported}"


def test_the_package_re_exports_nothing_but_its_version():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_metrics_and_manifest_need_no_torch():
    for module in ("metrics", "manifest", "config", "flags"):
        assert "torch" not in (PACKAGE / f"{module}.py").read_text(encoding="utf-8").split()
