"""The command `prepare`: one sub-command for each format of a source."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from whisper_ft.config.nearest import did_you_mean
from whisper_ft.config.options import out_of_bounds, parse
from whisper_ft.config.prepare import (
    AlignConfig,
    CorpusConfig,
    NoisesConfig,
    RepairConfig,
    RestoreConfig,
    SpeakConfig,
    SubtitlesConfig,
)
from whisper_ft.prepare.corpus_formats import CORPUS_FORMATS
from whisper_ft.runtime.extras import describe_import_error

if TYPE_CHECKING:
    from whisper_ft.prepare.manifest_writer import PrepareResult

Config = TypeVar(
    "Config",
    SubtitlesConfig,
    NoisesConfig,
    SpeakConfig,
    CorpusConfig,
    RestoreConfig,
    RepairConfig,
    AlignConfig,
)


def prepare(argv: Sequence[str], prog: str = "whisper-ft") -> int:
    """Convert a source to a manifest and print the summary."""
    name = argv[0] if argv else ""
    if name not in _descriptions():
        lines = [f"  {name:14}{description}" for name, description in _descriptions().items()]
        usage = f"usage: {prog} prepare FORMAT ... (FORMAT --help tells more)"
        print(usage, *lines, sep="\n")
        if list(argv[:1]) in (["-h"], ["--help"]):
            return 0
        hint = did_you_mean(name, _descriptions())
        print(f"{name!r} is none of these formats{hint}" if name else "give a FORMAT")
        return 2
    run = COMMANDS[name][1] if name in COMMANDS else _corpus
    try:
        print(run(argv, prog).summary())
    except ImportError as error:
        raise ValueError(describe_import_error(error, "prepare")) from None
    return 0


def _descriptions() -> dict[str, str]:
    """Return a line of help for each format."""
    corpora = {name: corpus_format.description for name, corpus_format in CORPUS_FORMATS.items()}
    return {name: config.__doc__ or "" for name, (config, _) in COMMANDS.items()} | {
        name: description[0].upper() + description[1:] for name, description in corpora.items()
    }


def _subtitles(argv: Sequence[str], prog: str) -> PrepareResult:
    config = _parse(SubtitlesConfig, argv, prog)
    from whisper_ft.prepare.subtitles import prepare_subtitles  # imports torch: after --help

    return prepare_subtitles(
        [Path(path) for path in config.paths],
        Path(config.out),
        channels=config.channels,
        copy_audio=config.copy_audio,
        seed=config.seed,
        encoding=config.encoding,
        keep_notes=config.keep_notes,
        language=config.language,
    )


def _noises(argv: Sequence[str], prog: str) -> PrepareResult:
    config = _parse(NoisesConfig, argv, prog)
    from whisper_ft.prepare.noises import prepare_noises  # imports torch: after --help

    return prepare_noises(
        Path(config.folder), Path(config.out), n_rows=config.rows, seed=config.seed
    )


def _restore(argv: Sequence[str], prog: str) -> PrepareResult:
    config = _parse(RestoreConfig, argv, prog)
    from whisper_ft.prepare.restore import restore_manifest  # imports torch: after --help

    return restore_manifest(
        Path(config.manifest),
        Path(config.out),
        model=config.model,
        prompt=config.prompt,
        language=config.language,
        device=config.device,
    )


def _repair(argv: Sequence[str], prog: str) -> PrepareResult:
    config = _parse(RepairConfig, argv, prog)
    from whisper_ft.prepare.repair import repair_manifest

    return repair_manifest(Path(config.manifest), Path(config.out))


def _speak(argv: Sequence[str], prog: str) -> PrepareResult:
    config = _parse(SpeakConfig, argv, prog)
    from whisper_ft.prepare.speak import prepare_speak  # imports torch: after --help

    return prepare_speak(
        [Path(path) for path in config.paths],
        Path(config.out),
        terms=[Path(path) for path in config.terms],
        carriers=Path(config.carriers) if config.carriers else None,
        language=config.language,
        voices=config.voices,
        takes=config.takes,
        room_share=config.rooms,
        reverb=config.reverb,
        seed=config.seed,
    )


def _align(argv: Sequence[str], prog: str) -> PrepareResult:
    config = _parse(AlignConfig, argv, prog)
    from whisper_ft.prepare.align import align_recording  # imports torch: after --help

    return align_recording(
        Path(config.audio),
        Path(config.text),
        Path(config.out),
        model=config.model,
        language=config.language,
        seed=config.seed,
        device=config.device,
    )


def _corpus(argv: Sequence[str], prog: str) -> PrepareResult:
    corpus_format = CORPUS_FORMATS[argv[0]]
    about = f"SOURCE is {corpus_format.description} {corpus_format.details}"
    config = _parse(CorpusConfig, argv, prog, about)
    from whisper_ft.prepare.corpus import prepare_corpus

    return prepare_corpus(
        argv[0],
        Path(config.source),
        Path(config.out),
        columns=config.columns,
        delimiter=config.delimiter,
        language=config.language,
        empty_is_silence=config.empty_is_silence,
        lowercase=config.lowercase,
    )


def _parse(config_class: type[Config], argv: Sequence[str], prog: str, about: str = "") -> Config:
    """Parse the flags after the format's name. Raises ValueError for values out of bounds."""
    config, _ = parse(config_class, argv[1:], f"{prog} prepare {argv[0]}", about)
    problems = out_of_bounds(config)
    if not config.out:
        problems.append("--out: say where to write")
    if problems:
        raise ValueError("\n".join(problems))
    return config


COMMANDS = {
    "subtitles": (SubtitlesConfig, _subtitles),
    "noises": (NoisesConfig, _noises),
    "restore": (RestoreConfig, _restore),
    "repair": (RepairConfig, _repair),
    "align": (AlignConfig, _align),
    "speak": (SpeakConfig, _speak),
}
