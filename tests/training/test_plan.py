"""The lines that describe a plan."""

import pytest
from helpers.runs import plan_of

from whisper_ft.training.plan import describe_plan


def test_a_plan_describes_which_prompts_its_rows_have_and_when_they_have_none(argv):
    said = describe_plan(plan_of([*argv, "--prompts", "own=.3,keywords=.2"]))
    assert "rows with each kind of prompt, of 5: own 2, keywords 5\n" in said
    argv[argv.index("--out") + 1] += "2"
    said = describe_plan(plan_of([*argv, "--prompts", "previous=.3"]))
    assert (
        "no row has a prompt of the kinds previous: training will use no prompts of these kinds: "
        "give rows `recording`, and write them in its order\n" in said
    )
    argv[argv.index("--out") + 1] += "3"
    said = describe_plan(plan_of([*argv, "--prompts", ""]))
    assert "--prompts gives no prompts" in said and "respell" not in said


@pytest.mark.parametrize(
    ("every", "words"),
    [
        ("3", "every 3 steps"),
        ("1", "every step"),
        ("200", "before the first step and after the last"),
    ],
)
def test_a_plan_says_when_this_run_evaluates(argv, every, words):
    argv[argv.index("--eval-every") + 1] = every
    assert f"\nevaluation {words} on 2 dev rows\n" in describe_plan(plan_of(argv))
