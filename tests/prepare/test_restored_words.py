"""Words of a reference in the style of another transcript."""

import pytest

from whisper_ft.prepare.restored_words import learn_casing, restore_words
from whisper_ft.text.alignment import align_words, join_words, split_words


def restored(reference, heard, casing=None, **options):
    words, spoken = split_words(reference, **options), split_words(heard, **options)
    blocks = align_words(words, spoken)
    return join_words([r.word for r in restore_words(words, spoken, blocks, casing or {})])


@pytest.mark.parametrize(
    "reference, heard, expected",
    [
        ("he met ann in rome", "He met Ann in Rome.", "He met Ann in Rome."),
        ("HE MET ANN", "He met Ann.", "He met Ann."),
        ("call doctor quill now", "Call Dr. Quil, now!", "Call Doctor Quill, now!"),
        ("twenty dollars it was", "$20, it was.", "Twenty dollars, it was."),
        ("in nineteen forty five we", "In 1945, we", "In nineteen forty five, we"),
        ("a well known man", "A well-known man.", "A well-known man."),
        ("a well knowing man", "A well-known man.", "A well knowing man."),
        ("the u s is big", "The U.S. is big.", "The U.S. is big."),
        ("so he said yes", 'So he said, "Yes."', 'So he said, "Yes."'),
        ("i dont know", "I don't know.", "I don't know."),
        ("the dogs' tails", "The dogs, tails.", "The dogs', tails."),
        ("eye drops", "I drop.", "Eye drops."),
        ("yes he went", "Yes, uh. He went.", "Yes. He went."),
        ("die straße bleibt lang", "Die Strasse bleibt lang.", "Die Straße bleibt lang."),
    ],
)
def test_the_reference_keeps_its_words_and_takes_case_and_punctuation(reference, heard, expected):
    assert restored(reference, heard) == expected


def test_a_word_that_was_not_heard_is_written_as_the_corpus_writes_it():
    casing = learn_casing([split_words("So Quill met Ann."), split_words("The Quill and a quill.")])
    assert restored("he and quill left", "He and left.", casing) == "He and Quill left."
    assert restored("he and zyx left", "He and left.", casing) == "He and zyx left."


def test_capitals_of_sentences_do_not_count_as_names():
    casing = learn_casing([split_words('Then he left. Then we did. "Then," he said, and then.')])
    assert casing["then"] == "then" and casing["he"] == "he"


def test_a_sentence_that_begins_with_an_unheard_word_has_its_capital_there():
    casing = learn_casing([split_words("So the end of the line.")])
    assert restored("oh the end", "The end.", casing) == "Oh the end."
    assert restored("stop and the end", "Stop. The end.", casing) == "Stop. And the end."


def test_punctuation_comes_back_where_words_have_no_spaces():
    heard = "今日は、雨です。"
    assert restored("今日は雨だ", heard, by_character=True) == "今日は、雨だ。"
