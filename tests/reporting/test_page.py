"""The page of a run, opened in a real browser."""

import json
import re
import shutil
import sys

import pytest
import soundfile
import torch
from helpers.audio import tone
from helpers.longform import longform_result, longform_sample
from helpers.manifests import write_manifest
from helpers.models import random_whisper
from helpers.runs import plan_of
from helpers.samples import sample
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from whisper_ft.evaluation.logged_interpolation import LoggedInterpolation, ShareScores
from whisper_ft.evaluation.logged_longform import LoggedLongform
from whisper_ft.evaluation.scoring import score
from whisper_ft.reporting.rows import audio_data_uri
from whisper_ft.training.loop import train

TEXTS = ["Call Kathryn <b>now</b>.", "Ask Smyth.", "<script>document.title = 'broken'</script>"]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A finished run whose dev rows hold markup."""
    folder = tmp_path_factory.mktemp("report")
    model = random_whisper()
    torch.save({"dims": vars(model.dims), "model_state_dict": model.state_dict()},
               folder / "m.pt")  # fmt: skip
    rows = []
    for i, text in enumerate(TEXTS):
        soundfile.write(folder / f"{i}.wav", tone(1.0, hertz=200 + 50 * i), 16000)
        rows.append({"audio": f"{i}.wav", "text": text, "prompt": f"<i>Reid{i}</i>, Mohr."})
    manifest = str(write_manifest(folder / "rows.jsonl", rows))
    argv = ["--model", str(folder / "m.pt"), "--train", manifest, "--dev", manifest]
    argv += ["--lr", "1e-3", "--max-steps", "2", "--batch-size", "2", "--workers", "0"]
    assert (
        train(plan_of([*argv, "--eval-every", "1", "--out", str(folder / "run")])).reason
        == "finished"
    )
    return folder / "run"


@pytest.fixture(scope="module")
def browser():
    assert shutil.which("chromedriver"), "install chromium and chromium-driver (apt, brew)"
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(flag)
    if chromium := shutil.which("chromium") or shutil.which("google-chrome"):
        options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    with webdriver.Chrome(options=options, service=service) as driver:
        yield driver


@pytest.fixture
def page(run, run_folder, browser):
    status, said = run("report", run_folder)
    assert status == 0 and "3 evaluations, 3 rows of step" in said and "3 with audio" in said
    browser.set_window_size(1200, 900)
    browser.get((run_folder / "report.html").as_uri())
    return browser


def visible_rows(page):
    return [row.text for row in page.find_elements(By.TAG_NAME, "article") if row.is_displayed()]


def test_it_opens_without_errors_and_shows_curves_scores_and_rows(page):
    assert page.get_log("browser") == []
    assert page.title == "run: whisper_ft training run"
    images = page.find_elements(By.CSS_SELECTOR, "figure img")
    assert len(images) == 5
    assert all(page.execute_script("return arguments[0].naturalWidth", i) > 0 for i in images)
    tables = [table.text for table in page.find_elements(By.TAG_NAME, "table")]
    assert "0 (before training)" in tables[0]
    assert "keyword_recall" not in tables[1]  # the rows have no keywords
    assert len(visible_rows(page)) == 3


def test_what_came_from_data_is_text(page):
    text_of_rows = "\n".join(visible_rows(page))
    for text in TEXTS:
        assert text in text_of_rows
    assert page.find_elements(By.CSS_SELECTOR, "article b:not(details b), article i") == []


def test_the_filter_keeps_rows_with_all_its_words_and_tells_how_many(page):
    box = page.find_element(By.ID, "filter")
    box.send_keys("call KATHRYN")
    (row,) = visible_rows(page)
    assert "Kathryn" in row and page.find_element(By.ID, "count").text == "1 of 3 rows"
    box.clear()
    box.send_keys("reid1 smyth")  # the first is of its prompt, which is folded away
    assert ["Ask Smyth." in row for row in visible_rows(page)] == [True]
    box.clear()
    box.send_keys("prompt")  # of the page, not of the rows
    assert visible_rows(page) == []


def test_rows_can_be_put_in_the_manifests_order(page):
    Select(page.find_element(By.ID, "order")).select_by_value("number")
    assert [TEXTS.index(row.split("reference\n")[1].split("\n")[0]) for row in visible_rows(page)] \
        == [0, 1, 2]  # fmt: skip


def test_the_sound_of_a_row_plays(page):
    player = page.find_element(By.TAG_NAME, "audio")
    page.execute_script("arguments[0].load()", player)
    seconds = WebDriverWait(page, 10).until(
        lambda page: page.execute_script("return arguments[0].duration", player)
    )
    assert seconds == pytest.approx(1.0, abs=0.1)


def test_it_asks_nothing_of_any_network(run_folder, page):
    html = (run_folder / "report.html").read_text()
    assert set(re.findall(r'(?:src|href)="(\w+):', html)) == {"data"}
    fetched = page.execute_script("return performance.getEntriesByType('resource')")
    assert [entry["name"] for entry in fetched if not entry["name"].startswith("data:")] == []


def test_it_fits_a_phone_and_prints(page):
    phone = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        width = page.execute_script("return document.documentElement.scrollWidth")
        assert width <= 360
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert len(page.print_page()) > 10_000


def test_a_row_whose_audio_is_gone_has_no_sound(run, run_folder, tmp_path, page):
    assert audio_data_uri(None) == ""
    audio = run_folder.parent / "0.wav"
    audio.rename(tmp_path / "0.wav")
    status, said = run("report", run_folder, "--out", tmp_path / "r.html")
    (tmp_path / "0.wav").rename(audio)
    assert status == 0 and "2 with audio" in said
    assert "(audio not available: it is gone, or" in (tmp_path / "r.html").read_text()


def test_a_run_without_evaluations_has_curves_alone(run, run_folder, tmp_path):
    shutil.copy(run_folder / "config.json", tmp_path)
    step = {"kind": "step", "step": 1, "loss": 1.0, "lr": 1e-5, "grad_norm": None}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(step) + '\n{"kind": "st')  # cut in writing
    status, said = run("report", tmp_path)
    assert status == 0 and "0 evaluations, 0 rows" in said
    assert "No evaluation yet" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("others", "cells"), [(None, ""), (0.25, "<td>25.0 %</td><td>25.0 %</td>")]
)
def test_how_best_pt_was_mixed_is_shown(run, run_folder, tmp_path, others, cells):
    for file in ("config.json", "metrics.jsonl", "samples.jsonl"):
        shutil.copy(run_folder / file, tmp_path)
    assert "share of the trained weights" not in (run_folder / "report.html").read_text()
    choosing = [ShareScores(share, share / 10, 1.0, others) for share in (0.0, 1.0, 0.5)]
    scoring = [ShareScores(share, share / 5, 1.0, others) for share in (0.0, 0.5, 1.0)]
    scores = score([sample("Call Reid.", "Call Reid.", "Call read.", None)])
    mixed = LoggedInterpolation(
        2, 1, 0.5, "wer", 4, 5, "row", tuple(choosing), tuple(scoring), scores
    )
    with (tmp_path / "metrics.jsonl").open("a") as log:
        log.write(json.dumps(mixed.to_json()) + "\n")
    assert run("report", tmp_path)[0] == 0
    html = (tmp_path / "report.html").read_text()
    assert "best.pt is 0.5 of the tuned weights (of step 1, kept in tuned.pt) and" in html
    assert f'<tr class="best"><td>0.5</td><td>5.0 %</td><td>10.0 %</td>{cells}</tr>' in html


def test_the_check_of_whole_recordings_is_shown(run, run_folder, tmp_path):
    for file in ("config.json", "metrics.jsonl", "samples.jsonl"):
        shutil.copy(run_folder / file, tmp_path)
    segments = [(0, 30, "Call Reid now.")]
    scores = longform_result(longform_sample([(0, 60, "Call Reid.")], segments)).scores
    checked = LoggedLongform(2, scores, scores, ("1 new loop",))
    with (tmp_path / "metrics.jsonl").open("a") as log:
        log.write(json.dumps(checked.to_json()) + "\n")
    assert run("report", tmp_path)[0] == 0
    html = (tmp_path / "report.html").read_text()
    assert "Whole recordings, joined from dev rows" in html
    assert "Worse than before training: 1 new loop" in html
    assert html.count("<td>50.0 %</td>") >= 2  # one inserted word of two, of both models


def test_a_changed_manifest_gives_no_sound_rather_than_another_rows(run, run_folder, tmp_path):
    manifest = run_folder.parent / "rows.jsonl"
    before = manifest.read_text()
    manifest.write_text(before.replace("0.wav", "1.wav"))
    status, said = run("report", run_folder, "--out", tmp_path / "r.html")
    manifest.write_text(before)
    assert status == 0 and "0 with audio" in said
    assert "or the manifest has changed" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config.json", "{}"),
        ("config.json", "{bad"),
        ("metrics.jsonl", "5\n"),
        ("metrics.jsonl", '{"kind": "evaluation", "step": 1}\n'),
        ("samples.jsonl", '{"place": "m:1"}\n'),
    ],
)
def test_a_damaged_run_is_named(run, run_folder, tmp_path, name, content):
    for file in ("config.json", "metrics.jsonl", "samples.jsonl"):
        shutil.copy(run_folder / file, tmp_path)
    (tmp_path / name).write_text(content)
    status, said = run("report", tmp_path)
    place = name if name == "config.json" else f"{name}:1"
    assert status == 2 and f"{tmp_path / place}: damaged, or another version wrote it (" in said


def test_wrong_input_is_named(run, run_folder, tmp_path, monkeypatch):
    assert "not a run (no config.json)" in run("report", tmp_path)[1]
    status, said = run("report", run_folder, "--step", "7")
    assert status == 2 and "--step: 7" in said and "choose one of: 0 1 2" in said
    assert "--rows: -1: must be at least 0" in run("report", run_folder, "--rows", "-1")[1]
    status, said = run("report", run_folder, "--out", tmp_path / "no" / "r.html")
    assert status == 2 and "r.html: cannot be written (No such file or directory): choose" in said
    assert "ends in .html" in run("report", run_folder, "--out", run_folder / "config.json")[1]
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "pip install matplotlib jinja2" in run("report", run_folder)[1]


def test_any_evaluation_and_any_number_of_rows_can_be_asked_for(run, run_folder, tmp_path):
    status, said = run(
        "report", run_folder, "--step", "1", "--rows", "2", "--out", tmp_path / "r.html"
    )
    assert status == 0 and "3 evaluations, 2 rows of step 1, 2 with audio" in said
    argv = ("report", run_folder, "--rows", "1", "--out", tmp_path / "r.html")
    assert "3 evaluations, 1 row of step" in run(*argv)[1]
