"""Lengths that are counted, and stretches that are exact, in every container and codec."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from helpers.media import KINDS, SECONDS, encode, lag, noise, write_media, write_video

from whisper_ft.data import media
from whisper_ft.data.audio import read_audio
from whisper_ft.data.audio_info import INSTALL, probe


@pytest.mark.parametrize("name", KINDS)
def test_a_length_is_counted_and_a_stretch_is_exact(tmp_path, name):
    path = write_media(tmp_path, name)
    assert probe(path).duration == pytest.approx(SECONDS, abs=0.13)  # encoders add two frames
    whole = read_audio(path)
    assert abs(len(whole) - probe(path).duration * 16000) <= 1
    for start, end in ((0.0, 0.4), (0.31, 2.0), (5.123, 7.5), (10.9, 12.25)):
        samples = read_audio(path, start, end)
        assert len(samples) == round((end - start) * 16000)
        there = whole[round(start * 16000) : round(end * 16000)]
        late = lag(samples, there)
        # Matroska knows times to a thousandth of a second, and so does WMA.
        assert abs(late) <= (40 if name.endswith(("webm", "mkv")) else 1)
        first, last = max(0, late), len(samples) + min(0, late)
        shifted = there[first - late : last - late]
        assert np.abs(samples[first:last] - shifted)[200:-200].max() < 0.02


def test_stereo_in_a_container_has_its_channels(tmp_path):
    left, right = noise(3.0), noise(3.0)[::-1]
    path = encode(tmp_path / "a.m4a", np.stack([left, right], 1), "alac", format="ipod")
    assert probe(path).n_channels == 2
    assert np.abs(read_audio(path, channel=1) - right).max() < 1e-4
    assert np.abs(read_audio(path) - (left + right) / 2).max() < 1e-4


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_files_in_one_file_are_all_read(tmp_path, subtype):
    for name, seconds in (("a", 2.0), ("b", 3.0)):
        soundfile.write(tmp_path / name, noise(seconds), 16000, format="OGG", subtype=subtype)
    chain = tmp_path / "chain.ogg"
    chain.write_bytes((tmp_path / "a").read_bytes() + (tmp_path / "b").read_bytes())
    assert probe(chain).duration == 5.0
    whole = read_audio(chain)
    assert np.array_equal(whole[:32000], read_audio(tmp_path / "a"))
    assert np.array_equal(whole[32000:], read_audio(tmp_path / "b"))
    assert np.abs(read_audio(chain, 1.0, 4.0) - whole[16000:64000]).max() < 0.02
    assert np.abs(read_audio(chain, 3.0) - whole[48000:]).max() < 0.02


def test_ogg_files_of_two_rates_in_one_file_are_refused(tmp_path):
    chain = tmp_path / "chain.ogg"
    for rate in (16000, 22050):
        soundfile.write(tmp_path / "a", noise(1.0), rate, format="OGG", subtype="VORBIS")
        with chain.open("ab") as file:
            file.write((tmp_path / "a").read_bytes())
    with pytest.raises(ValueError, match="changes its rate or channels in the middle"):
        probe(chain)


def test_gsm_which_libsndfile_cannot_seek_in_has_its_stretches(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(SECONDS, 8000), 8000, subtype="GSM610")
    assert probe(path).duration == pytest.approx(SECONDS, abs=0.05)
    assert np.abs(read_audio(path, 6.0, 8.0) - read_audio(path)[96000:128000]).max() < 0.02


@pytest.mark.parametrize("name", ["vbr.mp3", "a.flac", "first.mp4"])
def test_a_file_that_was_cut_does_not_hold_what_its_header_promises(tmp_path, name):
    codec, options = {
        "vbr.mp3": KINDS["vbr.mp3"],
        "a.flac": ("flac", {}),
        "first.mp4": ("aac", {"movflags": "faststart"}),
    }[name]
    path = encode(tmp_path / name, noise(SECONDS), codec, **options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(
        ValueError, match=r"promises 12.* but (it holds|its end).*restore the damaged file"
    ):
        probe(path)


def test_an_index_at_the_end_that_was_cut_off_is_told(tmp_path):
    path = write_media(tmp_path, "a.mp4")
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(ValueError, match=r"FFmpeg cannot read it .*: restore it"):
        probe(path)


def test_tags_around_an_mp3_are_no_audio(tmp_path):
    path = write_media(tmp_path, "vbr.mp3")
    seconds = probe(path).duration
    tag = b"ID3\x04\0\0" + bytes((0, 0, 32, 0)) + bytes(4096)
    path.write_bytes(tag + path.read_bytes() + b"TAG" + bytes(125))
    assert probe(path).duration == pytest.approx(seconds, abs=0.05)
    assert lag(read_audio(path, 5.0, 7.0), noise(SECONDS)[80000:]) == pytest.approx(0, abs=2)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n"),
        ("a.wav", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{other}\n#EXT-X-ENDLIST\n"),
        ("a.mp3", "ffconcat version 1.0\nfile '{other}'\n"),
        ("a.ffconcat", "ffconcat version 1.0\nfile '{other}'\n"),
        ("a.sdp", "v=0\nm=audio 9 RTP/AVP 0\nc=IN IP4 127.0.0.1\n"),
        ("a.mpd", "<MPD><Period><BaseURL>{other}</BaseURL></Period></MPD>"),
    ],
)
def test_a_playlist_reads_no_other_file(tmp_path, name, content):
    other = write_media(tmp_path, "adts.aac")
    path = tmp_path / name
    path.write_text(content.format(other=other))
    with pytest.raises(ValueError, match="FFmpeg cannot read it"):
        probe(path)


def test_a_video_without_sound_is_told(tmp_path):
    path = tmp_path / "a.mp4"
    with media.av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", 5)
        stream.width = stream.height = 32
        frame = media.av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    with pytest.raises(ValueError, match="holds no audio: correct the path"):
        probe(path)


def test_a_file_that_lasts_for_days_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(media, "MAX_SECONDS", 3600 / 300)
    with pytest.raises(ValueError, match=r"lasts longer than .* hours: split it"):
        probe(write_media(tmp_path, "a.mp4"))


@pytest.mark.slow
def test_without_pyav_the_command_that_installs_it_is_told(tmp_path):
    path = write_media(tmp_path, "a.m4a")
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from pathlib import Path\n"
        "from whisper_ft.data.audio_info import probe\n"
        f"probe(Path({str(path)!r}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stderr.strip().endswith(f"ValueError: {INSTALL}")


def test_a_flac_that_was_cut_without_encoding_has_its_stretches(tmp_path):
    encode(tmp_path / "a.flac", noise(SECONDS), "flac")
    with (
        media.av.open(str(tmp_path / "a.flac")) as source,
        media.av.open(str(tmp_path / "cut.flac"), "w") as target,
    ):
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(source.streams.audio[0]):
            if packet.size and packet.pts >= 4 * 4096:
                packet.stream = stream
                target.mux(packet)
    whole = read_audio(tmp_path / "cut.flac")
    first = lag(noise(SECONDS), whole[:16000], most=40_000)
    assert first == pytest.approx(4 * 4096, abs=4096)
    assert np.abs(read_audio(tmp_path / "cut.flac", 5.0, 6.0) - whole[80000:96000]).max() < 1e-4


@pytest.mark.parametrize(
    ("codec", "format", "other"),
    [("libmp3lame", "mp3", {"sample_rate": 22050}), ("aac", "adts", {"sample_rate": 22050}),
     ("libmp3lame", "mp3", {"stereo": True})],
)  # fmt: skip
def test_files_of_two_kinds_that_were_joined_are_refused(tmp_path, codec, format, other):
    encode(tmp_path / "a", noise(6.0, 44100), codec, sample_rate=44100, format=format)
    rate = other.get("sample_rate", 44100)
    samples = np.stack([noise(6.0, rate)] * 2, 1) if other.get("stereo") else noise(6.0, rate)
    encode(tmp_path / "b", samples, codec, sample_rate=rate, format=format)
    joined = tmp_path / "joined"
    joined.write_bytes((tmp_path / "a").read_bytes() + (tmp_path / "b").read_bytes())
    with pytest.raises(ValueError, match="changes its rate or channels in the middle"):
        probe(joined)


def test_streams_side_by_side_in_ogg_are_read(tmp_path):
    path = tmp_path / "two.ogg"
    with media.av.open(str(path), "w") as container:
        streams = [container.add_stream("libopus", 16000) for _ in range(2)]
        for stream in streams:
            stream.layout = "mono"
        for stream in streams:
            frame = media.av.AudioFrame.from_ndarray(noise(3.0).reshape(1, -1), "flt", "mono")
            frame.sample_rate = 16000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    assert probe(path).duration == pytest.approx(3.0, abs=0.05)
    assert len(read_audio(path, 1.0, 2.0)) == 16000


def test_a_chain_whose_second_link_was_cut_is_read_as_far_as_it_goes(tmp_path):
    soundfile.write(tmp_path / "a", noise(2.0), 16000, format="OGG", subtype="VORBIS")
    content = (tmp_path / "a").read_bytes()
    (tmp_path / "chain.ogg").write_bytes(content + content[:60])
    assert probe(tmp_path / "chain.ogg").duration == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("filler", [b"\0", b"\xff"])
def test_stretches_beside_a_damaged_part_are_exact_and_one_over_it_is_refused(tmp_path, filler):
    path = write_media(tmp_path, "a.m4a")
    whole, content = read_audio(path), path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + 3000 * filler + content[middle + 3000 :])
    for start, end in ((0.5, 3.0), (9.5, 12.0)):
        there = whole[round(start * 16000) : round(end * 16000)]
        assert np.abs(read_audio(path, start, end) - there).max() < 1e-3
    for stretch in ((), (3.0, 9.0)):
        with pytest.raises(
            ValueError, match=r"0\.\d+ s of it cannot be decoded: restore the damag"
        ):
            read_audio(path, *stretch)


def test_a_moment_that_cannot_be_decoded_is_silence(tmp_path):
    path = write_media(tmp_path, "a.m4a")
    whole, content = read_audio(path), path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(20) + content[middle + 20 :])
    samples = read_audio(path)
    assert len(samples) == len(whole)
    different = np.flatnonzero(np.abs(samples - whole) > 1e-3)
    assert 0 < len(different) < 4 * 1024
    assert not samples[different[len(different) // 2]]


@pytest.mark.parametrize("name", ["a.webm", "a.mkv"])
def test_a_file_of_matroska_that_was_cut_off_is_damaged(tmp_path, name):
    path = encode(tmp_path / name, noise(30.0), KINDS[name][0], **KINDS[name][1])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 55 // 100])
    with pytest.raises(ValueError, match=r"its header promises 30.* restore the damaged file"):
        probe(path)


def test_the_track_of_several_is_that_of_ffmpeg(tmp_path):
    mono, stereo = noise(9.0), np.stack([noise(9.0)[::-1]] * 2, 1)
    path = write_video(tmp_path / "a.mkv", [mono, stereo])
    assert probe(path).track.n_tracks == 2
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-ac", "1", str(tmp_path / "a.wav")]
    subprocess.run(command, check=True)
    theirs, _ = soundfile.read(tmp_path / "a.wav", dtype="float32")
    ours = read_audio(path)
    late = lag(ours, theirs)  # versions differ in the encoder's padding
    assert abs(late) <= 1024
    assert np.abs(ours[2048:90_000] - theirs[2048 - late : 90_000 - late]).max() < 1e-3


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_sound_that_begins_after_its_picture_has_a_lead(tmp_path, name):
    path = write_video(tmp_path / name, [noise(6.0)], lead=3.0)
    assert probe(path).track.lead == pytest.approx(3.0, abs=0.07)
    assert probe(write_video(tmp_path / f"on time {name}", [noise(6.0)])).track.lead < 0.07
