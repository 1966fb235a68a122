"""Tables: quotes, delimiters and what is no table."""

import zipfile

import pytest
from helpers.audio import write_tone


def test_a_tsv_has_no_quotes(tmp_path, prepare):
    write_tone(tmp_path / "a.wav")
    (tmp_path / "t.tsv").write_text('audio\ttext\na.wav\t"Hello\na.wav\tworld"\n')
    assert [row["text"] for row in prepare("tsv", "t.tsv")[1]] == ['"Hello', 'world"']


def test_a_tsv_of_pandas_has_quotes(tmp_path, prepare):
    write_tone(tmp_path / "a.wav")
    (tmp_path / "t.tsv").write_text('audio\ttext\na.wav\t"He said ""hi"""\na.wav\tFine.\n')
    assert [row["text"] for row in prepare("tsv", "t.tsv")[1]] == ['He said "hi"', "Fine."]
    (tmp_path / "t.tsv").write_text('"audio"\t"text"\n"a.wav"\t"Fine."\n')
    assert [row["text"] for row in prepare("tsv", "t.tsv")[1]] == ["Fine."]


@pytest.mark.parametrize(
    ("table", "texts"),
    [
        (
            'audio\ttext\na.wav\t"Hello, my world"\nb.wav\tGood bye\n',
            ["Hello, my world", "Good bye"],
        ),
        (
            'audio\ttext\na.wav\t"Hello there\nmy world"\nb.wav\tBye\n',
            ["Hello there\nmy world", "Bye"],
        ),
        (
            'audio\ttext\na.wav\t"Hello," she said.\nb.wav\t"Bye."\n',
            ['"Hello," she said.', '"Bye."'],
        ),
        ('audio|text\na.wav|"Yes | no"\nb.wav|"Hello"\n', ["Yes | no", "Hello"]),
        ('audio\ttext\na.wav\t"a\tb"\nb.wav\tBye.\n', ["a\tb", "Bye."]),
        ('audio|text\na.wav|"Hello," she said.\nb.wav|Bye.\n', ['"Hello," she said.', "Bye."]),
    ],
)
def test_quotes_of_a_table_are_text_unless_a_value_needs_them(tmp_path, prepare, table, texts):
    for name in "ab":
        write_tone(tmp_path / f"{name}.wav")
    (tmp_path / "t.tsv").write_text(table)
    delimiter = ["--delimiter", "|"] if "|" in table else []
    _, rows, _ = prepare("csv", "t.tsv", *delimiter)
    assert [row["text"] for row in rows] == texts


def test_a_quote_that_is_not_closed_is_told(tmp_path, prepare):
    for name in "abcd":
        write_tone(tmp_path / f"{name}.wav")
    (tmp_path / "t.csv").write_text(
        'audio,text\na.wav,"I came home\nb.wav,and saw her\nc.wav,in the rain"\nd.wav,Bye\n'
    )
    _, rows, said = prepare("csv", "t.csv")
    assert len(rows) == 2
    assert (
        "t.csv:4: a value of 3 lines, 'I came home\\nb.wav,and saw her\\nc.wav,in t': is its"
        in said
    )


def test_milliseconds_and_workbooks_are_named(tmp_path, prepare):
    write_tone(tmp_path / "a.wav", 20.0)
    (tmp_path / "t.csv").write_text("audio,text,start,end\na.wav,Hi.,1000,4500\n")
    status, _, said = prepare("csv", "t.csv")
    assert status == 2 and "divide its times by 1000 if they are milliseconds" in said
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.xml", bytes(range(256)) * 9)
    status, _, said = prepare("csv", "t.xlsx")
    assert status == 2 and "t.xlsx: a workbook or an archive, not a text: save it as CSV" in said


def test_a_quote_that_is_open_at_the_end_is_named(tmp_path, prepare):
    write_tone(tmp_path / "a.wav")
    (tmp_path / "t.csv").write_text('audio,text\na.wav,Hi.\na.wav,"Bye\n')
    status, _, said = prepare("csv", "t.csv")
    assert status == 2 and "t.csv:3: a quote is not closed: close it" in said
