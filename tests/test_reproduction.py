"""Cards say of a reproduction what its CSV files hold, and the published page is made from them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from benchmark.errors import UsageError
from benchmark.grid.expand import expand
from benchmark.grid.job import Options
from benchmark.grid.suite import load
from benchmark.registry import METHODS
from benchmark.report import papers
from benchmark.store.schema import SCHEMA
from benchmark.store.store import Store
from scripts import _paper_figures as paper_figures
from scripts import _reproduction as reproduction


def curves(ours: list[list[float]], official: list[list[float]], pairing: str = "paired") -> pd.DataFrame:
    """Rows of the method "m": accuracies [seeds][epochs] of both sides."""
    rows = [
        ("m", pairing, "symmetric:0.4", seed, epoch + 1, side, value, 1 - value, source)
        for side, seeds, source in (("ours", ours, "version 3, 0123"), ("official", official, "owner/m@1"))
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
    assert reproduction.PAGE.read_text(encoding="utf-8") == reproduction.page(
        reproduction.read(), reproduction.versions_of_today()
    )


def test_every_seed_of_a_file_has_both_sides_and_every_epoch() -> None:
    gaps = reproduction.gaps(reproduction.read())
    for curve, rows in gaps.groupby(reproduction.CURVE):
        assert rows["epoch"].tolist() == list(range(1, len(rows) + 1)), curve


def test_a_paired_card_gives_the_mean_absolute_gap_of_all_epochs() -> None:
    frame = curves([[0.5, 0.9], [0.6, 0.8]], [[0.5, 0.896], [0.596, 0.804]])
    assert reproduction.card_text(frame, "m") == "paired: 3e-3 over 2 epochs (version 3)"


def test_a_card_gives_the_largest_gap_of_a_pairing_in_float64() -> None:
    frame = curves([[0.5, 0.9], [0.6, 0.8]], [[0.5, 0.9], [0.602, 0.8]], "float64")
    assert reproduction.card_text(frame, "m") == "in float64: at most .002 (version 3)"


def test_our_side_in_float64_is_no_record_and_stays(tmp_path: Path) -> None:
    frame = curves([[0.5, 0.9]], [[0.5, 0.9]], "float64")
    again = reproduction.with_records(frame, "m", Store(tmp_path))
    pd.testing.assert_frame_equal(again, frame)


def test_an_independent_card_gives_the_last_difference_with_its_t_interval() -> None:
    frame = curves([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]], [[0.9, 0.89], [0.9, 0.78], [0.9, 0.67]], "independent")
    # Mean .02 and sd .01 of three seeds; the t quantile of two degrees of freedom is 4.303.
    assert reproduction.card_text(frame, "m") == "run: +.020 ± .025 (version 3)"


FIGURES = """dataset = "CIFAR-10"

[[figures]]
method = "m"
source = "A paper, Table 1"
seen = "the paper"
network = "ResNet-34"
epochs = "120"
epoch = "last"
accuracy = { "symmetric:0.4" = 89.15, "pair:0.45" = 70.0 }
baseline_accuracy = { "symmetric:0.4" = 81.88 }
"""


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A folder with what the page of the method "m" needs beside its curves."""
    (tmp_path / "m.toml").write_text('title = "M in two epochs"\n')
    (tmp_path / "explained.toml").write_text('m = "Ours drops no batch."\n')
    return tmp_path


def test_the_page_shows_both_sides_and_their_gaps(published: Path) -> None:
    frame = curves([[0.5, 0.9], [0.6, 0.8]], [[0.4, 0.9], [0.6, 0.7]])
    text = reproduction.page(frame, {"m": 3}, published)
    assert "M in two epochs. Ours: version 3. Official side: owner/m@1." in text
    assert "\nOurs drops no batch.\n" in text
    row = "| symmetric:0.4 | paired | 2 | 2 | .850 ± .071 | .800 ± .141 | +.050 ± .635 | 0.5 | +.050 | .100 | -.050 |"
    assert row in text


def test_a_side_that_lacks_an_epoch_is_refused() -> None:
    frame = curves([[0.5, 0.9]], [[0.4]])
    with pytest.raises(UsageError, match="row m, paired, symmetric:0.4, 0, 2"):
        reproduction.gaps(frame)


def test_the_page_shows_what_papers_print_and_how_far_it_is_above_cross_entropy(tmp_path: Path) -> None:
    (tmp_path / "figures.toml").write_text(FIGURES)
    text = paper_figures.table(papers.read(tmp_path / "figures.toml").figures)
    row = "| m |  | 89.15 (+7.3) |  |  |  |  | pair:0.45 70 | ResNet-34 | 120 | last | A paper, Table 1 | the paper |"
    assert row in text


def test_figures_of_a_paper_with_an_unknown_key_are_refused(tmp_path: Path) -> None:
    (tmp_path / "figures.toml").write_text(FIGURES + "year = 2020\n")
    with pytest.raises(UsageError, match=r"keys \['year'\]; expected some of"):
        papers.read(tmp_path / "figures.toml")


def test_every_figure_of_a_paper_is_of_a_method_and_a_percentage() -> None:
    figures = papers.read().figures
    assert {figure.method for figure in figures} <= {entry.name for entry in METHODS.entries()}
    for figure in figures:
        values = [*figure.accuracy.values(), *(figure.baseline_accuracy or {}).values()]
        assert all(10 < value < 100 for value in values), figure
        assert set(figure.baseline_accuracy or {}) <= set(figure.accuracy), figure


def test_a_source_of_ours_without_a_version_is_refused() -> None:
    frame = curves([[0.5]], [[0.5]]).replace("version 3, 0123", "0123")
    with pytest.raises(UsageError, match="'0123' names no version; expected"):
        reproduction.versions(frame)


def test_the_page_says_where_our_side_had_an_older_version(published: Path) -> None:
    text = reproduction.page(curves([[0.5]], [[0.5]]), {"m": 4}, published)
    assert "Ours: version 3, today's is 4. Official side" in text


def test_pairings_of_different_versions_are_told_apart() -> None:
    older = curves([[0.5]], [[0.5]], "float64").replace("version 3, 0123", "version 2, 0123 in float64")
    text = reproduction.version_text(pd.concat([older, curves([[0.5]], [[0.5]])]))
    assert text == "float64 version 2, paired version 3"


def test_records_of_an_older_version_do_not_count(tmp_path: Path) -> None:
    suite = tmp_path / "ce.toml"
    suite.write_text('datasets = ["digits"]\nmethods = ["ce"]\nnoise = ["symmetric:0.4"]\nseeds = 1\n')
    store = Store(tmp_path / "results")
    jobs = expand(load(str(suite)), Options(results=str(store.folder), data_root=str(tmp_path)))
    spec = jobs[0].spec
    old = spec.model_copy(update={"method": spec.method.model_copy(update={"version": 0})})
    store.prepare()
    for each in (spec, old):
        store.write({"schema": SCHEMA, "id": each.id, "spec": each.model_dump(mode="json"), "state": "ok"})
    assert {key: record["id"] for key, record in reproduction.suite_records(suite, "ce", store).items()} == {
        ("symmetric:0.4", 0): spec.id
    }


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
