"""`noisybench table`: formats, layouts, several rules and metrics, and what does not go together."""

import csv
import io

import pytest
from click.testing import CliRunner

from benchmark.cli.results import table
from benchmark.report import FORMATS
from benchmark.report.layouts.all import LAYOUTS
from tests.conftest import SCHEMA_1

PUBLISHED = ("table", "--with", SCHEMA_1)


def rows(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_help_names_every_layout_and_format():
    told = CliRunner().invoke(table, ["--help"]).output
    assert all(f"{name}: " in told for name in LAYOUTS)
    assert "[md|csv|latex|html]" in told
    assert {*FORMATS, "csv"} == {"md", "csv", "latex", "html"}


@pytest.mark.parametrize(
    ("form", "beginning"), [("md", "# accuracy, last"), ("latex", "% Made by"), ("html", "<article class=")]
)
def test_published_records_are_printed_in_every_format(form, beginning, here):
    assert here(*PUBLISHED, "--rule", "last", "--format", form).stdout.startswith(beginning)


@pytest.mark.parametrize("command", [("table",), ("status",), ("report", "--out", "site"), ("publish", "--out", "p")])
@pytest.mark.parametrize("option", [("-m", "ce"), ("--seeds", "3"), ("--epochs", "2")])
def test_an_option_of_a_grid_that_nothing_names_is_refused(command, option, here):
    told = here(*command, *option, code=2).stderr
    assert "describes a grid, and no grid was named; name a suite" in told


def test_csv_of_several_rules_and_metrics_has_a_row_for_each(here):
    chosen = ("--rule", "val_noisy", "--rule", "last", "--metric", "accuracy", "--metric", "nll", "--rule", "last")
    found = rows(here(*PUBLISHED, "--format", "csv", *chosen).stdout)
    kinds = [(row["metric"], row["rule"]) for row in found]
    expected = [(metric, rule) for metric in ("accuracy", "nll") for rule in ("val_noisy", "last")]
    assert list(dict.fromkeys(kinds)) == expected
    assert len({kinds.count(kind) for kind in expected}) == 1
    alone = rows(here(*PUBLISHED, "--format", "csv", "--rule", "last", "--metric", "nll").stdout)
    assert [row for row in found if (row["metric"], row["rule"]) == ("nll", "last")] == alone


def test_csv_has_a_row_per_run_with_every_metric_by_every_rule(here):
    found = rows(here(*PUBLISHED, "--format", "csv", "--rows", "runs").stdout)
    assert len({row["id"] for row in found}) == len(found)
    assert f"{len(found)} runs" in here(*PUBLISHED).stdout
    assert all(
        float(row["last.accuracy"]) <= float(row["oracle_test.accuracy"]) for row in found if row["state"] == "ok"
    )
    assert {"val_noisy.nll", "seed.noise", "method", "realized_rate"} <= found[0].keys()


def test_csv_of_a_leaderboard_has_a_row_per_method_and_of_a_matrix_one_per_pair(here):
    places = rows(here(*PUBLISHED, "--format", "csv", "--layout", "leaderboard").stdout)
    pairs = rows(here(*PUBLISHED, "--format", "csv", "--layout", "matrix", "--rope", "0.02").stdout)
    of_board = [row for row in places if row["track"] == places[0]["track"]]
    assert len({row["method"] for row in of_board}) == len(of_board) > 1
    assert sum(row["track"] == places[0]["track"] for row in pairs) == len(of_board) * (len(of_board) - 1)
    assert {row["rope"] for row in pairs} == {"0.02"}
    assert {row["group"] for row in places} == {""}  # three seeds


def test_a_leaderboard_of_records_without_images_says_so(here):
    text = " ".join(here(*PUBLISHED, "--layout", "leaderboard").stdout.split())
    assert "one data set" in text
    assert "order: none is claimed with n = 3 seeds" in text
    assert "which test images came out right under the rule val_noisy is not recorded" in text


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--layout", "nope"), "unknown layout 'nope'; expected one of rates, backbones"),
        (("--layout", "cost", "--format", "csv"), "a CSV file has every figure of every cell"),
        (("--rows", "runs"), "--rows runs belongs to --format csv, not to md"),
        (("--layout", "matrix", "--format", "csv", "--rows", "runs"), "--layout matrix has no runs in its rows"),
        (("--rule", "nope"), "unknown rule 'nope'; expected one of val_noisy"),
        (("--rule", "last", "--metric", "nope"), "metric 'nope' is unknown; expected one of main, accuracy"),
        (("--format", "csv", "--rows", "runs", "--rule", "last"), "--rule chooses what cells hold"),
        (("--format", "csv", "--rows", "runs", "--timing"), "--timing chooses what cells hold"),
        (("--layout", "tuned"), "no method is tuned here; expected runs of a search"),
        (("--layout", "papers"), "no paper prints a figure"),
        (("--rope", ".02"), "--rope decides what a tie is in the layouts leaderboard and matrix, and rates has none"),
        (("--layout", "matrix", "--rope", "nan"), "expected a number from 0 to 1"),
        (("--layout", "leaderboard", "--rule", "oracle_test"), "ranks nothing; expected another rule"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_does_not_go_together_is_refused(options, told, here):
    assert told in here(*PUBLISHED, *options, code=2).stderr


@pytest.mark.parametrize(
    "options", [("--format", form) for form in ("md", "csv", "latex", "html")] + [("--format", "csv", "--rows", "runs")]
)
def test_no_records_are_a_sentence(options, here):
    assert "noisybench run SUITE` makes some" in here("table", *options, code=2).stderr
