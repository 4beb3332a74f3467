"""On real digits with wrong labels, the rule that sees no labels stops before these are memorized."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest


def first_rise_after_a_fall(changed: list[float]) -> int:
    """Position, among the windows of three epochs, of the first local minimum; the last one if there is none."""
    means = np.convolve(changed, np.ones(3) / 3, "valid")
    minima = [at for at in range(1, len(means) - 1) if means[at - 1] > means[at] < means[at + 1]]
    return minima[0] if minima else len(means) - 1


@pytest.mark.slow
def test_label_wave_on_digits(here: Any, tmp_path: Any) -> None:
    grid = ("-d", "digits", "-m", "ce", "-n", "symmetric:0.4", "--seeds", "2", "--epochs", "16")
    here("run", *grid)
    stopped = 0
    for path in (tmp_path / "results" / "runs").rglob("*.json"):
        record = json.loads(path.read_text())
        figures, curve = record["metrics"]["label_wave"], record["curve"]
        changed = curve["changed"][1:]
        assert figures["epoch"] == first_rise_after_a_fall(changed) + 4, "the first window ends with epoch 4"
        assert round(figures["accuracy"], 5) == curve["test"]["accuracy"][figures["epoch"] - 1]
        confusion = np.array(record["outcomes"]["label_wave"]["confusion"])
        assert np.isclose(np.trace(confusion) / confusion.sum(), figures["accuracy"])
        if figures["epoch"] < 16:
            stopped += 1
            assert figures["accuracy"] > record["metrics"]["last"]["accuracy"] + 0.03
    assert stopped
    table = here("table", *grid, "--rule", "label_wave").stdout
    assert "label_wave" in table or "change least" in table
    assert "| ce " in table
