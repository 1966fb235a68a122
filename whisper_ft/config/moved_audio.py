"""The setting of audio that has moved, which several commands share."""

from dataclasses import dataclass

from whisper_ft.config.options import option


@dataclass(frozen=True)
class MovedAudioSettings:
    """Where audio is that manifests name in another place."""

    relocate: tuple[str, ...] = option(
        (),
        "Read audio of the folder OLD, as manifests name it, from the folder NEW. Several pairs "
        "may be given.",
        metavar="OLD NEW",
        group="data",
    )
