"""The order of examples."""

import tracemalloc
from collections import Counter

from whisper_ft.data.sampler import Sampler, batch_indices, language_groups


def test_an_epoch_has_every_row_once_in_a_new_order():
    sampler = Sampler((range(10),), (1.0,), seed=0)
    epochs = [sampler.epoch(0), sampler.epoch(1)]
    assert [sorted(example.row for example in epoch) for epoch in epochs] == [list(range(10))] * 2
    assert [v.row for v in epochs[0]] != [v.row for v in epochs[1]]
    assert {v.pass_number for v in epochs[1]} == {1}


def test_a_weight_is_how_often_a_manifests_rows_occur_in_an_epoch():
    sampler = Sampler((range(10), range(10, 110), range(110, 120)), (1.0, 0.3, 2.5), seed=0)
    examples = [example for epoch in range(20) for example in sampler.epoch(epoch)]
    counts = Counter(0 if v.row < 10 else 1 if v.row < 110 else 2 for v in examples)
    assert counts == {0: 200, 1: 600, 2: 500}
    assert len(examples) == 20 * sampler.epoch_length
    assert len(set(examples)) == len(examples)  # every example draws its own prompt


def test_the_order_can_start_at_any_position():
    sampler = Sampler((range(7),), (1.0,), seed=5)
    everything = list(sampler.between(0, 30))
    for start in (0, 6, 7, 8, 20):
        assert list(sampler.between(start, 30)) == everything[start:]


def test_batches_end_with_their_step_and_the_last_odd_one_is_kept():
    sampler = Sampler((range(7),), (1.0,), seed=5)
    sizes = [len(batch) for batch in batch_indices(sampler, 0, 17, batch_size=2, step_size=5)]
    assert sizes == [2, 2, 1, 2, 2, 1, 2, 2, 1, 2]
    resumed = list(batch_indices(sampler, 10, 17, batch_size=2, step_size=5))
    assert resumed == list(batch_indices(sampler, 0, 17, batch_size=2, step_size=5))[6:]


def test_a_temperature_balances_languages_and_keeps_the_number_of_examples():
    languages = ["en"] * 800 + ["de"] * 150 + ["cy"] * 50
    counts_at = {}
    for temperature in (1.0, 2.0, 1e9):
        sampler = Sampler(*language_groups([languages], (1.0,), temperature), seed=0)
        counts = Counter(languages[example.row] for example in sampler.epoch(0))
        counts_at[temperature] = [counts[code] for code in ("en", "de", "cy")]
    assert counts_at[1.0] == [800, 150, 50]
    assert counts_at[2.0] == [594, 257, 149]  # square roots of the shares: 0.894, 0.387, 0.224
    assert counts_at[1e9] == [333, 333, 333]


def test_at_temperature_1_and_with_one_language_a_manifest_is_one_group():
    assert language_groups([["en", "de"], ["fr"] * 3], (1.0, 0.5), 1.0) == (
        (range(2), range(2, 5)),
        (1.0, 0.5),
    )
    groups, weights = language_groups([["en", "de", "en"], ["fr"] * 3], (1.0, 0.5), 3.0)
    assert groups[2] == range(3, 6) and weights[2] == 0.5
    assert [list(group) for group in groups[:2]] == [[0, 2], [1]]


def test_an_epoch_entered_in_its_middle_continues_the_one_that_was_left():
    sampler = Sampler((range(50_000),), (1.0,), seed=3)
    whole = list(batch_indices(sampler, 0, 100_000, 8, 8))
    assert whole[9_000:] == list(batch_indices(sampler, 72_000, 100_000, 8, 8))
    assert sorted(visit.row for batch in whole[:6250] for visit in batch) == list(range(50_000))


def test_an_epoch_that_is_under_way_takes_8_bytes_per_example():
    sampler = Sampler((range(50_000),), (2.0,), seed=0)
    tracemalloc.start()
    batches = batch_indices(sampler, 8, 200_000, batch_size=8, step_size=8)
    next(batches)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 800_000 <= held < 1_200_000
