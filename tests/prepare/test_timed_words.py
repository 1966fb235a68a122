"""Words of a text get the times of the words heard."""

from whisper_ft.prepare.timed_words import find_stretches, split_heard
from whisper_ft.text.alignment import split_words
from whisper_ft.text.tokens import Segment

STORY = "one two three four five six seven eight nine ten"
LATER = "red green blue black white brown grey pink gold teal"


def heard(text, start=0.0):
    """Return a transcript of which each word lasts a second."""
    words = [Segment(start + i, start + i + 1.0, f" {word}") for i, word in enumerate(text.split())]
    return split_heard(words, by_character=False)


def stretches(text, transcript):
    found = find_stretches(split_words(text), heard(transcript))
    return [(" ".join(w.word.core for w in s.words), s.words[0].start) for s in found]


def test_words_take_the_times_of_the_words_heard():
    (stretch,) = find_stretches(split_words(STORY.title()), heard(STORY))
    assert [(t.start, t.end) for t in stretch.words] == [(i, i + 1.0) for i in range(10)]
    assert [t.word.core for t in stretch.words] == STORY.title().split()


def test_where_other_words_were_heard_the_texts_share_their_time():
    text = STORY.replace("five", "hive and")
    (stretch,) = find_stretches(split_words(text), heard(STORY))
    assert [(t.word.core, t.start, t.end) for t in stretch.words[4:6]] == [
        ("hive", 4.0, 4.5),
        ("and", 4.5, 5.0),
    ]


def test_a_few_words_too_many_were_heard_and_the_text_is_right():
    assert stretches(STORY, STORY.replace("five", "five uh well")) == [(STORY, 0.0)]


def test_speech_without_text_and_text_without_speech_divide_the_rest():
    spoken = f"{STORY} buy this soap it is very good {LATER}"
    assert stretches(f"{STORY} {LATER}", spoken) == [(STORY, 0.0), (LATER, 17.0)]
    printed = f"heading of a chapter {STORY} a footnote that nobody reads {LATER}"
    assert stretches(printed, f"{STORY} {LATER}") == [(STORY, 0.0), (LATER, 10.0)]


def test_a_few_words_that_agree_by_chance_are_no_stretch():
    assert stretches("a b c one two three d e f", "g h i j k one two three l m n o p") == []
    assert stretches(LATER, STORY) == []


def test_parts_of_one_word_share_its_time():
    parts = split_heard([Segment(1.0, 3.0, " well-known")], by_character=False)
    assert [(p.word.core, p.start, p.end) for p in parts] == [
        ("well", 1.0, 2.0),
        ("known", 2.0, 3.0),
    ]
    letters = split_heard([Segment(0.0, 1.0, "今日、")], by_character=True)
    assert [(p.word.core, p.start) for p in letters] == [("今", 0.0), ("日", 0.5)]
    assert split_heard([Segment(0.0, 1.0, " ...")], by_character=False) == []
