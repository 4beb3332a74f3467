"""A repeated run is compared bit for bit where it must be equal, and with the stated tolerance elsewhere."""

import json
from typing import Any

import pytest

from benchmark.runs.rerun import choose, compare, tolerance_of


def record(**changes):
    found: dict[str, Any] = {
        "id": "ab",
        "state": "ok",
        "spec": {},
        "main_metric": "accuracy",
        "noise": {"labels_sha256": "1"},
        "tests": {"test": {"size": 400}},
        "metrics": {"last": {"accuracy": 0.8}, "val_noisy": {"accuracy": 0.8}},
        "provenance": {"hardware": {"processor": "p", "cores": 2}, "threads": 1, "libraries": {"torch": "2"}},
    }
    for path, value in changes.items():
        at: dict[str, Any] = found
        *above, last = path.split("__")
        for key in above:
            at = at[key]
        at[last] = value
    return json.loads(json.dumps(found))


def test_equal_records_pass_whatever_the_machine():
    assert compare(record(), record(provenance__hardware={"processor": "q", "cores": 4})).passed
    assert compare(record(), record()).same_kind


@pytest.mark.parametrize("difference", [0.0001, 0.1])
def test_on_the_same_kind_of_processor_no_difference_passes(difference):
    result = compare(record(), record(metrics__last__accuracy=0.8 - difference, provenance__hardware__cores=64))
    assert result.same_kind
    assert not result.passed


@pytest.mark.parametrize(
    ("path", "value"),
    [("provenance__hardware__processor", "q"), ("provenance__libraries__torch", "3"), ("provenance__threads", 2)],
)
def test_elsewhere_the_tolerance_decides(path, value):
    tolerance = tolerance_of(0.8, 400)
    assert 0.1 < tolerance < 0.12
    assert compare(record(), record(metrics__last__accuracy=0.8 - 0.99 * tolerance, **{path: value})).passed
    assert not compare(record(), record(metrics__last__accuracy=0.8 - 1.01 * tolerance, **{path: value})).passed
    assert not compare(record(), record(noise__labels_sha256="2", **{path: value})).passed
    assert not compare(record(), record(state="diverged", **{path: value})).passed


def test_the_choice_depends_on_the_seed_alone():
    pairs: list[Any] = [(record(id=str(number)), None) for number in range(50)]
    assert choose(pairs, 5, 1) == choose(pairs, 5, 1)
    assert choose(pairs, 5, 1) != choose(pairs, 5, 2)
    assert len(choose(pairs, 99, 1)) == 50
