"""Cards say of a reproduction what its CSV files hold, and the published page is made from them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmark.errors import UsageError
from benchmark.registry import METHODS
from benchmark.store.store import Store
from scripts import _reproduction as reproduction


def curves(ours: list[list[float]], official: list[list[float]], pairing: str = "paired") -> pd.DataFrame:
    """Rows of the method "m": accuracies [seeds][epochs] of both sides."""
    rows = [
        ("m", pairing, "symmetric:0.4", seed, epoch + 1, side, value, 1 - value, "owner/m@1")
        for side, seeds in (("ours", ours), ("official", official))
        for seed, values in enumerate(seeds)
        for epoch, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=reproduction.COLUMNS)


def test_the_card_of_every_method_says_what_its_files_hold() -> None:
    frame = reproduction.read()
    assert len(frame)
    for entry in METHODS.entries():
        if not entry.external:
            assert METHODS.load(entry.name).card.reproduction == reproduction.card_text(frame, entry.name), entry.name


def test_the_published_page_is_made_from_the_files() -> None:
    assert reproduction.PAGE.read_text(encoding="utf-8") == reproduction.page(reproduction.read())


def test_every_seed_of_a_file_has_both_sides_and_every_epoch() -> None:
    gaps = reproduction.gaps(reproduction.read())
    for curve, rows in gaps.groupby(reproduction.CURVE):
        assert rows["epoch"].tolist() == list(range(1, len(rows) + 1)), curve


def test_a_paired_card_gives_the_mean_absolute_gap_of_all_epochs() -> None:
    frame = curves([[0.5, 0.9], [0.6, 0.8]], [[0.5, 0.896], [0.596, 0.804]])
    assert reproduction.card_text(frame, "m") == "paired: 3e-3 over 2 epochs"


def test_a_card_gives_the_largest_gap_of_a_pairing_in_float64() -> None:
    frame = curves([[0.5, 0.9], [0.6, 0.8]], [[0.5, 0.9], [0.602, 0.8]], "float64")
    assert reproduction.card_text(frame, "m") == "in float64: at most .002"


def test_our_side_in_float64_is_no_record_and_stays(tmp_path: Path) -> None:
    frame = curves([[0.5, 0.9]], [[0.5, 0.9]], "float64")
    again = reproduction.with_records(frame, "m", Store(tmp_path))
    pd.testing.assert_frame_equal(again, frame)


def test_an_independent_card_gives_the_last_difference_with_its_t_interval() -> None:
    frame = curves([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]], [[0.9, 0.89], [0.9, 0.78], [0.9, 0.67]], "independent")
    # Mean .02 and sd .01 of three seeds; the t quantile of two degrees of freedom is 4.303.
    assert reproduction.card_text(frame, "m") == "run: +.020 ± .025"


def test_the_page_shows_both_sides_and_their_gaps(tmp_path) -> None:
    (tmp_path / "m.toml").write_text('title = "M in two epochs"\n')
    frame = curves([[0.5, 0.9], [0.6, 0.8]], [[0.4, 0.9], [0.6, 0.7]])
    text = reproduction.page(frame, tmp_path)
    assert "M in two epochs. Official side: owner/m@1." in text
    row = "| symmetric:0.4 | paired | 2 | 2 | .850 ± .071 | .800 ± .141 | +.050 ± .635 | 0.5 | +.050 | .100 | -.050 |"
    assert row in text


def test_a_side_that_lacks_an_epoch_is_refused() -> None:
    frame = curves([[0.5, 0.9]], [[0.4]])
    with pytest.raises(UsageError, match="row m, paired, symmetric:0.4, 0, 2"):
        reproduction.gaps(frame)


def test_a_file_with_other_columns_is_refused(tmp_path) -> None:
    (tmp_path / "m-none-paired.csv").write_text("method,accuracy\nm,1\n")
    with pytest.raises(UsageError, match="expected"):
        reproduction.read(tmp_path)


def test_files_are_read_as_they_were_written(tmp_path) -> None:
    frame = curves([[0.5, 0.9], [0.6, 0.8]], [[0.4, 0.9], [0.6, 0.7]])
    reproduction.write(frame, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["m-symmetric-0.4-paired.csv"]
    key = [*reproduction.CURVE, "epoch", "side"]
    again = reproduction.read(tmp_path).set_index(key).sort_index()
    pd.testing.assert_frame_equal(again, frame.set_index(key).sort_index())
