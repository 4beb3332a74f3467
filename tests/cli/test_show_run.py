"""A shown run fits a screen."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest

from benchmark.cli.show import _print_record
from benchmark.errors import NoisybenchError
from benchmark.store.migration import migrate
from tests.store.test_schema import published


def of_100_classes() -> dict[str, Any]:
    record = orjson.loads(orjson.dumps(migrate(published(1)[0])))
    matrix = [[random.random() for _ in range(100)] for _ in range(100)]
    record["noise"] |= {"transition": matrix, "class_counts": [5] * 100, "realized_rate_per_class": [None, *[0.2] * 99]}
    record["diagnostics"] = {"transition": matrix, "precision_per_class": [0.5] * 100}
    counts = {"count": [4] * 15, "confidence": [3.5] * 15, "right": [2] * 15}
    outcome = {"confusion": [[1] * 100] * 100, "calibration": counts, "right": "A" * 14_000}
    record["outcomes"] = {"last": outcome, "val_noisy": outcome}
    return record


def test_a_run_of_100_classes_fits_some_screens(capsys: pytest.CaptureFixture[str]) -> None:
    record = of_100_classes()
    _print_record(record)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 300
    assert max(map(len, lines)) < 240
    text = "\n".join(lines)
    assert "100 x 100, diagonal 100 values in 0" in text
    assert '"class_counts": "100 values in 5 .. 5"' in text
    assert f"run {record['id']}: ok" in text
    assert "val_noisy" in text


def test_a_faulty_record_is_named_and_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    record = of_100_classes()
    del record["noise"]
    with pytest.raises(NoisybenchError, match="lacks the field noise"):
        _print_record(record)
    assert capsys.readouterr().out == ""


def test_where_there_are_no_runs_it_is_said_instead_of_an_id_that_is_not_there(here):
    told = here("predict", "ab12", "images", "--out", "classes.csv", code=2).stderr
    assert "there are no runs in results; `noisybench run SUITE` makes some" in told
