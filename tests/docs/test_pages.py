"""The README and the pages say what the source does: tables, drawings, flags, names, links."""

import dataclasses
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from whisper.tokenizer import get_tokenizer

import whisper_ft
from whisper_ft.config.commands import LONGFORM_CONDITIONS
from whisper_ft.data.prompts import KINDS, parse_policy
from whisper_ft.data.row_parsing import parse_line
from whisper_ft.evaluation.comparison import Change
from whisper_ft.evaluation.logged_interpolation import LoggedInterpolation
from whisper_ft.evaluation.longform_scores import (
    LONGFORM_SCORES,
    LongformSample,
    LongformScores,
)
from whisper_ft.evaluation.results import (
    EvaluationResult,
    EvaluationSettings,
    read_evaluations,
)
from whisper_ft.evaluation.samples import Sample
from whisper_ft.evaluation.scoring import SCORES
from whisper_ft.evaluation.tables import MARK, markdown_table
from whisper_ft.text.tokens import IGNORE, build_example
from whisper_ft.training.log import StepLog
from whisper_ft.training.optimizer import FINE_TUNING_SHARE, PRETRAINING_LR

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TEXTS = {"README.md": README} | {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "docs").rglob("*.md"))
}


OUTSIDE = {
    name: (ROOT / name).read_text(encoding="utf-8")
    for name in (
        *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"),
        *("data/README.md", "benchmarks/README.md", "benchmarks/NOTES.md"),
    )
}


def blocks(language, *pages):
    fenced = (
        match
        for page in pages or TEXTS
        for match in re.findall(r"^```(\w*)\n(.*?)^```$", TEXTS[page], re.MULTILINE | re.DOTALL)
    )
    return [block for name, block in fenced if name == language]


def load_script(name):
    """A command of docs/, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_fits_on_a_few_screens():
    assert len(README.splitlines()) <= 150


def test_the_generated_pages_are_current():
    generate = load_script("generate")
    for name, make in generate.PAGES.items():
        assert TEXTS[name] == make(), f"{name}: run python docs/generate.py"


def test_every_package_is_in_the_tree():
    packages = {path.parent.name for path in (ROOT / "whisper_ft").glob("*/__init__.py")}
    shown = re.findall(r"^### (\w+)$", TEXTS["docs/architecture/tree.md"], re.M)
    assert sorted(shown) == sorted(packages)


def test_the_floors_of_the_drawing_are_the_enforced_ones():
    drawing = blocks("", "docs/architecture/index.md")[0]
    shown = [name for name in re.findall(r"^(?:\d| ) +(\w+)/", drawing, re.M)]
    packages = [name for floor in load_script("generate").layers() for name in floor]
    assert shown == [name for name in packages if name in shown]
    assert set(packages) - set(shown) == {"__main__", "version"}


def test_every_module_that_the_architecture_names_exists():
    for name in re.findall(r"`([a-z_]+/[a-z_]+\.py)`", TEXTS["docs/architecture/index.md"]):
        assert (ROOT / "whisper_ft" / name).exists(), name


def test_every_flag_that_a_page_names_exists():
    known = set(re.findall(r"--[a-z][a-z-]+", TEXTS["docs/reference/command-line.md"]))
    elsewhere = {"--help", "--model", "--initial_prompt", "--random", "--ways", "--rounds"}
    elsewhere |= {"--local-dir"}  # of hf
    for page, text in TEXTS.items():
        named = re.findall(r"(?<![\w-])--[a-z][a-z_-]+", text)
        assert set(named) - known - elsewhere == set(), page


def test_the_scores_are_the_ones_that_are_computed():
    (page,) = (TEXTS[name] for name in TEXTS if name.endswith("scores.md"))
    rows, longform = page.split("## Scores of longform")
    table = rows.split("| score | what it counts |")[1]
    named = [
        name for row in re.findall(r"^\| (`.*?`) \|", table, re.M) for name in row.split("`")[1::2]
    ]
    assert sorted(named) == sorted(SCORES)
    names = [field.name for field in dataclasses.fields(LongformScores)]
    for name in (*names, *LONGFORM_CONDITIONS, *LONGFORM_SCORES, "empty"):
        assert f"`{name}`" in longform


def test_every_name_of_the_library_is_on_the_python_page():
    for name in set(whisper_ft.__all__) - {"__version__"}:
        assert re.search(rf"\b{name}\b", TEXTS["docs/reference/python.md"]), name


@pytest.mark.parametrize(
    ("kind", "log"), [("a step", StepLog), ("an interpolation", LoggedInterpolation)]
)
def test_the_fields_of_the_lines_of_a_log_are_explained(kind, log):
    page = TEXTS["docs/reference/run-folder.md"]
    table = page.split(f"| field of {kind} | meaning |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (`.*?`) \|", table, re.M)
    fields = [field.name for field in dataclasses.fields(log)]
    assert [name for row in rows for name in row.split("`")[1::2]] == fields


def test_the_default_learning_rates_are_those_of_training():
    rows = re.findall(r"^\| `(\w+).*\| ([\d.e-]+) \|$", TEXTS["docs/reference/models.md"], re.M)
    widths = {"tiny": 384, "base": 512, "small": 768, "medium": 1024, "large": 1280, "turbo": 1280}
    assert {name: float(rate) for name, rate in rows} == {
        name: pytest.approx(PRETRAINING_LR[width] * FINE_TUNING_SHARE["all"])
        for name, width in widths.items()
    }


def test_the_fields_of_the_result_files_are_explained():
    page = TEXTS["docs/reference/result-files.md"]
    rows = re.findall(r"^\| (`.*?`) \|", page, re.M)
    named = {name for row in rows for name in row.split("`")[1::2]}
    kinds = (EvaluationResult, EvaluationSettings, Change, Sample, LongformSample)
    fields = {field.name for kind in kinds for field in dataclasses.fields(kind)}
    assert fields - {"settings", "samples"} <= named


def test_every_kind_of_prompt_is_explained():
    kinds = re.findall(r"^\| `(\w+)` \|", TEXTS["docs/reference/prompts.md"], re.M)
    assert tuple(kinds) == KINDS


def test_the_examples_of_manifests_are_rows():
    lines = blocks("json")
    assert len(lines) >= 4
    for line in lines:
        parsed = parse_line(line.strip().encode())
        assert parsed.fields is not None and not parsed.problems and not parsed.unknown


def test_the_table_is_the_one_that_the_saved_figures_make():
    results = [
        (result.name, result.scores)
        for name in ("stock", "without", "with")
        for result in read_evaluations(ROOT / "data/results" / f"{name}.json")
    ]
    assert README.split(MARK)[1].strip() == markdown_table(results)


def test_the_readmes_figures_are_those_of_the_tables():
    (drills,) = re.findall(
        r"^\| all \| (\d+) \| 0 \|$", TEXTS["docs/explanation/durability.md"], re.M
    )
    assert f"{drills} drills" in README
    (memory,) = re.findall(r"^\| `small` \| ([\d.]+) ", TEXTS["docs/how-to/out-of-memory.md"], re.M)
    assert f"One row of `small` needs {memory} GB" in README


def test_the_clip_is_a_row_of_the_test_set():
    clip = load_script("clip")
    row, block = clip.read_clip(), README.split(clip.MARK)[1]
    said = clip.mark_keywords(row["text"], row["keywords"])
    assert f"> said: {said}<br>\n> prompt: {row['prompt']}\n" in block


def test_the_drawing_is_what_build_example_does():
    tokenizer = get_tokenizer(True, language="en", task="transcribe")
    tokens, targets = build_example(tokenizer, "Call Quill.", "Quill, Zyxin")
    drawing = next(block for block in blocks("") if block.startswith("position"))
    for position, line in enumerate(drawing.splitlines()[1:]):
        token, target = (
            "-100" if i == IGNORE else tokenizer.encoding.decode([i])
            for i in (tokens[position], targets[position])
        )
        assert line[:2] == f"{position:2}"
        assert line[11:].startswith(token) and line[36:].startswith(target)
    assert position == len(tokens) - 1


@pytest.mark.parametrize("page", TEXTS)
def test_every_mixture_of_prompts_that_a_page_names_can_be_given(page):
    for mixture in re.findall(r"\b((?:[a-z]+=0?\.\d+,?)+)", TEXTS[page]):
        assert sum(vars(parse_policy(mixture, (0, 1)))[kind] for kind in KINDS) > 0


def test_the_readmes_mixtures_are_those_of_the_page_of_prompts():
    ours, theirs = (
        set(re.findall(r"\| `((?:[a-z]+=[\d.]+,?)+)` \|", TEXTS[page]))
        for page in ("README.md", "docs/reference/prompts.md")
    )
    assert len(ours) == 4 and ours == theirs


@pytest.mark.parametrize("page", OUTSIDE)
def test_links_of_the_texts_outside_docs_lead_to_files(page):
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", OUTSIDE[page]):
        assert ((ROOT / page).parent / link).exists(), link


def test_the_tests_that_the_page_on_security_names_exist():
    named = re.findall(r"`(tests/[\w/.]+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) >= 5
    for name in named:
        assert (ROOT / name).exists(), name


def test_numbers_have_their_leading_zero():
    for page, text in (TEXTS | OUTSIDE).items():
        prose = re.sub(r"`[^`]*`", "", text)
        assert not re.findall(r"(?<![\w.])\.\d", prose), page


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path):
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in tmp_path.rglob("*.html"):
        page = path.read_text(encoding="utf-8")
        tags = re.findall(r"<(?:script|img|iframe|link)\b[^>]*>", page)
        fetched = [tag for tag in tags if "http:" in tag or "https:" in tag]
        assert not fetched, (path.name, fetched)
