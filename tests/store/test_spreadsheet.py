"""Tables for spreadsheet programs: no text becomes a formula, and what they save is read again."""

import pandas as pd
import pytest

from benchmark.datasets._sheets import read_texts
from benchmark.store.spreadsheet import to_csv


def test_no_text_is_taken_for_a_formula_and_all_come_back(tmp_path):
    texts = ["=1+1", "+x", "-y.png", "@z", "'quoted", "plain", "", "a,b;c"]
    content = to_csv(pd.DataFrame({"file": texts, "score": [-1.5] * len(texts)}))
    cells = content.decode().splitlines()[1:]
    assert all(cell.startswith(("'", "plain", '"a', ",")) for cell in cells), cells
    assert cells[0].endswith(",-1.5"), "numbers stay numbers"
    (tmp_path / "table.csv").write_bytes(content)
    assert read_texts(tmp_path / "table.csv")[0]["file"].tolist() == texts


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_and_the_mark_of_excel_are_understood(tmp_path, separator):
    content = "\ufeff" + separator.join(["a", "b"]) + "\r\n" + separator.join(["1 ", "NA"]) + "\r\n"
    (tmp_path / "table.csv").write_text(content)
    assert read_texts(tmp_path / "table.csv")[0].to_dict("list") == {"a": ["1"], "b": ["NA"]}
