"""Where the words of terms stand in a text."""

import pytest

from whisper_ft.text.term_words import WordSet


@pytest.mark.parametrize(
    ("terms", "text", "found"),
    [
        (["Kathryn Smyth"], "KATHRYN's call, for smythe and Smyth.", ["KATHRYN", "Smyth"]),
        (["Straße"], "Die STRASSE, die Straße.", ["STRASSE", "Straße"]),
        (["北京", "北京大学"], "我在北京大学, 在北京.", ["北京大学", "北京"]),
        (["서울"], "서울에서 왔다", ["서울"]),
        (["AI", "京"], "在京AI, AIDS在AIDS。", ["京", "AI"]),
        (["Reid"], "Reidville", []),
        ([], "Reid 北京", []),
    ],
)
def test_words_are_found_whole_or_where_words_have_no_spaces_within(terms, text, found):
    words = WordSet.of_terms(terms)
    spans = list(words.find(text))
    assert [text[start:end] for _, start, end in spans] == found
    assert all(key in words.words for key, _, _ in spans)
