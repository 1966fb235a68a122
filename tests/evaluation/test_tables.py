"""Tables of scores."""

import pytest
from helpers.samples import SAMPLES

from whisper_ft.evaluation.scoring import score
from whisper_ft.evaluation.tables import MARK, insert_table, markdown_table, score_table


def test_a_table_has_a_line_for_each_evaluation():
    scores = score(SAMPLES)
    lines = markdown_table([("stock", scores), ("stock", scores)]).splitlines()
    assert len(lines) == 4
    assert lines[2] == "| stock | 0.0 % | 33.3 % | 50.0 % | 100.0 % | 0.0 % | 0.0 % |"
    assert "[0.0, 0.0]" in score_table(scores)


def test_a_document_gets_its_table_between_the_marks():
    document = f"# Title\n{MARK}\nold\n{MARK}\nrest"
    assert insert_table(document, "new") == f"# Title\n{MARK}\nnew\n{MARK}\nrest"
    with pytest.raises(ValueError, match="two lines"):
        insert_table("# Title", "new")
