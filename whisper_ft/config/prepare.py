"""Settings of `prepare`: one dataclass for each kind of source."""

from dataclasses import dataclass

from whisper_ft.config.options import option


@dataclass(frozen=True)
class SubtitlesConfig:
    """Turn long recordings and their SRT, WebVTT or whisper JSON into rows of at most 30 s."""

    paths: tuple[str, ...] = option(
        (),
        "Recordings and their subtitles, which have the same file names, or folders of both.",
        positional=True,
    )
    out: str = option(
        "",
        "Output folder (required). It gets manifest.jsonl and notes on what was changed or "
        "skipped.",
        metavar="FOLDER",
    )
    channels: bool = option(
        False,
        "Take one recording with a speaker on each channel. Give a subtitle file for each "
        "channel, in channel order.",
    )
    copy_audio: bool = option(
        False,
        "Write each window to its own FLAC file. (default: the manifest points into the original "
        "file)",
    )
    language: str = option(
        "",
        "Language of the speech. (default: from the JSON, or from a file name such as talk.de.srt)",
        metavar="LANGUAGE",
    )
    encoding: str = option(
        "",
        "Text encoding of the subtitles. (default: from the byte order mark, else UTF-8, else "
        "guessed)",
        metavar="NAME",
    )
    keep_notes: bool = option(False, "Keep speaker labels and sound notes such as [music].")
    seed: int = option(0, "Random seed for choosing which silent windows to keep.", at_least=0)


@dataclass(frozen=True)
class NoisesConfig:
    """Make rows without speech from a folder of noises, and rows of digital silence."""

    folder: str = option("", "Folder of audio files without speech.", positional=True)
    out: str = option("", "Manifest to write (required).", metavar="FILE")
    rows: int = option(200, "Number of rows to make.", at_least=1)
    seed: int = option(0, "Random seed for choosing files and excerpts.", at_least=0)


@dataclass(frozen=True)
class CorpusConfig:
    """Turn a corpus into a manifest. Only its metadata is read, not its audio."""

    source: str = option("", "The corpus: its folder, or the file that lists it.", positional=True)
    out: str = option("", "Manifest to write (required).", metavar="FILE")
    columns: tuple[str, ...] = option(
        (),
        "For csv, tsv and huggingface: columns with other names than the manifest's fields, such "
        "as audio=path text=sentence. In a csv or tsv, semicolons separate keywords.",
        metavar="FIELD=COLUMN",
    )
    delimiter: str = option(
        "",
        "Character between the columns of a csv. (default: a comma, or a tab in a .tsv)",
        metavar="CHARACTER",
    )
    language: str = option(
        "", "Language of rows for which the corpus names none.", metavar="LANGUAGE"
    )
    empty_is_silence: bool = option(
        False,
        "Keep rows with an empty text: nobody speaks in them. (default: an empty text means that "
        "the row was not transcribed, and the row is skipped)",
    )
    lowercase: bool = option(False, "Write texts in lower case, for corpora in capitals.")


LISTENER_HELP = "Model that listens: an official name, or a checkpoint such as OpenAI's .pt."
DEVICE_HELP = "auto, cpu or cuda:N. auto: a GPU if there is one."


@dataclass(frozen=True)
class RestoreConfig:
    """Give texts without case and punctuation those of a model's own transcripts, and segments."""

    manifest: str = option(
        "", "Manifest whose texts are in lower or upper case, without punctuation.", positional=True
    )
    out: str = option("", "Manifest to write (required).", metavar="FILE")
    model: str = option("large-v3", LISTENER_HELP, metavar="MODEL")
    prompt: str = option(
        "",
        "What the model reads before each row: a few sentences in the style that you want, if "
        "every row begins with a sentence. (default: none; a row then begins in lower case where "
        "the model hears the middle of a sentence)",
    )
    language: str = option(
        "en", "Language of rows for which the manifest names none.", metavar="LANGUAGE"
    )
    device: str = option("auto", DEVICE_HELP, metavar="DEVICE")


@dataclass(frozen=True)
class RepairConfig:
    """Repair texts whose damage cannot be seen: letters in pieces, wrong decoding, and others."""

    manifest: str = option("", "Manifest whose texts are to be repaired.", positional=True)
    out: str = option("", "Manifest to write (required).", metavar="FILE")


@dataclass(frozen=True)
class SpeakConfig:
    """Let synthetic voices speak terms, in carrier sentences, and sentences."""

    paths: tuple[str, ...] = option(
        (),
        "Text files of terms or of sentences, one a line. A file is a list of terms if most of its "
        "lines have at most 4 words and do not end as a sentence does, or if --terms names it too. "
        "A sentence may mark a term: {Zyxin}.",
        positional=True,
    )
    out: str = option(
        "",
        "Output folder (required). It gets manifest.jsonl, audio files and notes on what was left "
        "out.",
        metavar="FOLDER",
    )
    terms: tuple[str, ...] = option(
        (),
        "Files of terms, one a line. They become keywords of the sentences that contain them; the "
        "others are placed in carrier sentences.",
        metavar="FILE",
    )
    carriers: str = option(
        "",
        "File of carrier sentences, one a line, with {} in place of the term. (default: everyday "
        "English ones)",
        metavar="FILE",
    )
    language: str = option("en", "Language of the texts.", metavar="LANGUAGE")
    voices: tuple[str, ...] = option(
        (),
        "Synthesizers, or voices such as flite/slt. (default: every installed voice of espeak-ng, "
        "flite and hibari)",
        metavar="VOICE",
    )
    takes: int = option(
        4,
        "How often each term or sentence is spoken, by different synthesizers and in different "
        "carriers as far as there are.",
        at_least=1,
    )
    rooms: float = option(
        0.5, "Share of the rows that are placed in a room.", at_least=0.0, at_most=1.0
    )
    reverb: str = option(
        "",
        "Folder of impulse responses of rooms. (default: decaying noise, drawn for each row)",
        metavar="FOLDER",
    )
    seed: int = option(
        0, "Random seed for choosing voices, speeds, carriers, rooms and prompts.", at_least=0
    )


@dataclass(frozen=True)
class AlignConfig:
    """Turn a long recording and its plain text, without times, into rows of at most 30 s."""

    audio: str = option("", "The recording.", positional=True)
    text: str = option(
        "",
        "What is said in it: plain text in UTF-8. Parts may be missing or extra.",
        positional=True,
    )
    out: str = option(
        "",
        "Output folder (required). It gets manifest.jsonl and notes on what was left out.",
        metavar="FOLDER",
    )
    model: str = option("large-v3", LISTENER_HELP, metavar="MODEL")
    language: str = option("en", "Language of the speech.", metavar="LANGUAGE")
    seed: int = option(0, "Random seed for choosing which silent windows to keep.", at_least=0)
    device: str = option("auto", DEVICE_HELP, metavar="DEVICE")
