"""The best evaluation, as a run's state remembers it."""

from whisper_ft.training.state import Progress


def test_the_best_evaluation_has_the_best_score_then_loss():
    progress = Progress(step=1)
    assert progress.update_best(0.5, 2.0)
    progress.step = 2
    assert not progress.update_best(0.5, 2.0) and progress.n_without_improvement == 1
    assert progress.update_best(0.5, 1.9) and progress.n_without_improvement == 0
    assert not progress.update_best(None, 1.0)
    assert (progress.best_step, progress.best_score) == (2, 0.5)
    assert progress.update_best(0.6, 3.0, higher_is_better=True) and not progress.update_best(
        0.5, 1.0, higher_is_better=True
    )


def test_a_score_that_nothing_was_counted_of_leaves_the_choice_to_the_loss():
    progress = Progress(step=1)
    assert progress.update_best(None, 2.0, higher_is_better=True)
    assert not progress.update_best(None, 2.1, higher_is_better=True) and progress.update_best(
        None, 1.9, higher_is_better=True
    )
