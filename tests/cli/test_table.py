"""The command `table`."""


def test_a_table_of_what_is_no_evaluation_names_the_file(run, tmp_path):
    for name, content in (("a.json", ""), ("b.json", "[1]"), ("c.json", '{"evaluations": []}')):
        (tmp_path / name).write_text(content)
        status, said = run("table", tmp_path / name)
        assert status == 2 and f"{name}: holds no evaluations that can be read" in said
