"""`noisybench run --tune N`: the same number of configurations for every method, chosen by noisy validation."""

import json
import statistics
from pathlib import Path

import pytest

from benchmark.runs.tuning import choose
from benchmark.seeds import TUNING_SEED
from tests.conftest import command_line

GRID = ["-d", "digits:subset=200", "-b", "cnn", "-m", "ce", "-m", "gce", "-n", "none", "-n", "symmetric:0.4"]
SETTINGS = ["--seeds", "2", "--epochs", "2", "--tune", "3"]


def records(folder: Path):
    return [json.loads(path.read_text()) for path in (folder / "runs").rglob("*.json")]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The results folder of a small grid with a search for each of two methods, and what it printed."""
    folder = tmp_path_factory.mktemp("tuned")
    done = command_line(folder, "run", *GRID, *SETTINGS)
    return folder / "results", done


def test_the_chosen_configuration_is_the_best_by_noisy_validation_over_all_columns(tuned):
    folder, _ = tuned
    every = records(folder)
    trials = [one for one in every if one["spec"]["seeds"]["method"] == TUNING_SEED]
    assert len(trials) == 2 * 3 * 2
    for name in ("ce", "gce"):
        scores: dict[str, list[float]] = {}
        for one in trials:
            method = one["spec"]["method"]
            if method["name"] == name:
                key = json.dumps([method["config"], method["recipe"]])
                scores.setdefault(key, []).append(max(one["curve"]["val_noisy"][one["main_metric"]]))
        assert sorted(map(len, scores.values())) == [2, 2, 2]
        best = max(statistics.mean(values) for values in scores.values())
        of_tuned = [one["spec"]["method"] for one in every if one["spec"]["method"].get("tuned")]
        chosen = {json.dumps([m["config"], m["recipe"]]) for m in of_tuned if m["name"] == name}
        assert len(chosen) == 1
        assert statistics.mean(scores[chosen.pop()]) == pytest.approx(best)


def test_a_table_shows_default_and_tuned_side_by_side_and_no_trial(tuned, here):
    folder, done = tuned
    for text in (done.stdout, here("table", "--results", folder).stdout):
        rows = [line for line in text.splitlines() if line.startswith("| ")]
        first = [row.split("|")[1].strip().rstrip("\\*") for row in rows[1:5]]
        assert set(first) == {"ce", "ce tuned (N = 3)", "gce", "gce tuned (N = 3)"}
        assert first.index("ce tuned (N = 3)") == first.index("ce") + 1
        assert "on a seed that is not reported" in text.replace("\n  ", " ")
    assert str(TUNING_SEED) not in done.stdout


def test_a_second_call_runs_nothing(tuned, here):
    folder, _ = tuned
    again = here("run", *GRID, *SETTINGS, "--results", folder, "--no-table")
    assert "8 runs, 8 already done" in again.stderr or "16 runs, 16 already done" in again.stderr


def test_runs_of_an_untuned_method_keep_their_ids(tuned):
    folder, _ = tuned
    plain = [one for one in records(folder) if "tuned" not in one["spec"]["method"]]
    assert len(plain) == 2 * 2 * 2 + 12


def test_before_the_trials_have_ended_nothing_is_chosen(here):
    done = here("table", *GRID, *SETTINGS, code=2)
    assert "no configuration of ce, gce is chosen yet" in done.stderr
    assert choose([["a"], ["b"]], {"a": 0.5}) is None


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ({"a": 0.5, "b": 0.6, "c": 0.7, "d": 0.3}, 0),
        ({"a": 0.5, "b": 0.5, "c": 0.7, "d": 0.4}, 1),
        ({"a": None, "b": 0.9, "c": 0.1, "d": 0.1}, 1),
        ({"a": None, "b": None, "c": None, "d": None}, 0),
        ({"a": 0.1, "b": 0.1, "c": None, "d": 0.9}, 0),
    ],
)
def test_the_default_wins_ties_and_a_diverged_configuration_loses(scores, expected):
    assert choose([["a", "b"], ["c", "d"]], scores) == expected


BREAKS = """
from methods import Card, Field, Method, Search

class Breaks(Method):
    card = Card(search=(Search("q", 0.1, 1.0),))

    class Config(Method.Config):
        q: float = Field(0.7, gt=0, le=1)

    def loss(self, logits, batch):
        if self.cfg.q != 0.7:
            raise RuntimeError("only the default works")
        return super().loss(logits, batch)
"""


def test_a_failed_trial_is_told_and_its_method_has_no_tuned_row(here, tmp_path):
    (tmp_path / "breaks.py").write_text(BREAKS)
    grid = ["-d", "digits:subset=100", "-b", "cnn", "-m", "ce", "-m", "breaks", "-n", "none", "--seeds", "1"]
    plugin = ["--plugin", tmp_path / "breaks.py", "--epochs", "1", "--tune", "2"]
    done = here("run", *grid, *plugin, code=1)
    assert "no configuration of breaks is chosen yet" in done.stderr
    assert "1 run(s) failed" in done.stderr
    assert "ce tuned (N = 2)" in done.stdout
    assert "breaks tuned" not in done.stdout


def test_a_column_that_is_skipped_does_not_keep_the_search_from_choosing(here):
    """`knn` is skipped on a network that is not frozen: every trial of it is, and nothing fails."""
    grid = ["-d", "digits:subset=100", "-b", "cnn", "-m", "ce", "-m", "knn", "-n", "none", "--seeds", "1"]
    done = here("run", *grid, "--epochs", "1", "--tune", "2")
    assert "chosen yet" not in done.stderr


def test_zero_configurations_are_refused(here):
    done = here("run", *GRID, "--tune", "0", code=2)
    assert "tune" in done.stderr
    assert "greater than or equal to 1" in done.stderr
