"""What lies in a run's folder, or calls itself a checkpoint, is read as data and not believed."""

import json
import os
import shutil

import pytest
import torch
from helpers.runs import lines, train_command


@pytest.fixture(scope="module")
def done(material, tmp_path_factory):
    """A run of two steps, finished."""
    folder = tmp_path_factory.mktemp("done") / "run"
    steps = ["--max-steps", "2", "--eval-every", "1", "--workers", "0"]
    assert train_command([*material, *steps, "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def folder(done, tmp_path):
    shutil.copytree(done, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def resumed(folder, capsys):
    """Resume the run; (status, what was said)."""

    def resume():
        status = train_command(["--resume", str(folder)])
        said = capsys.readouterr()
        return status, said.out + said.err

    return resume


# ---- checkpoints


# ---- a run's state


def moment(change):
    def spoil(state):
        for moments in state["optimizer"]["state"].values():
            moments["exp_avg"] = change(moments["exp_avg"])

    return spoil


def progress(**changes):
    return lambda state: state["progress"].update(changes)


@pytest.mark.parametrize(
    "spoil",
    [
        moment(lambda m: torch.zeros(3)),
        moment(lambda m: m.flatten()[:1].expand(m.numel()).view(-1)[: m.numel()]),
        moment(lambda m: torch.zeros(1).expand(m.shape)),
        moment(lambda m: m.double()),
        moment(lambda m: 5),
        lambda state: state["optimizer"].update(state={10**6: {}}),
        lambda state: state["optimizer"].update(state={0: {"step": "x"}}),
        lambda state: state["optimizer"].update(state=5),
        progress(step="x"),
        progress(step=-3),
        progress(step=10**9),
        progress(step=1.5),
        progress(n_updates=-(10**9)),
        progress(evaluated_step=None),
        progress(best_loss="x"),
        progress(rows_per_pass=-1),
        progress(n_without_improvement=True),
        progress(unknown=1),
        lambda state: state.update(rng={"cpu": torch.zeros(3), "cuda": None}),
        lambda state: state.pop("rng"),
        lambda state: state["model"].update({5: torch.zeros(1)}),
    ],
)
def test_a_spoiled_state_is_refused(folder, resumed, spoil):
    """Moments of another shape would be written past their end: the fused update does not look."""
    state = torch.load(folder / "state.pt", weights_only=True)
    spoil(state)
    torch.save(state, folder / "state.pt")
    status, said = resumed()
    assert status == 2, said
    assert "not a run's state" in said or "not weights" in said


def test_the_settings_of_an_optimiser_are_the_programs_own(folder, resumed):
    state = torch.load(folder / "state.pt", weights_only=True)
    state["optimizer"]["param_groups"] = [{"betas": "x"}]
    torch.save(state, folder / "state.pt")
    assert resumed()[0] == 0


def test_links_and_pipes_among_a_runs_files_are_refused(folder, resumed, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("own words\n")
    for name in ("samples.jsonl", ".lock", "state.pt.partial", "best.pt"):
        kept = folder / f"{name}.kept"
        if (folder / name).exists():
            (folder / name).rename(kept)
        (folder / name).symlink_to(precious)
        status, said = resumed()
        assert status == 2 and f"{name}: not a plain file" in said
        (folder / name).unlink()
        if kept.exists():
            kept.rename(folder / name)
    (folder / "state.pt").unlink()
    os.mkfifo(folder / "state.pt")
    assert resumed()[0] == 2
    assert precious.read_text() == "own words\n"


# ---- its settings and logs


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("model", None),
        ("train", 5),
        ("train", [5]),
        ("train", ["/dev/zero"]),
        ("dev", None),
        ("batch_size", "8"),
        ("batch_size", 1.5),
        ("batch_size", True),
        ("workers", -1),
        ("epochs", "x"),
        ("lr", "x"),
        ("amp", "zz"),
        ("best_by", 5),
        ("distractors", [1, 2, 3]),
        ("noise", "/proc"),
    ],
)
def test_settings_that_no_flag_can_have_given_are_refused(folder, resumed, name, value):
    config = json.loads((folder / "config.json").read_text())
    config["settings"][name] = value
    (folder / "config.json").write_text(json.dumps(config))
    status, said = resumed()
    assert status == 2 and ("config.json: damaged" in said or "must be at least" in said), said


@pytest.mark.parametrize("content", ["[" * 100_000, "[1]", "{}", '{"settings": 5}', ""])
def test_a_config_that_is_none_is_refused(folder, resumed, content):
    (folder / "config.json").write_text(content)
    status, said = resumed()
    assert status == 2 and "config.json: damaged" in said


ODD_LINES = [
    "garbage",
    "[1]",
    "5",
    "{}",
    "[" * 100_000,
    '{"kind": null, "step": null}',
    '{"kind": "step", "step": "a"}',
    '{"step": ' + "9" * 5000 + "}",
    '{"kind": "step", "step": 1' + "0" * 400 + "}",
    "\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"),
]


def test_lines_that_no_run_wrote_are_dropped_from_its_logs(folder, resumed):
    before = {name: lines(folder, name) for name in ("metrics.jsonl", "samples.jsonl")}
    for name in before:
        with (folder / name).open("a") as file:
            file.write("\n".join(ODD_LINES) + "\n")
    status, said = resumed()
    assert status == 0, said
    assert {name: lines(folder, name) for name in before} == before


def test_a_report_is_not_written_through_a_runs_link(folder, run, tmp_path):
    (folder / "report.html").symlink_to(tmp_path / "elsewhere")
    status, said = run("report", folder)
    assert status == 2 and "report.html: a link" in said and not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("odd", ODD_LINES, ids=range(len(ODD_LINES)))
def test_a_report_of_odd_logs_ends_without_a_traceback(folder, run, odd):
    for name in ("metrics.jsonl", "samples.jsonl"):
        with (folder / name).open("a") as file:
            file.write(odd + "\n")
    status, said = run("report", folder)
    assert status in (0, 2) and "Traceback" not in said
