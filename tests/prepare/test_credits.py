"""Lines that name who made the captions."""

import pytest
from helpers.subtitles import read, spans, srt


@pytest.mark.parametrize(
    "text",
    [
        "Untertitelung des ZDF, 2020",
        "Untertitel im Auftrag des ZDF für funk, 2017",
        "Sous-titrage Société Radio-Canada",
        "Sous-titrage ST' 501",
        "Subtítulos realizados por la comunidad de Amara.org",
        "Sottotitoli e revisione a cura di QTSS",
        "Субтитры сделал DimaTorzok",
        "Редактор субтитров А.Семкин Корректор А.Егорова",
        "字幕由 XX字幕组 提供",
        "字幕志愿者 李宗盛",
        "Legendas pela comunidade Amara.org",
        "Legendas: Maria Silva",
        "Napisy stworzone przez społeczność Amara.org",
        "Ondertiteling: Jan Smit",
        "Altyazı M.K.",
        "Titulky vytvořil JohnyX.",
        "Teksting av Nicolai Winther",
        "한글자막 by 김",
        "Translated by Bob",
        "Transcribed by: John Smith",
        "www.addic7ed.com",
        "Synced & corrected by honeybunny - www.addic7ed.com",
        "Transcription by CastingWords",
        "Closed captioning by WGBH",
        "English subtitles: John Smith",
        "CAPTIONED BY THE NATIONAL CENTER",
        "字幕by索兰娅",
        "中文字幕志愿者 李宗盛",
        "ترجمة نانسي قنقر",
        "Υπότιτλοι AUTHORWAVE",
        "https://example.org/subs",
    ],
)
def test_credits_in_any_language_are_no_speech(tmp_path, text):
    found, notes = read(tmp_path, srt((0, 2, "One."), (3, 5, text)))
    assert [cue.text for cue in found.cues] == ["One."] and found.gaps == [(3.0, 5.0)]
    assert notes[0][1].endswith("credits, not speech: skipped with its audio")


@pytest.mark.parametrize(
    "text",
    [
        "Untertitel sind heute aus.",
        "Sous-titres ou version doublée ?",
        "Subtítulos y doblaje son caros.",
        "Субтитры были плохие.",
        "Translated by hand, it took a year.",
        "Captions by their nature are short, and so whoever writes them has to leave a lot out.",
        "字幕很小",
        "Legendary work.",
        "Teksten av sangen er fin.",
        "Captions by default are off.",
        "Captioning by hand takes hours.",
        "Timed by NASA engineers.",
        "Corrected by Einstein in 1916.",
        "We used subscene to get the subs.",
        "Untertitel von Filmen sind wichtig.",
        "Subtítulos por favor.",
        "Legendas: sim ou não?",
        "Tekster av høy kvalitet.",
        "Tłumaczenie: kot.",
        "Субтитров добавилось много.",
        "Редактор субтитров это моя профессия.",
        "翻译由人工智能来完成的时代已经到来，我们每个人都要学习",
        "字幕制作の仕事を十年続けてきて、分かった",
        "자막 제작은 정말 힘들어요.",
        "الترجمة: هل هي صعبة؟",
    ],
)
def test_what_is_said_of_subtitles_stays(tmp_path, text):
    found, notes = read(tmp_path, srt((0, 2, text)))
    assert spans(found) == [(0.0, 2.0, text)] and not notes


def test_a_credit_beside_speech_is_removed_alone(tmp_path):
    found, notes = read(tmp_path, srt((0, 3, "Untertitel: ZDF\nGuten Abend, meine Damen.")))
    assert spans(found) == [(0.0, 3.0, "Guten Abend, meine Damen.")] and not found.gaps
    assert notes[0][1] == "'Untertitel: ZDF': credits, not speech: removed"
