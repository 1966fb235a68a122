"""How sounds are written: rules by language and script, from which other spellings are made.

The rules are ours and simple. They need not be complete or always right: it is enough that a
spelling is plausible, and that neither sound nor memory can tell which one is meant.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import NamedTuple

MIN_LETTERS = 3  # a shorter word has no other spelling that would be recognised
# Latin letters, but tones and vowels that the general rules would change.
UNRULED = frozenset({"vi"})


class Rule(NamedTuple):
    """A grapheme, as a regular expression on lower-case letters, and what may stand for it."""

    grapheme: re.Pattern[str]
    spellings: tuple[str, ...]


def _rules(text: str) -> tuple[Rule, ...]:
    r"""Read lines of `grapheme : spelling spelling`, where `-` is no letter and \1 a group."""
    rules = []
    for line in filter(None, map(str.strip, text.splitlines())):
        grapheme, _, spellings = line.partition(" : ")
        rules.append(
            Rule(re.compile(grapheme), tuple("" if s == "-" else s for s in spellings.split()))
        )
    return tuple(rules)


# Rules that hold, more or less, wherever Latin letters are written.
LATIN = _rules(r"""
    ([bdfglmnprst])\1 : \1
    (?<=[aeiou])([dfglmnprst])(?=[aeiou]) : \1\1
    ph : f
    ck : k
    k : c ck
    c(?=[aoulrt]) : k
    qu : kw
    x : ks
    y : i
    (?<=.)i(?=[^aeiou]) : y
    v : w
    w : v
    z : s
    th : t
    (?<=[aeiou])h : -
""")
ENGLISH = _rules(r"""
    ([bdfglmnprst])\1 : \1
    (?<=[aeiou])([bdfglmnprt])(?=[aeiouy]) : \1\1
    (?<=[aeiou])([dglmnprt])$ : \1\1
    ph : f
    (?<!p)f(?!f) : ph
    ck : k c
    (?<![cs])k : c ck
    (?<!s)c(?=[aoulrt]) : k
    qu : kw
    x : ks cks
    (?<!s)c(?=[eiy]) : s
    (?<=[aeiouln])s(?=[eiy]) : c z
    j : g
    g(?=[ei]) : j
    z : s
    ee : ea ie
    ea : ee
    ie(?=.) : ee
    ai : ay ei
    ay : ai ey
    ou : ow
    ow : ou
    oo : u ou
    au : aw
    aw : au
    oa : o oh
    eu : ew
    ew : ue
    igh : ie y
    (?<=[a-z]{2})er$ : or ar ur
    or$ : er our
    ar$ : er
    le$ : el al
    el$ : le ell
    al$ : le el
    (?<=[^aeiou])y$ : ie ey ee
    ie$ : y ey
    ey$ : y ie
    (?<=[^aeiou])i(?=[^aeiou]) : y
    (?<=[^aeiou])y(?=[^aeiou]) : i
    (?<=[aeiou][^aeiou])e$ : -
    (?<=[^aeious]{2})s?$ : e
    ^wh : w
    ^w(?=[aei]) : wh
    ^kn : n
    ^n(?=[aeio]) : kn
    ^wr : r
    ^r(?=[aeio]) : wr rh
    mb$ : m
    sch : sk sh
    sh : sch
    tch : ch
    (?<=[aeiou])ch$ : tch
    tion : shun sion
    sion : tion zhun
    ance : ence
    ence : ance
    ant$ : ent
    ent$ : ant
    able : ible
    a$ : ah
    o$ : oe oh
    gh : g
    (?<=[^aeiou])u(?=[^aeiou]) : oo
""")
GERMAN = _rules(r"""
    ([bdfglmnprst])\1 : \1
    (?<=[aeiou])([fglmnprt])(?=[aeiou]) : \1\1
    v : f
    (?<!p)f : v ph
    ph : f
    ck : k
    (?<!c)k : ck c
    tz : z
    (?<=[lnr])z : tz
    ß : ss
    ss : ß
    ei : ai ey
    ai : ei
    äu : eu
    eu : äu
    ä : e
    ie : i ih
    ([aeou])h(?=[lmnr]) : \1
    ([aou])(?=[lmnr][aeiou]) : \1h
    th : t
    t(?=[aeiou]) : th
    dt : t
    y : i ü
    qu : kw
    chs : x
    x : chs
""")
FRENCH = _rules(r"""
    ([bdfglmnprst])\1 : \1
    (?<=[aeiou])([flmnprt])(?=[aeiou]) : \1\1
    eau : au o
    au : o eau
    ph : f
    f : ph
    qu : k c
    k : qu c
    c(?=[aou]) : k qu
    ç : ss
    ss : ç
    c(?=[eiéè]) : s
    ai : è ei
    é : er ée
    è : ai ê
    an : en
    en : an
    ain : in ein
    in(?=[^aeiou]) : ain ein
    oi : oy
    y : i
    (?<=[^aeiou])[est]$ : -
    th : t
    g(?=[eié]) : j
    j : g
""")
SPANISH = _rules(r"""
    b : v
    v : b
    z : s
    (?<=.)s(?=[aou]) : z
    c(?=[ei]) : s
    ll : y
    y(?=[aeou]) : ll
    h : -
    ^(?=[aou]) : h
    g(?=[ei]) : j
    j(?=[ei]) : g
    qu : k
    k : qu c
    c(?=[aou]) : k
    x : cs
    r(?=[aeiou]) : rr
    ([áéíóú]) : \1
    nn : n
""")
DUTCH = _rules(r"""
    ij : ei y
    ei : ij
    ou : au
    au : ou
    c(?=[aoulrt]) : k
    k : c ck
    th : t
    t$ : dt d
    d$ : t dt
    ch : g gh
    s : z
    z : s
    ([bdfglmnprst])\1 : \1
    f : ph v
    ie : y i
    ([aeo])\1 : \1
""")
POLISH = _rules(r"""
    ó : u
    u : ó
    rz : ż
    ż : rz
    ch : h
    h : ch
    k : c
    w : v
    ks : x
    i : y j
    ([lmnst])\1 : \1
""")
CYRILLIC = _rules(r"""
    ([бдзклмнпрст])\1 : \1
    (?<=[аеиоуыэюя])([клмнпрст])(?=[аеиоуыэюя]) : \1\1
    (?<=.)о(?=.) : а
    (?<=.)а(?=.) : о
    (?<=.)е(?=.) : и э
    (?<=.)и(?=.) : е
    ё : йо е
    б$ : п
    д$ : т
    г$ : к
    в$ : ф
    з$ : с
    ж$ : ш
    п$ : б
    т$ : д
    к$ : г
    ф$ : в
    ь(?=[а-я]) : -
    тс : ц
    ц(?=[аоу]) : тс
    э : е
""")
GREEK = _rules(r"""
    η : ι υ
    ι(?![αε]) : η υ
    (?<![οαε])υ : ι η
    ει : ι η
    οι : ι υ
    αι : ε
    ε(?![ιυ]) : αι
    ω : ο
    ο(?![ιυ]) : ω
    ([βκλμνπρστ])\1 : \1
    (?<=[αεηιουω])([κλμνπρτ])(?=[αεηιουω]) : \1\1
""")
# One sound apart: voiced and unvoiced, the place of a consonant, the height of a vowel.
LATIN_NEAR = _rules(r"""
    p : b t
    b : p d v
    t : d k
    d : t b
    k : g t
    c(?=[aoulr]) : g
    g : k d
    f : v th
    v : f b
    s(?!h) : z sh
    z : s
    m : n
    n : m
    l : r
    r : l
    a : e o
    e : i a
    i : e o
    o : u a
    u : o i
""")
CYRILLIC_NEAR = _rules(r"""
    п : б т
    б : п д
    т : д к
    д : т б
    к : г т
    г : к
    ф : в
    в : ф б
    с : з ш
    з : с ж
    м : н
    н : м
    л : р
    р : л
    а : у э
    о : у
    и : ы у
    е : у
""")
GREEK_NEAR = _rules(r"""
    π : β τ
    τ : δ κ
    κ : γ
    γ : κ
    φ : β θ
    σ : ζ
    μ : ν
    ν : μ
    λ : ρ
    ρ : λ
    α : ε ο
    ε : α
    ο : α
""")
ALIKE = {
    "en": ENGLISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH, "nl": DUTCH, "pl": POLISH
}  # fmt: skip


class ScriptRules(NamedTuple):
    """The rules of a script: spellings that sound alike, and those one sound apart."""

    alike: tuple[Rule, ...]
    near: tuple[Rule, ...]


BY_SCRIPT = {
    "LATIN": ScriptRules(LATIN, LATIN_NEAR),
    "CYRILLIC": ScriptRules(CYRILLIC, CYRILLIC_NEAR),
    "GREEK": ScriptRules(GREEK, GREEK_NEAR),
}


def alike_rules(word: str, language: str) -> tuple[Rule, ...]:
    """Return the rules for spellings of a word that sound alike; none where none are known."""
    script = _script(word, language)
    rules = BY_SCRIPT[script].alike if script else ()
    return ALIKE.get(language, rules) if script == "LATIN" else rules


def near_rules(word: str, language: str) -> tuple[Rule, ...]:
    """Return the rules for words that are one sound apart; none where none are known."""
    script = _script(word, language)
    return BY_SCRIPT[script].near if script else ()


def _script(word: str, language: str) -> str:
    """Return a word's script if it has rules; "" for a short word, mixed scripts and digits."""
    if len(word) < MIN_LETTERS or not word.isalpha() or language in UNRULED:
        return ""
    scripts = {_letter_script(letter) for letter in word}
    script = scripts.pop()
    return script if not scripts and script in BY_SCRIPT else ""


@cache
def _letter_script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]
