"""Terms that are found in a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisper_ft.text.keywords import CorpusLanguage, find_keywords
from whisper_ft.text.terms import reveals_text, term_count


def found(text, language="en", others=()):
    """Return what is found in a text of a corpus that has other texts too."""
    return find_keywords(text, CorpusLanguage.of_texts([text, *others], language))


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("We moved the X-41b to COVID-19 care after v2.3 came.", ("X-41b", "COVID-19", "v2.3")),
        ("My old iPhone was sent to NASA by the US office.", ("iPhone", "NASA")),
        ("we moved the x-41b to covid-19 care", ("x-41b", "covid-19")),
        ("WE MOVED THE X-41B TO A GOOD PLACE", ("X-41B",)),
        ("It was the 1st of 20 days in the 1990s, at 5pm or 5PM, for a 15-year-old.", ()),
        ("He said NO and he said it with his hand, in chapter XIV of it.", ()),
    ],
)
def test_code_words_are_found_in_any_case_and_ordinals_times_and_shouted_words_are_not(text, terms):
    assert found(text) == terms


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Please call Kathryn Smyth about the Zalvexo.", ("Kathryn Smyth", "Zalvexo")),
        ("I asked Mr. Whittemore, and then he asked me.", ("Whittemore",)),
        ("They were the letters of J. R. Whittemore to his friend.", ("J. R. Whittemore",)),
        ("It was the house of Wynkyn de Worde, who went away.", ("Wynkyn de Worde",)),
        ("This is Whittemore's, and this is O'Neil's, they said.", ("Whittemore", "O'Neil")),
        ("He came to London on Monday, and I'm glad that he did.", ()),
        ("Philip Steels came to us and stayed for a day.", ("Philip Steels",)),
        ("Then Philip Steels came to us and stayed for a day.", ("Philip Steels",)),
        ("She was there. Author of the thing, they say.", ()),
    ],
)
def test_names_are_found_by_their_capitals_within_sentences_but_not_those_that_all_know(
    text, terms
):
    assert found(text) == terms


def test_the_corpus_decides_whether_a_capital_that_begins_a_sentence_is_a_name():
    text = "Marlow went home and had a good day."
    assert found(text, others=["I saw Marlow there."] * 2) == ("Marlow",)
    assert found("Grace went home and had a good day.", others=["by the grace of God"] * 3) == ()


def test_headlines_have_no_names():
    assert found("The Man Who Came Home And Had A Good Day") == ()


def test_rare_words_are_found_and_common_ones_are_not():
    assert found("they stood upon the promontory that night") == ("promontory",)
    assert found("my well-shaven friend has a good house and a dog") == ("shaven",)


def test_german_nouns_are_no_names_but_rare_words_are_found():
    text = "Das Wasser wird nach jeder Runde aus den Gondeln abgelassen."
    assert found(text, "de") == ("Gondeln", "abgelassen")


def test_an_elided_article_is_no_part_of_a_name():
    assert found("Il va dans l'Essex avec mon ami et sa femme.", "fr") == ("Essex",)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "他买了iPhone 15和NASA的书"),
        ("ja", "彼はiPhone 15とNASAの本を"),
        ("th", "เขาซื้อiPhone 15และNASA"),
        ("ko", "그는 iPhone 15와 NASA의 책을"),
    ],
)
def test_without_spaces_between_words_only_latin_words_are_found(language, text):
    assert found(text, language) == ("iPhone", "NASA")


def test_other_scripts_need_a_large_corpus():
    words = [f"{a}{b}{c}" for a in "бвгд" for b in "аеио" for c in "клмн"]
    arabic = ["".join(chr(0x627 + ord(c) % 28) for c in word) for word in words]
    common = [" ".join(arabic)] * 1000
    rare = "غرفة"
    assert found(f"{arabic[0]} {arabic[1]} {rare}", "ar") == ()
    assert found(f"{arabic[0]} {arabic[1]} {rare}", "ar", common) == (rare,)


def test_what_is_found_never_tells_the_sentence():
    for text in ("Whittemore.", "Philip Steels", "Kathryn Smyth Zalvexo Phrenotal"):
        terms = found(text)
        assert not any(reveals_text(term, text.rstrip(".")) for term in terms)
        assert 2 * sum(len(term.split()) for term in terms) <= len(text.split())


def test_a_text_without_words_has_no_terms():
    assert found("") == found(" ") == found("...") == ()


@given(st.lists(st.text(max_size=60), max_size=5), st.sampled_from(["en", "de", "fr", "ar", "zh"]))
def test_every_term_occurs_in_its_text_as_it_is_spelled(texts, language):
    corpus = CorpusLanguage.of_texts(texts, language)
    for text in texts:
        assert all(term_count(term, text) for term in find_keywords(text, corpus))
