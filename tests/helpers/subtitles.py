"""Subtitle files, written and read."""

from whisper_ft.prepare.cues import read_cues

SRT = """1
00:00:00,500 --> 00:00:02,000
Hello there.

2
00:00:02,000 --> 00:00:04,250
<i>Two lines,</i>
one cue.
"""


def read(tmp_path, content, suffix=".srt", duration=60.0, **options):
    """Return (cues of a subtitle file with this content, notes as (line, note))."""
    path = tmp_path / f"talk{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    notes = []
    cues = read_cues(path, duration, lambda place, note: notes.append((place, note)), **options)
    return cues, [(place.rsplit(":", 1)[-1], note) for place, note in notes]


def srt(*cues):
    """Return SRT text of (start, end, text) in seconds; the times of cue n are on line 4 n + 2."""

    def stamp(seconds):
        return f"00:{int(seconds) // 60:02}:{int(seconds) % 60:02},{round(seconds % 1 * 1000):03}"

    return "".join(
        f"{n}\n{stamp(start)} --> {stamp(end)}\n{text}\n\n"
        for n, (start, end, text) in enumerate(cues, start=1)
    )


def spans(found):
    """Return (start, end, text) of each cue."""
    return [(cue.start, cue.end, cue.text) for cue in found.cues]
