"""Leaderboards claim over data sets what data sets show, and nothing where they are too few."""

import base64
import random

import autorank
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from benchmark.tables.comparable import TableError
from benchmark.tables.first_two import first_two
from benchmark.tables.leaderboard import leaderboards
from benchmark.tables.order import MIN_UNITS
from benchmark.tables.sampling import right_flags
from benchmark.tables.test_images import TestImages
from tests.tables.test_comparison import build, ended, record

LEVELS = {"ce": 0.60, "gce": 0.80, "forward": 0.802}
NOISY = (0.2, 0.4)
IMAGES = 200


def runs(datasets=MIN_UNITS, seeds=3, levels=LEVELS, rates=(0.0, *NOISY)):
    generator = np.random.default_rng(0)
    made = []
    for number in range(datasets):
        hard = generator.normal(0, 0.05)
        own = {method: generator.normal(0, 0.01) for method in levels}
        for seed in range(seeds):
            shared = generator.normal(0, 0.01)
            for method, level in levels.items():
                for rate in rates:
                    value = level + hard + own[method] + shared - rate / 5 + generator.normal(0, 0.003)
                    made.append(on(number, float(value), method, rate, seed))
    return made


def on(number, value, method, rate, seed):
    made = record(value, method, rate, seed, dataset__digest=f"md5:{number}")
    made["provenance"]["labels"] = {"dataset": f"data{number}", "suite": "quick"}
    made["noise"]["labels_sha256"] = f"{number}/{rate}/{seed}"
    return made


def board(records, **choices):
    (found,) = leaderboards(build(records, **choices))
    return found


def told(found):
    return " ".join((*found.order, *found.notes))


def test_from_six_data_sets_on_places_are_over_data_sets():
    found = board(runs())
    assert (found.unit, found.units, len(found.datasets)) == ("data set", MIN_UNITS, MIN_UNITS)
    assert {name: (row["low"], row["high"], row["group"]) for name, row in found.methods.iterrows()} == {
        "gce": (1, 2, "a"),
        "forward": (1, 2, "a"),
        "ce": (3, 3, "b"),
    }
    row = found.methods.loc["gce"]
    assert row["delta"] == pytest.approx(0.2, abs=0.02)
    assert 0 < row["delta_half"] < 0.05
    assert (row["wins"], row["ties"], row["losses"]) == (MIN_UNITS, 0, 0)
    assert np.isnan(found.methods.loc["ce", "delta"])
    assert "every data set counts once" in told(found)
    assert "no general claim" not in told(found)


def test_more_seeds_or_columns_do_not_make_more_units():
    few, many = board(runs(datasets=4, seeds=2)), board(runs(datasets=4, seeds=12))
    for found in (few, many):
        assert found.units == 4
        assert set(found.methods["group"]) == {""}
        assert found.methods[["best", "delta_half"]].isna().all().all()
        assert "no general claim: 4 data sets" in told(found)


def test_one_data_set_has_seeds_as_units_and_says_so():
    found = board(runs(datasets=1, seeds=6))
    assert (found.unit, found.units) == ("seed", 6)
    assert "no claim holds beyond it" in told(found)
    assert found.methods.loc["ce", ["low", "high"]].tolist() == [3, 3]
    few = board(runs(datasets=1, seeds=3))
    assert "order: none is claimed with n = 3 seeds" in told(few)
    assert "cannot go below p = 0.25" in told(few)
    alone = board(runs(datasets=1, seeds=1))
    assert alone.methods["delta_half"].isna().all()
    assert np.isfinite(alone.methods["mean"]).all()


def test_means_are_of_noisy_columns_only_and_each_data_set_counts_once():
    made = runs(datasets=2, seeds=2)
    found = board(made)
    by_hand: dict[tuple[str, str], list[float]] = {}
    for run in made:
        if run["spec"]["noise"]["name"] != "none":
            key = (run["spec"]["method"]["name"], run["provenance"]["labels"]["dataset"])
            by_hand.setdefault(key, []).append(run["metrics"]["val_noisy"]["accuracy"])
    for (method, dataset), values in by_hand.items():
        assert found.means.loc[method, dataset] == pytest.approx(np.mean(values))
    assert found.methods.loc["ce", "mean"] == pytest.approx(found.means.loc["ce"].mean())


def test_ranks_are_those_of_autorank():
    found = board(runs(datasets=8))
    theirs = autorank.autorank(found.means.T.round(3), order="descending", force_mode="nonparametric", verbose=False)
    for method, rank in theirs.rankdf["meanrank"].items():
        assert found.methods.loc[method, "rank"] == pytest.approx(rank)


def test_a_hole_on_one_data_set_takes_the_method_out_and_is_named():
    made = [run for run in runs() if not is_last(run)]
    hole = ended("diverged", "gce", 0.4, 2, "NaN")
    hole["spec"]["dataset"]["digest"] = "md5:5"
    hole["provenance"]["labels"] = {"dataset": "data5", "suite": "quick"}
    hole["noise"]["labels_sha256"] = "5/0.4/2"
    found = board([*made, hole])
    assert list(found.methods.index) == ["forward", "ce"]
    assert "not ranked, for want of a value in some noisy column: `gce` on data5" in told(found)


def is_last(run):
    spec = run["spec"]
    return (
        spec["method"]["name"],
        spec["dataset"]["digest"],
        spec["noise"]["config"].get("rate"),
        spec["seeds"]["noise"],
    ) == (
        "gce",
        "md5:5",
        0.4,
        2,
    )


def test_a_seed_that_one_method_lacks_is_left_out_for_all_and_said():
    made = [run for run in runs(datasets=1, seeds=7) if not (name(run) == "gce" and run["spec"]["seeds"]["noise"] == 6)]
    found = board(made)
    assert found.units == 6
    assert "seeds of data0 that not all methods ran with are left out: 1" in told(found)


def name(run):
    return run["spec"]["method"]["name"]


def test_without_the_baseline_there_are_no_differences():
    found = board([run for run in runs() if name(run) != "ce"])
    assert found.methods[["delta", "wins", "skill"]].isna().all().all()
    assert found.methods["improvability"].notna().all()


def test_less_is_better_for_losses():
    (found,) = leaderboards(build(runs(), metric="nll"))
    assert found.lower_is_better
    assert found.methods.index[-1] == "ce"
    assert found.methods.loc["gce", "delta"] < 0
    assert found.methods.loc["gce", "wins"] == MIN_UNITS


def test_practical_equivalence_decides_what_a_tie_is():
    close = board(runs(), rope=0.5)
    assert close.methods.loc["gce", ["wins", "ties", "losses"]].tolist() == [0, MIN_UNITS, 0]


def test_shuffled_records_make_the_same_leaderboard():
    made = runs()
    shuffled = random.Random(1).sample(made, len(made))
    one, other = board(made), board(shuffled)
    pd.testing.assert_frame_equal(one.methods, other.methods)
    pd.testing.assert_frame_equal(one.matrix, other.matrix)
    pd.testing.assert_frame_equal(one.robustness, other.robustness)
    assert one.notes == other.notes


def test_the_test_labels_rank_nothing():
    with pytest.raises(TableError, match="--rule val_noisy"):
        leaderboards(build(runs(), rule="oracle_test"))


def test_robustness_is_over_the_rates_that_all_data_sets_have():
    found = board(runs())
    row = found.robustness.loc[("ce", "symmetric")]
    assert row[["rates", "low", "high", "n"]].tolist() == [3, 0.0, 0.4, MIN_UNITS]
    assert row["mean"] == pytest.approx(found.methods.loc["ce", "mean"], abs=0.05)


def with_images(records):
    """Each run has the images right that its accuracy leaves it, the easiest first, but for some at random."""
    generator = np.random.default_rng(1)
    easy = generator.random(IMAGES)
    for run in records:
        right = easy + generator.normal(0, 0.1, IMAGES) < run["metrics"]["val_noisy"]["accuracy"]
        bits = base64.b64encode(np.packbits(right).tobytes()).decode()
        run["outcomes"] = {"val_noisy": {"right": bits}}
        run["tests"] = {"test": {"size": IMAGES, "groups": None}, "extra": {}}
    return records


def compared(records, images=(), labels=None, **choices):
    """The first two of the leaderboard of `records`, where the records of `images` can be looked up."""
    by_id = {run["id"]: run for run in images}
    lookup = TestImages(lambda ids: {run: by_id[run] for run in ids if run in by_id}, lambda ids, test: labels)
    table = build(records, images=lookup, **choices)
    (found,) = leaderboards(table)
    return first_two(found, table)


def test_the_first_two_are_compared_image_by_image():
    made = with_images(runs(datasets=2, seeds=3, levels={"ce": 0.6, "gce": 0.8}))
    found = compared(made, made)
    assert (found.first, found.second) == ("gce", "ce")
    assert set(found.sampling.index.get_level_values("dataset")) == {"data0", "data1"}
    row = found.sampling.loc[("data0", "symmetric:0.4")]
    right: dict[str, list[np.ndarray]] = {"gce": [], "ce": []}
    for run in made:
        if run["provenance"]["labels"]["dataset"] == "data0" and run["spec"]["noise"]["config"].get("rate") == 0.4:
            right[name(run)].append(right_flags(run["outcomes"]["val_noisy"]["right"], IMAGES))
    assert row["lead"] == pytest.approx(np.mean(right["gce"]) - np.mean(right["ce"]))
    assert (row["images"], row["runs"]) == (IMAGES, 3)
    assert row["false"] < 0.01
    text = " ".join(found.notes)
    assert "`gce` leads `ce`" in text
    assert "false with probability" in text


def test_records_that_do_not_say_which_images_came_out_right_give_a_sentence():
    made = runs(datasets=1, seeds=3)
    found = compared(made, made)
    assert found.sampling.empty
    assert "not recorded" in " ".join(found.notes)
    assert compared(made).sampling.empty
    assert compared([run for run in made if name(run) == "ce"], made) is None


def test_balanced_accuracy_needs_kept_labels_or_says_so():
    made = with_images(runs(datasets=1, seeds=3))
    for run in made:
        run["main_metric"] = "balanced_accuracy"
        run["metrics"]["val_noisy"]["balanced_accuracy"] = run["metrics"]["val_noisy"]["accuracy"]
    without = compared(made, made, metric="main")
    assert "--keep predictions" in " ".join(without.notes)
    labels = (np.arange(IMAGES) % 10 == 0).astype(int)
    kept = compared(made, made, labels, metric="main")
    assert "--keep predictions" not in " ".join(kept.notes)
    assert not np.allclose(kept.sampling["lead"], without.sampling["lead"])


FATES = st.sampled_from(["ok"] * 6 + ["diverged", "nan", "absent"])


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking a grid takes minutes
)
@given(st.integers(1, 3), st.integers(1, 2), st.data())
def test_whatever_is_missing_no_mean_is_over_a_hole_and_every_method_is_ranked_or_named(datasets, seeds, data):
    made: list[dict] = []
    cells: dict[tuple[str, str, float], list[float | None]] = {}
    for run in runs(datasets, seeds):
        spec, dataset = run["spec"], run["provenance"]["labels"]["dataset"]
        fate = data.draw(FATES)
        if fate == "absent":
            continue
        key = (dataset, name(run), spec["noise"]["config"].get("rate", 0.0))
        if fate != "ok":
            run["metrics"]["val_noisy"]["accuracy"] = None
        if fate == "diverged":
            run |= {"state": "diverged", "reason": "NaN", "metrics": None}
        cells.setdefault(key, []).append(run["metrics"]["val_noisy"]["accuracy"] if fate == "ok" else None)
        made.append(run)
    if not made or all(run["metrics"] is None for run in made):
        return
    whole = {key: values for key, values in cells.items() if None not in values}
    for found in leaderboards(build(made)):
        for dataset in found.datasets:
            columns = {rate for named, _, rate in whole if named == dataset and rate}
            complete = {m for m in LEVELS if all((dataset, m, rate) in whole for rate in columns)}
            assert set(found.methods.index) <= complete
        assert found.means.notna().all().all()
        known = {name(run) for run in made}
        for method in known - set(found.methods.index):
            assert f"`{method}`" in told(found).partition("not ranked, for want of a value in some noisy column: ")[2]
        for dataset in {named for named, _, _ in cells} - set(found.datasets):
            assert dataset in told(found)
