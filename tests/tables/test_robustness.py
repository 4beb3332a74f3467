"""Tables by severity and corruption: what they average, what they compare, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from benchmark.report.layouts.robustness import document
from benchmark.report.markdown import render_markdown as render
from benchmark.report.publishing.identities import _of_copies
from benchmark.tables import corrupted
from benchmark.tables.comparison import Table, TableError
from benchmark.tables.robustness import Scored, chosen, copies, drops, relative_errors
from tests.tables.test_comparison import Record, build, record

KINDS = ("blur", "noise")
LOST = {"blur": 0.01, "noise": 0.03}
"""Accuracy that a corruption takes per severity."""


def corrupted_run(value: float, method: str, rate: float, seed: int, spared: float = 0.0) -> Record:
    """A run that loses `LOST` on copies of severity 1 and 2, but for the share `spared` of it."""
    made = record(value, method, rate, seed, dataset__extra_tests={"bad": {"name": "corrupted"}})
    pairs = [(kind, severity) for kind in KINDS for severity in (1, 2)]
    accuracy = [round(value - LOST[kind] * severity * (1 - spared), 5) for kind, severity in pairs]
    figures = {"epoch": 3, "phase": "train", "metrics": {"accuracy": accuracy, "nll": [1.0, 2.0, None, 4.0]}}
    made["tests"] = {"test": {"size": 1000, "digest": None, "groups": None, "shared_images": 0}, "extra": {}}
    made["metrics"]["val_noisy"]["epoch"] = 3
    made["corrupted_tests"] = {
        "bad": {
            "kind": [kind for kind, _ in pairs],
            "severity": [severity for _, severity in pairs],
            "notes": ["saturate left out, as the images of digits are gray"],
            "figures": {"val_noisy": figures, "last": None},
        }
    }
    return made


def grid() -> list[Record]:
    values = {"ce": (0.70, 0.72, 0.71), "gce": (0.80, 0.81, 0.83)}
    return [
        corrupted_run(value - rate / 2, method, rate, seed, spared=0.5 if method == "gce" else 0.0)
        for method, seeds in values.items()
        for rate in (0.0, 0.4)
        for seed, value in enumerate(seeds)
    ]


def scored(records: list[Record], **choices: Any) -> Scored:
    def table(test: str | None) -> Table:
        return build(records, extra_test=test, **choices)

    severities, kinds = copies(records, "bad")
    return Scored(
        table(None),
        table("bad"),
        {severity: table(corrupted.one("bad", severity=severity)) for severity in severities},
        {kind: table(corrupted.one("bad", kind=kind)) for kind in kinds},
    )


@pytest.mark.parametrize(
    ("test", "accuracy", "nll"),
    [
        ("bad", 0.7 - 0.03, None),
        ("bad-1", 0.7 - 0.02, None),
        ("bad-2", 0.7 - 0.04, 3.0),
        ("bad.blur", 0.7 - 0.015, 1.5),
        ("bad.noise-2", 0.7 - 0.06, 4.0),
    ],
)
def test_a_name_says_which_copies_are_averaged(test, accuracy, nll):
    found = corrupted.figures(corrupted_run(0.7, "ce", 0.0, 0), test)
    assert found is not None
    assert found["val_noisy"]["accuracy"] == pytest.approx(accuracy)
    assert found["val_noisy"]["nll"] == (None if nll is None else pytest.approx(nll))
    assert found["last"] is None


@pytest.mark.parametrize("test", ["bad-3", "bad.haze", "ba", "bad-", "bad.blur-9", "badness"])
def test_copies_that_a_record_does_not_have_are_not_made_up(test):
    assert corrupted.figures(corrupted_run(0.7, "ce", 0.0, 0), test) is None
    with pytest.raises(TableError, match=r"no run was scored on a test set .*; there are: bad \(--extra\)"):
        build(grid(), extra_test=test)


def test_drops_are_paired_by_seed():
    """All runs lose the same, so that the interval is empty although runs differ."""
    tables = scored(grid())
    found = drops(tables.clean.blocks[0], tables.whole.blocks[0])
    assert found.loc[("ce", "none"), "mean"] == pytest.approx(0.03)
    assert found.loc[("gce", "symmetric:0.4"), "mean"] == pytest.approx(0.015)
    assert found.loc[("ce", "none"), "half"] == pytest.approx(0, abs=1e-9)
    assert found.loc[("ce", "none"), "n"] == 3


def test_a_drop_of_a_metric_of_which_less_is_better_is_an_increase():
    records = [corrupted_run(0.7, "ce", 0.0, seed) for seed in range(3)]
    tables = [build(records, metric="nll", extra_test=test) for test in (None, "bad.blur")]
    found = drops(*(table.blocks[0] for table in tables))
    assert found.loc[("ce", "none"), "mean"] == pytest.approx(1.5 - 0.3)


def test_relative_errors_are_those_of_the_formula():
    tables = scored(grid())
    kinds = [table.blocks[0] for table in tables.kinds.values()]
    found = relative_errors(tables.clean.blocks[0], tables.whole.blocks[0], kinds, "ce")
    ce, gce = 0.71, (0.80 + 0.81 + 0.83) / 3
    ratios = [(1 - gce + lost * 1.5 / 2) / (1 - ce + lost * 1.5) for lost in LOST.values()]
    assert found.at[("gce", "none"), "error"] == pytest.approx(sum(ratios) / 2)
    assert found.at[("gce", "none"), "relative"] == pytest.approx(0.5)
    assert found.at[("ce", "symmetric:0.4"), "error"] == pytest.approx(1)


def test_the_page_shows_severities_drop_and_corruptions():
    text = render(document(scored(grid())))
    assert "| method | test set" in text
    (line, *_) = [line for line in text.splitlines() if line.startswith("| ce ")]
    assert [cell.strip() for cell in line.split("|")[2:-1]] == [
        ".710 ±.010", ".690 ±.010", ".670 ±.010", ".680 ±.010", ".030 ±.000", "-", "1.000", "1.000",
    ]  # fmt: skip
    assert "| noise      | .7" in text
    assert "saturate left out, as the images of digits are gray" in text
    assert "2 corruptions, severities 1, 2" in text


def test_a_method_without_the_baseline_is_shown_without_what_is_relative_to_it():
    text = render(document(scored([run for run in grid() if run["spec"]["method"]["name"] == "gce"])))
    assert "mCE" not in text
    assert "| gce " in text


def test_a_run_that_is_missing_is_a_hole_and_no_smaller_mean():
    records = grid()
    records[0]["corrupted_tests"]["bad"]["figures"]["val_noisy"] = None
    line = next(
        line for line in render(document(scored(records))).splitlines() if line.startswith("| ce ") and "2/3" in line
    )
    assert ".710 ±.010" in line, "the test set itself has all runs"


def test_what_can_be_shown_is_said():
    plain = [record(0.7, "ce", 0.0, seed) for seed in range(2)]
    with pytest.raises(TableError, match="--extra-test corrupted"):
        chosen(plain, None)
    assert chosen(grid(), None) == "bad"
    with pytest.raises(TableError, match=r"no copies 'worse'; expected one of bad \(--extra\)"):
        chosen(grid(), "worse")
    two = grid()
    two[0]["corrupted_tests"]["worse"] = two[0]["corrupted_tests"]["bad"]
    with pytest.raises(TableError, match="several sets of corrupted copies; expected one of bad, worse"):
        chosen(two, None)


def test_figures_that_cannot_be_are_found():
    run = corrupted_run(0.7, "ce", 0.0, 0)
    sound = run["corrupted_tests"]["bad"]
    assert list(_of_copies(sound, run)) == []
    figures = sound["figures"]["val_noisy"]
    for broken, said in (
        ({**sound, "severity": [1, 1, 1, 2]}, "4 kinds and 4 severities name 3 copies"),
        ({**sound, "figures": {"val_noisy": {**figures, "epoch": 2}}}, "its epoch is 2, and the rule chooses 3"),
        ({**sound, "figures": {"val_noisy": {**figures, "metrics": {"accuracy": [0.5]}}}}, "1 figures of 4 copies"),
        (
            {**sound, "figures": {"val_noisy": {**figures, "metrics": {"accuracy": [0.5, 0.5, 0.5, 0.70051]}}}},
            "accuracy 0.70051 is no share of 1000 images",
        ),
    ):
        assert any(said in fault for fault in _of_copies(broken, run)), said
