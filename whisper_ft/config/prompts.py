"""Settings of the prompts of training, which `train` and `check` share."""

from dataclasses import dataclass

from whisper_ft.config.keywords import KeywordSettings
from whisper_ft.config.options import option


@dataclass(frozen=True)
class PromptSettings(KeywordSettings):
    """How the prompts of training examples are drawn."""

    prompts: str = option(
        "own=0.3,keywords=0.3,previous=0.03,carried=0.03,style=0.02,wrong=0.2",
        "Kinds of prompt and the share of examples that get each, separated by commas. The rest "
        "get none. If a row lacks a kind, that share goes to the row's other kinds, except wrong. "
        "own: the row's `prompt`. "
        "previous: the previous text, of the rows before it in its recording. "
        "keywords: the row's `keywords` among those of other rows. "
        "carried: the row's prompt or keywords, then the previous text. "
        "style: another text with the same case and punctuation, if the rows have several styles. "
        "wrong: a prompt of another row.",
        metavar="PROMPTS",
        group="prompts",
    )
    distractors: tuple[int, int] = option(
        (5, 40),
        "Minimum and maximum number of terms of other rows in a keyword prompt.",
        metavar="MIN MAX",
        group="prompts",
        at_least=0,
        at_most=1000,
    )
    respell: float = option(
        0.5,
        "Share of prompts in which the row's keywords are spelled in another way, in the prompt "
        "and in the text alike, so that only the prompt tells the spelling. Half of the other "
        "terms of such a prompt are respelled too.",
        group="prompts",
        at_least=0,
        at_most=1,
    )
    lookalikes: float = option(
        0.0,
        "Probability that a word of the row's keywords gets a lookalike in the prompt in the place "
        "of a term that is not said. It differs from the word by one sound.",
        group="prompts",
        at_least=0,
        at_most=1,
    )
    contrast: float = option(
        0.5,
        "Share of the examples with a right term in their prompt that are learned a second time in "
        "the same step: four of five without a prompt, the others after a prompt with another "
        "spelling of the right terms, or with lookalikes in their place.",
        group="prompts",
        at_least=0,
        at_most=1,
    )
    timestamp_rate: float = option(
        0.5,
        "Share of examples whose targets have timestamps.",
        group="prompts",
        at_least=0,
        at_most=1,
    )
