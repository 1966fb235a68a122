"""Rare and common words, with and without wordfreq."""

import sys
from types import SimpleNamespace

import pytest

from whisper_ft.text import word_rarity
from whisper_ft.text.word_rarity import CorpusWords, pick_rarity, wordfreq_version

ZIPF = {("promontory", "en"): 2.4, ("house", "en"): 5.6, ("hus", "nb"): 5.5, ("london", "en"): 5.2}


@pytest.fixture
def wordfreq(monkeypatch):
    """A library of the few words in ZIPF, in place of the optional package."""
    fake = SimpleNamespace(
        available_languages=lambda: {"en": "", "nb": "", "zh": ""},
        zipf_frequency=lambda word, code: ZIPF.get((word.lower(), code), 0.0),
    )
    caches = (wordfreq_version, word_rarity._wordfreq_languages, word_rarity._zipf)
    for function in caches:
        function.cache_clear()
    monkeypatch.setitem(sys.modules, "wordfreq", fake)
    monkeypatch.setattr(word_rarity, "version", lambda name: "9.9")
    yield
    for function in caches:
        function.cache_clear()


def corpus(*words):
    known = CorpusWords()
    known.counts.update(words)
    return known


def test_english_words_of_one_early_token_are_common_in_any_case():
    rarity = pick_rarity("en", corpus("house"))
    assert not any(map(rarity.is_rare, ("house", "House", "HOUSE", "london", "ab", "7th")))
    assert all(map(rarity.is_rare, ("promontory", "Zalvexo", "whittemore")))
    assert rarity.is_known_name("London") and not rarity.is_known_name("Whittemore")
    assert rarity.needs_capital("philip") and not rarity.needs_capital("however")


def test_in_other_languages_a_word_that_the_corpus_has_often_is_not_rare():
    word = "Stichwahl"
    assert pick_rarity("de", corpus("haus", word.lower())).is_rare(word)
    assert not pick_rarity("de", corpus("haus", *[word.lower()] * 9)).is_rare(word)


def test_wordfreq_decides_where_it_is_installed_and_has_the_language(wordfreq):
    assert wordfreq_version() == "9.9"
    english = pick_rarity("en", corpus("house"))
    assert english.is_rare("promontory") and english.is_rare("zalvexo")
    assert not english.is_rare("House") and english.is_known_name("London")
    assert english.needs_capital("philip")  # which is still Whisper's vocabulary's to say
    assert not pick_rarity("no", corpus("hus")).is_rare("hus")  # whisper's no is its nb
    assert type(pick_rarity("fi", corpus("talo"))) is type(pick_rarity("sv", corpus("hus")))


def test_without_wordfreq_its_version_is_empty(monkeypatch):
    wordfreq_version.cache_clear()
    monkeypatch.setitem(sys.modules, "wordfreq", None)
    assert wordfreq_version() == ""
    wordfreq_version.cache_clear()
