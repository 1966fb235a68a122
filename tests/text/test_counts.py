"""Numbers with their nouns."""

from whisper_ft.text.counts import format_count


def test_only_one_is_singular():
    counts = [format_count(n, "dev row") for n in (0, 1, 2)]
    assert counts == ["0 dev rows", "1 dev row", "2 dev rows"]
