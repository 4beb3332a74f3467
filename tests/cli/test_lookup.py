"""Statistics of single test images find them in results folders, and the labels in kept predictions."""

import numpy as np
import pytest

from benchmark.cli.lookup import image_lookup
from benchmark.cli.results import build_tables
from benchmark.store import kept
from benchmark.store.store import Store
from benchmark.tables.first_two import first_two
from benchmark.tables.leaderboard import leaderboards

GRID = ("run", "-d", "digits", "-m", "ce", "-m", "gce", "-n", "symmetric:0.4", "--seeds", "2", "--epochs", "2")


def test_a_leaderboard_of_fresh_runs_compares_the_first_two_image_by_image(here, tmp_path):
    here(*GRID, "--keep", "predictions")
    text = " ".join(here("table", "--layout", "leaderboard").stdout.split())
    assert "The first two on the test images" in text
    assert "on the 359 test images of digits, false with probability" in text

    store = Store(tmp_path / "results")
    (table,) = build_tables(store, None, rules=("val_noisy",), images=image_lookup(store, ()))
    (board,) = leaderboards(table)
    found = first_two(board, table)
    lead = board.methods.loc[found.first, "mean"] - board.methods.loc[found.second, "mean"]
    assert found.sampling.loc[("digits", "symmetric:0.4"), "lead"] == pytest.approx(lead)

    # The same from another folder's records, by name.
    elsewhere = Store(tmp_path / "empty")
    other = image_lookup(elsewhere, (store.folder,))
    ids = [run["id"] for run in store.records().records]
    assert set(other.records(ids)) == set(ids)
    np.testing.assert_array_equal(other.labels(ids, "test"), kept.read_predictions(store, ids[0])["test/labels"])
    assert other.labels(ids, "hospital") is None
    assert image_lookup(elsewhere, ()).labels(ids, "test") is None
    assert image_lookup(elsewhere, ()).records(ids) == {}
