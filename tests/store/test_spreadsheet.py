"""Tables for spreadsheet programs: no text becomes a formula, and what they save is read again."""

import pandas as pd
import pytest

from benchmark.store.spreadsheet import from_csv, to_csv


def test_no_text_is_taken_for_a_formula_and_all_come_back():
    texts = ["=1+1", "+x", "-y.png", "@z", "'quoted", "plain", "", "a,b;c"]
    content = to_csv(pd.DataFrame({"file": texts, "score": [-1.5] * len(texts)}))
    cells = content.decode().splitlines()[1:]
    assert all(cell.startswith(("'", "plain", '"a', ",")) for cell in cells), cells
    assert cells[0].endswith(",-1.5"), "numbers stay numbers"
    assert from_csv(content)["file"].tolist() == texts


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_separators_and_the_mark_of_excel_are_understood(separator):
    content = "\ufeff" + separator.join(["a", "b"]) + "\r\n" + separator.join(["1 ", "NA"]) + "\r\n"
    assert from_csv(content.encode()).to_dict("list") == {"a": ["1"], "b": ["NA"]}
