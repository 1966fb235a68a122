"""Damage that a text does not show, and its repair."""

import unicodedata

import pytest
from whisper.tokenizer import get_tokenizer

from whisper_ft.text.damage import find_damage, repair_text

VIETNAMESE = "Tiếng Việt có dấu thanh"


@pytest.mark.parametrize(
    ("text", "what", "repaired"),
    [
        (unicodedata.normalize("NFD", VIETNAMESE), "4 decomposed letters", VIETNAMESE),
        (unicodedata.normalize("NFD", "한국어"), "3 decomposed letters", "한국어"),
        ("\u304b\u3099", "1 decomposed letter", "\u304c"),
        ("\ufe8d\ufedf\ufecc\ufeae\ufe91", "5 presentation forms", "العرب"),
        ("\ufb01ne o\ufb03ce", "2 presentation forms", "fine office"),
        ("He said â€œhelloâ€\x9d", "2 wrongly decoded characters", "He said “hello”"),
        ("cafÃ©", "1 wrongly decoded character", "café"),
        ("a\u200bb\ufeff", "2 invisible characters", "ab"),
        ("שלום\u200f", "1 invisible character", "שלום"),
        ("10\u00a0km", "1 odd space", "10 km"),
        ("x\x00y", "1 control character", "xy"),
        ("It\x92s 1990\x961995", "2 wrongly decoded characters", "It’s 1990–1995"),
        ("РџСЂРёРІРµС‚", "1 wrongly decoded character", "Привет"),
        ("caf√©", "1 wrongly decoded character", "café"),
        ("ÃƒÂ©tÃƒÂ©", "2 wrongly decoded characters", "été"),
    ],
)
def test_damage_is_found_and_repaired(text, what, repaired):
    assert what in [damage.what for damage in find_damage(text)]
    assert all(damage.is_repairable for damage in find_damage(text))
    assert repair_text(text) == repaired and not list(find_damage(repaired))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("None", "a missing value written as text"),
        (" nan ", "a missing value written as text"),
        ("caf\ufffd", "1 lost character"),
    ],
)
def test_what_is_lost_is_told_and_stays(text, what):
    (damage,) = find_damage(text)
    assert damage.what == what and not damage.is_repairable
    assert repair_text(text) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        *("„Spaß“, sagte er", "Spaß…", "« le café »", "“CAFÉ”", "blé…”"),
        *("", "plain", "naïve café – “ok” € ™", "Straße ÄÖÜ Ã", "None of us", VIETNAMESE),
        *("می\u200cخواهم", "क्\u200dष", "日本語の文", "ﷺ", "안녕하세요", "Ж", "e = mc²"),
    ],
)
def test_a_sound_text_has_no_damage(text):
    assert not list(find_damage(text)) and repair_text(text) == text


def test_decomposed_letters_take_more_tokens():
    encode = get_tokenizer(True, num_languages=99, language="vi").encode
    assert len(encode(unicodedata.normalize("NFD", VIETNAMESE))) > 1.5 * len(encode(VIETNAMESE))


@pytest.mark.parametrize("text", ["\u09dc\u09df", "\u0958\u0a36", "সড়ক", "बच्चा ज़रा"])
def test_letters_that_nfc_would_part_stay_whole(text):
    assert not list(find_damage(text)) and repair_text(text) == text


@pytest.mark.parametrize(
    ("text", "what"),
    [("\uf0b7 one", "1 symbol of no alphabet"), ("a\ufffcb", "1 symbol of no alphabet")],
)
def test_symbols_that_only_a_font_knows_are_found(text, what):
    (damage,) = find_damage(text)
    assert damage.what == what and not damage.is_repairable


@pytest.mark.parametrize(
    ("text", "repaired"),
    [("a\x1cb", "ab"), ("a\u034fb", "ab"), ("a\u3164", "a"), ("a\u2800b", "a b")],
)
def test_rare_invisible_characters_are_repaired(text, repaired):
    assert all(damage.is_repairable for damage in find_damage(text)) and [*find_damage(text)]
    assert repair_text(text) == repaired
