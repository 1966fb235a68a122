"""The terms of a user's list."""

from hypothesis import given
from hypothesis import strategies as st

from whisper_ft.text.glossary import Glossary, write_like
from whisper_ft.text.terms import term_count

GLOSSARY = Glossary.of_lines(["Kathryn  Smyth", "", "zalvexo", "C++", ".NET", "東京 ", "zalvexo"])


def test_each_term_comes_once_and_the_digest_is_of_the_terms():
    assert GLOSSARY.terms == ("Kathryn Smyth", "zalvexo", "C++", ".NET", "東京")
    assert Glossary.of_lines(reversed(GLOSSARY.terms)).digest != GLOSSARY.digest
    assert len(GLOSSARY.digest) == 8 and Glossary().digest == ""


def test_terms_are_found_as_the_text_spells_them():
    assert GLOSSARY.find("Ask Kathryn Smyth about zalvexo.") == ("Kathryn Smyth", "zalvexo")
    assert GLOSSARY.find("Zalvexo is in C++ and .NET.") == ("Zalvexo", "C++", ".NET")
    assert GLOSSARY.find("ask kathryn smyth about it") == ("kathryn smyth",)
    assert GLOSSARY.find("ASK KATHRYN SMYTH ABOUT IT") == ("KATHRYN SMYTH",)
    assert GLOSSARY.find("彼は東京に行った") == ("東京",)


def test_another_word_or_another_case_in_a_cased_text_is_no_term():
    assert GLOSSARY.find("Ask Kathryn Smythe about kathryn smyth.") == ()
    assert GLOSSARY.find("The zalvexos came.") == ()


def test_a_term_that_is_the_text_is_left_out():
    assert GLOSSARY.find("zalvexo") == () and Glossary().find("zalvexo") == ()


def test_a_term_is_written_in_the_case_of_other_texts():
    assert [write_like("Kathryn", case) for case in ("lower", "upper", "mixed")] == [
        "kathryn",
        "KATHRYN",
        "Kathryn",
    ]


@given(st.lists(st.text(max_size=8), max_size=5), st.text(max_size=40))
def test_what_any_list_finds_in_any_text_occurs_there(lines, text):
    text = f"{text} {' '.join(lines)}"
    assert all(term_count(term, text) for term in Glossary.of_lines(lines).find(text))


def test_terms_that_begin_alike_are_looked_up_by_their_rarest_word():
    glossary = Glossary.of_lines([f"Acme {i} unit" for i in range(1000)])
    assert len(glossary._by_key) == 1000
    assert glossary.find("Send an Acme 7 unit, not the Acme 12 unit.") == (
        "Acme 7 unit",
        "Acme 12 unit",
    )


def test_comments_are_no_terms():
    assert Glossary.of_lines(["# product names", "Florabide", "#42", "C# 7"]).terms == (
        "Florabide",
        "#42",
        "C# 7",
    )
