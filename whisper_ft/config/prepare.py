"""Settings of `prepare`: a dataclass a kind of source."""

from dataclasses import dataclass

from whisper_ft.config.options import option


@dataclass(frozen=True)
class SubtitlesConfig:
    """Turn long recordings and their SRT, WebVTT or whisper JSON into rows of at most 30 s."""

    paths: tuple[str, ...] = option(
        (), "recordings and subtitles of the same names, or folders of them", positional=True
    )
    out: str = option(
        "", "folder for manifest.jsonl and the notes on what was mended or left out; needed"
    )
    channels: bool = option(
        False, "one recording with a party a channel: a subtitle file for each, in their order"
    )
    copy_audio: bool = option(
        False, "write each window as a FLAC file of its own (default: stretches of the original)"
    )
    language: str = option(
        "", "language of what is said (default: the JSON's, or a name's such as talk.de.srt)"
    )
    encoding: str = option("", "of subtitles (default: by their byte order mark, UTF-8 or guessed)")
    keep_notes: bool = option(False, "keep speaker labels and sound notes such as [music]")
    seed: int = option(0, "of the silence kept", at_least=0)


@dataclass(frozen=True)
class NoisesConfig:
    """Make rows in which nobody speaks from a folder of noises, and digital silence."""

    folder: str = option("", "folder of audio files without speech", positional=True)
    out: str = option("", "the manifest to write; needed")
    rows: int = option(200, "rows", at_least=1)
    seed: int = option(0, "of the files and stretches drawn", at_least=0)


@dataclass(frozen=True)
class CorpusConfig:
    """Turn a corpus into a manifest, reading its metadata only."""

    source: str = option("", "the corpus: its folder, or the file that lists it", positional=True)
    out: str = option("", "the manifest to write; needed")
    columns: tuple[str, ...] = option(
        (),
        "of csv, tsv and huggingface: where they are named otherwise, as audio=path text=sentence",
    )
    delimiter: str = option("", "between the columns of a csv (default: , and in a .tsv tab)")
    language: str = option("", "language of rows that name none")
    empty_is_silence: bool = option(
        False, "take an empty text as silence (default: as not transcribed, and leave it out)"
    )
    lowercase: bool = option(False, "write texts in lower case, for corpora that shout")
