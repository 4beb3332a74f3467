"""`noisybench clinical` shows figures of kept predictions, and says what it lacks."""

import unicodedata

import numpy as np
import orjson
import pytest

from benchmark.cli.clinical import _costs, read_target
from benchmark.errors import UsageError
from benchmark.store import kept
from benchmark.store.store import Store

GRID = ("run", "-d", "digits", "-m", "ce", "-n", "symmetric:0.4", "--seeds", "2", "--epochs", "2", "--no-table")


@pytest.fixture(scope="module")
def costs(tmp_path_factory):
    path = tmp_path_factory.mktemp("costs") / "costs.csv"
    names = [str(k) for k in range(10)]
    rows = [",".join([name, *("0" if name == other else "2" for other in names)]) for name in reversed(names)]
    path.write_text("\n".join([",".join(["", *names]), *rows]))
    return path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true;a;b\na;0;2,5\nb;10;0\n", [[0, 2.5], [10, 0]]),
        ("\tb\ta\nb\t0\t10\na\t2.5\t0\n", [[0, 2.5], [10, 0]]),
        (",a,b\na,0,.5\nb,1e3,0\n", [[0, 0.5], [1000, 0]]),
    ],
)
def test_costs_are_read_as_a_spreadsheet_program_writes_them(tmp_path, text, expected):
    path = tmp_path / "costs.csv"
    path.write_text(text, encoding="cp1252")
    assert _costs(path)(("a", "b")).tolist() == expected


def test_costs_are_found_by_the_names_of_the_classes_in_any_spelling_of_their_letters(tmp_path, capsys):
    path = tmp_path / "costs.csv"
    path.write_text("wahr;blutplättchen;Basophil \nBLUTPLÄTTCHEN;0;2\nbasophil;3;0\n", encoding="cp1252")
    mac = unicodedata.normalize("NFD", "Blutplättchen")
    assert _costs(path)(("Basophil", mac)).tolist() == [[0, 3], [2, 0]]
    assert "encoding=" not in capsys.readouterr().err  # there is no such option here
    with pytest.raises(UsageError, match="has the rows BLUTPLÄTTCHEN, basophil"):
        _costs(path)(("basophil", "Basophil"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("true;a;b\na;0;1,000\nb;1;0\n", "no number for a taken for b"),
        ("true;a;b\na;0;x\nb;1;0\n", "no number for a taken for b"),
        ("nothing", "no costs: .* has no row of two or more cells"),
    ],
)
def test_costs_that_are_none_are_refused(tmp_path, text, told):
    path = tmp_path / "costs.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=told):
        _costs(path)(("a", "b"))


def test_it_shows_rates_costs_and_what_to_refer(here, tmp_path, costs):
    here(*GRID, "--keep", "predictions")
    found = here("clinical", "--at", "specificity=.9", "--positive", "8", "--cost", str(costs)).stdout
    assert "# Clinical figures, val_noisy" in found
    assert "| ce, 8" in found
    assert "AURC" in found
    store = Store(tmp_path / "results")
    arrays = [kept.read_predictions(store, run["id"]) for run in store.records().records]
    errors = [(one["test/val_noisy"].argmax(1) != one["test/labels"]).mean() for one in arrays]
    assert f"{2 * np.mean(errors):.3f}".lstrip("0") in found  # each error costs two
    assert len(arrays[0]["val/labels"]) == len(arrays[0]["val/true"]) == len(arrays[0]["val/last"])
    assert (arrays[0]["val/labels"] != arrays[0]["val/true"]).any()
    true = here("clinical", "--at", "specificity=.9", "--positive", "8", "--by", "true").stdout
    assert "by their true labels" in " ".join(true.split())
    assert true != found

    ended = orjson.loads(next(store.loose()).read_bytes())
    failed = {name: ended[name] for name in ("schema", "spec", "provenance")} | {"id": "f" * 16, "state": "failed"}
    failed["spec"] |= {"seeds": dict.fromkeys(failed["spec"]["seeds"], 7)}
    store.write_failure(failed | {"error": {"class": "E", "message": "m", "traceback": "", "log": "l"}})
    assert "# Clinical figures, val_noisy" in here("clinical").stdout, "a failed run has no test set"

    costs.write_text(costs.read_text().replace("\n7,", "\nseven,"))
    told = here("clinical", "--cost", str(costs), code=2).stderr
    assert "has the rows" in told
    assert "expected a row and a column for each of 0, 1" in told
    assert "no class 'x'" in here("clinical", "--at", "specificity=.9", "--positive", "x", code=2).stderr


def test_runs_without_kept_predictions_are_told(here):
    here(*GRID)
    assert "--keep predictions" in here("clinical", code=2).stderr


@pytest.mark.parametrize(
    "text", ["sensitivity", "recall=.9", "sensitivity=high", "sensitivity=0", "specificity=1.5", "=.9"]
)
def test_what_is_no_operating_point_is_refused(text):
    with pytest.raises(UsageError, match="expected sensitivity=VALUE"):
        read_target(text)
