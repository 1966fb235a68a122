"""Settings of keywords that manifests do not give, which several commands share."""

from dataclasses import dataclass

from whisper_ft.config.options import option


@dataclass(frozen=True)
class KeywordSettings:
    """Where keywords come from, beside a manifest's own."""

    keywords: str = option(
        "auto",
        "Keywords that a manifest does not give. auto: if none of its rows has `keywords`, find "
        "names, code words and rare words in its rows without a `prompt`. off: none.",
        group="prompts",
        choices=("auto", "off"),
    )
    glossary: str = option(
        "",
        "Text file with one term per line. A term is a keyword of every row whose text has it, and "
        "half of the other terms in lists of keywords are from this file.",
        metavar="FILE",
        group="prompts",
    )
