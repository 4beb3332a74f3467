"""Tables tell the truth: intervals, holes, pairing, marks, and what must not be mixed."""

from __future__ import annotations

import copy
import csv
import io
import random
import re
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from benchmark.store.schema import SCHEMA
from benchmark.tables import comparison
from benchmark.tables.comparison import Marks, TableError
from benchmark.tables.frame import part_key
from benchmark.tables.statistics import paired_difference, summarize, t_factor
from tests.tables.written import render_csv, render_markdown

Record = dict[str, Any]
RECIPE = {"epochs": 10, "batch_size": 64, "optimizer": "adam", "lr": 0.001, "weight_decay": 0.0, "clip": None}
MARKS = {"ce": Marks(cost="1x"), "gce": Marks(cost="1x"), "forward": Marks(frozenset({"transition"}), "1x")}
DEFAULTS = {"method": {"ce": {}, "gce": {"q": 0.7}, "forward": {}}}


def spec(method: str = "ce", rate: float = 0.0, seed: int = 0, **changes: Any) -> Record:
    """`changes`: dotted path with __ -> value, such as dataset__digest="md5:b"."""
    noise = {"name": "symmetric", "version": 1, "config": {"rate": rate}}
    made: Record = {
        "protocol": 1,
        "track": "blind",
        "dataset": {"name": "digits", "version": 1, "config": {}, "digest": "md5:a", "subset": None},
        "noise": noise if rate else {"name": "none", "version": 1, "config": {}},
        "backbone": {"name": "cnn", "version": 1, "config": {}},
        "method": {"name": method, "version": 1, "config": {"q": 0.7} if method == "gce" else {}},
        "recipe": RECIPE,
        "seeds": dict.fromkeys(("noise", "init", "order", "method"), seed),
    }
    made = copy.deepcopy(made)
    for path, value in changes.items():
        *outer, last = path.split("__")
        place = made
        for key in outer:
            place = place[key]
        place[last] = value
    return made


def record(value: float | None, method: str = "ce", rate: float = 0.0, seed: int = 0, **changes: Any) -> Record:
    """An ended run whose accuracy is `value` under val_noisy, `value` - .1 under last; last5 is null."""
    whole = spec(method, rate, seed, **changes)
    figures = {"accuracy": value, "nll": None if value is None else 1 - value, "recall": [value, value]}
    lower = {name: None if v is None or isinstance(v, list) else v - 0.1 for name, v in figures.items()}
    return {
        "schema": SCHEMA,
        "id": repr(sorted(whole.items())),
        "spec": whole,
        "state": "ok",
        "reason": None,
        "metrics": {"val_noisy": figures, "last": lower, "last5": None, "oracle_test": figures},
        "extra_metrics": {},
        "deviations": {},
        "noise": {"realized_rate": rate * 0.9, "labels_sha256": f"{rate}/{seed}"},
        "provenance": {
            "commit": "0123456789abcdef",
            "dirty": False,
            "hardware": {"processor": "abacus", "cores": 2},
            "labels": {"dataset": "digits", "suite": "quick"},
        },
        "timing": {"seconds": 2.0 if method == "gce" else 1.0},
    }


def ended(state: str, method: str, rate: float, seed: int, reason: str) -> Record:
    made = record(None, method, rate, seed)
    if state == "failed":
        return {key: made[key] for key in ("schema", "id", "spec", "provenance")} | {
            "state": "failed",
            "error": {"class": reason, "message": "", "traceback": str(random.random())},
        }
    return made | {"state": state, "reason": reason, "metrics": None}


CE = {0.0: [0.9, 0.92, 0.94], 0.4: [0.6, 0.66, 0.69]}
GCE = {0.0: [0.9, 0.91, 0.92], 0.4: [0.8, 0.83, 0.86]}


def grid() -> list[Record]:
    return [
        record(value, method, rate, seed)
        for method, cells in (("ce", CE), ("gce", GCE))
        for rate, values in cells.items()
        for seed, value in enumerate(values)
    ]


def build(records: list[Record], **choices: Any) -> comparison.Table:
    parts = [record["spec"]["method"] for record in [*records, *(choices.get("expected") or ())]]
    by_name = choices.pop("by_name", MARKS)
    marks = {part_key(part): by_name[part["name"]] for part in parts if part["name"] in by_name}
    usual = {"rule": "val_noisy", "metric": "accuracy", "baseline": "ce", "marks": marks}
    return comparison.build(records, **({**usual, "defaults": DEFAULTS} | choices))


def cell(table: comparison.Table, method: str, noise: str) -> Mapping[str, Any]:
    (block,) = table.blocks
    return block.cells.loc[(method, noise)].to_dict()


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_t_intervals_equal_scipy() -> None:
    values = [0.6, 0.66, 0.69]
    low, high = scipy_stats.t.interval(0.95, 2, np.mean(values), scipy_stats.sem(values))
    found = summarize(pd.DataFrame({"cell": "a", "unit": "", "value": values}), ["cell"]).loc["a"]
    assert (found["n"], found["mean"]) == (3, pytest.approx(0.65))
    assert found["sd"] == pytest.approx(np.std(values, ddof=1))
    assert found["mean"] - found["half"] == pytest.approx(low)
    assert found["mean"] + found["half"] == pytest.approx(high)
    assert t_factor(5) == pytest.approx(2.7764451 / 5**0.5)
    assert np.isnan(t_factor(1))


def test_paired_differences_equal_the_interval_of_the_paired_t_test_in_any_order() -> None:
    left = pd.DataFrame({"cell": "a", "unit": "", "seeds": [0, 1, 2], "value": GCE[0.4]})
    right = pd.DataFrame({"cell": "a", "seeds": [2, 1, 0], "value": CE[0.4][::-1]})
    found = paired_difference(left, right, on=["cell", "seeds"], by=["cell"]).loc["a"]
    interval = scipy_stats.ttest_rel(GCE[0.4], CE[0.4]).confidence_interval(0.95)
    assert found["mean"] - found["half"] == pytest.approx(interval.low)
    assert found["mean"] + found["half"] == pytest.approx(interval.high)


def test_a_cell_holds_mean_sd_interval_difference_and_drop() -> None:
    found = cell(build(grid()), "gce", "symmetric:0.4")
    interval = scipy_stats.ttest_rel(GCE[0.4], CE[0.4]).confidence_interval(0.95)
    assert (found["state"], found["n"]) == ("value", 3)
    assert found["mean"] == pytest.approx(0.83)
    assert found["sd"] == pytest.approx(0.03)
    assert found["half"] == pytest.approx(0.03 * 4.3026527 / 3**0.5)
    assert found["delta"] == pytest.approx(0.18)
    assert found["delta"] + found["delta_half"] == pytest.approx(interval.high)
    assert found["drop"] == pytest.approx(0.08)


def test_the_clean_cell_comes_first_and_the_best_rank_on_top() -> None:
    (block,) = build(grid()).blocks
    assert block.columns == ("none", "symmetric:0.4")
    assert list(block.methods.index) == ["gce", "ce"]
    better = [r for r in grid() if r["spec"]["method"]["name"] == "ce"]
    better += [record(0.99, "gce", rate, seed) for rate in (0.0, 0.4) for seed in range(3)]
    (block,) = build(better).blocks
    assert list(block.methods.index) == ["gce", "ce"]
    assert list(block.methods["rank"]) == [1.0, 2.0]


def test_the_clean_column_counts_for_no_rank() -> None:
    cells = {
        "best_when_clean": {0.0: 0.99, 0.2: 0.80, 0.4: 0.70},
        "best_at_noise": {0.0: 0.10, 0.2: 0.81, 0.4: 0.71},
    }
    runs = [record(v, m, rate, s) for m, values in cells.items() for rate, v in values.items() for s in range(2)]
    (block,) = build(runs).blocks
    assert block.methods["rank"].to_dict() == {"best_at_noise": 1.0, "best_when_clean": 2.0}
    assert block.noisy == ("symmetric:0.2", "symmetric:0.4")
    assert "in the order of rank: average over symmetric:0.2, symmetric:0.4" in render_markdown(build(runs)).replace(
        "\n", " "
    )
    (only_clean,) = build([run for run in runs if run["spec"]["noise"]["name"] == "none"]).blocks
    assert only_clean.methods["rank"].isna().all()
    assert "rank" not in render_markdown(build([run for run in runs if run["spec"]["noise"]["name"] == "none"]))


def test_a_kind_of_noise_that_changed_no_label_counts_for_no_rank() -> None:
    tailed = {"name": "long_tail", "version": 1, "config": {"rho": 10}}
    extra = [
        record(value, method, 0.0, seed, noise=tailed) | {"noise": {"realized_rate": 0.0}}
        for method, value in (("ce", 0.99), ("gce", 0.1))
        for seed in range(3)
    ]
    (block,) = build(grid() + extra).blocks
    assert block.noisy == ("symmetric:0.4",)
    assert block.methods["rank"].to_dict() == {"gce": 1.0, "ce": 2.0}


@settings(deadline=None, max_examples=20)
@given(st.permutations([0.1, 0.2, 0.3, 0.7]), st.permutations([0.1, 0.2, 0.3, 0.7]))
def test_methods_that_print_alike_rank_alike(one: list[float], other: list[float]) -> None:
    runs = [record(v, m, 0.4, seed) for m, values in (("a", one), ("b", other)) for seed, v in enumerate(values)]
    runs += [record(0.3251 + 0.0001 * k, m, 0.2, seed) for k, m in enumerate("ab") for seed in range(4)]
    table = build(runs)
    assert list(table.blocks[0].methods["rank"]) == [1.5, 1.5]


def crossed(noise_seeds: int, init_seeds: int, effect: float) -> list[Record]:
    """Runs that differ by the seed of the noise, and hardly by that of the weights."""
    return [
        record(0.5 + effect * n + 0.001 * i, "ce", 0.4, **{f"seeds__{k}": v for k, v in seeds.items()})
        for n in range(noise_seeds)
        for i in range(init_seeds)
        for seeds in [{"noise": n, "init": i, "order": i, "method": i}]
    ]


def test_the_interval_of_crossed_seeds_is_over_the_coarsest_ones() -> None:
    (block,) = build(crossed(2, 2, 0.1)).blocks
    found = block.cells.loc[("ce", "symmetric:0.4")]
    means = [0.5005, 0.6005]
    assert (found["n"], found["units"]) == (4, 2)
    assert found["mean"] == pytest.approx(np.mean(means))
    low, _ = scipy_stats.t.interval(0.95, 1, np.mean(means), scipy_stats.sem(means))
    assert found["mean"] - found["half"] == pytest.approx(low)
    text = re.sub(r"\n *", " ", render_markdown(build(crossed(2, 2, 0.1))))
    assert "sd and intervals are over the 2 seeds of noise, each the mean of its runs" in text
    assert "sd at n = 2" in text
    fewer = build(crossed(3, 2, 0.1)).blocks[0].cells.loc[("ce", "symmetric:0.4")]
    assert (fewer["n"], fewer["units"]) == (6, 2), "the weights have the fewest seeds"


def test_seeds_that_vary_together_or_alone_are_independent() -> None:
    for runs in (crossed(4, 1, 0.1), crossed(1, 4, 0.1), [record(0.1 * s, "ce", 0.4, s) for s in range(4)]):
        table = build(runs)
        assert table.blocks[0].cells.loc[("ce", "symmetric:0.4"), "units"] == 4
        assert "crossed" not in render_markdown(table)


def test_differences_of_crossed_seeds_are_over_the_coarsest_ones_too() -> None:
    better = [
        record(0.8 + 0.1 * r["spec"]["seeds"]["noise"], "gce", 0.4, seeds=r["spec"]["seeds"])
        for r in crossed(2, 3, 0.05)
    ]
    found = build(crossed(2, 3, 0.05) + better).blocks[0].cells.loc[("gce", "symmetric:0.4")]
    differences = [0.3 - 0.001, 0.35 - 0.001]
    assert (found["delta_n"], found["delta"]) == (6, pytest.approx(np.mean(differences)))
    assert found["delta_half"] == pytest.approx(12.7062047 * np.std(differences, ddof=1) / 2**0.5)


def test_each_data_set_is_reported_by_its_own_main_metric() -> None:
    def run(data: str, main: str, noise_rate: float, seed: int) -> Record:
        made = record(0.95, "ce", noise_rate, seed, dataset__name=data, dataset__digest=f"md5:{data}")
        made["metrics"]["val_noisy"]["balanced_accuracy"] = 0.5
        made["provenance"] = {"labels": {"dataset": data}}
        return made | {"main_metric": main}

    runs = [run("rare", "balanced_accuracy", 0.4, s) for s in range(2)]
    runs += [run("rare", "accuracy", 0.0, s) for s in range(2)]
    runs += [run("even", "accuracy", rate, s) for rate in (0.0, 0.4) for s in range(2)]
    table = build(runs, metric="main")
    even, rare = table.blocks
    assert (even.metric, rare.metric) == ("accuracy", "balanced_accuracy")
    assert set(even.cells["mean"]) == {0.95}
    assert set(rare.cells["mean"]) == {0.5}, "one metric for all cells of a data set"
    assert "**Balanced accuracy, the main metric, mean ± sd" in render_markdown(table)
    assert {row["metric"] for row in rows(render_csv(table))} == {"accuracy", "balanced_accuracy"}
    assert build(runs, metric="accuracy").blocks[1].metric == "accuracy"


def test_cells_whose_epoch_came_before_the_method_began_are_marked() -> None:
    def run(phase: str, rate: float, seed: int) -> Record:
        made = record(0.8, "gce", rate, seed)
        made["metrics"] = {rule: figures and figures | {"phase": phase} for rule, figures in made["metrics"].items()}
        return made

    runs = [run("warm-up" if seed else "truncated", 0.4, seed) for seed in range(3)]
    runs += [run("truncated", 0.2, seed) for seed in range(3)]
    marks = {"gce": Marks(cost="1x", plain_phases=frozenset({"warm-up"}))}
    table = build(runs, by_name=marks)
    assert cell(table, "gce", "symmetric:0.4")["plain"] == 2
    text = re.sub(r"\n *", " ", render_markdown(table))
    assert ".800 ±.000‡" in text
    assert "in which the method has not begun: `gce` at symmetric:0.4" in text
    assert "symmetric:0.2, " not in text.partition("has not begun")[2].partition(" - ")[0]
    assert "‡" not in render_markdown(build([r for r in runs if r["spec"]["noise"]["config"]["rate"] < 0.3]))
    assert "last phase" not in text
    early = build(runs, by_name={"gce": Marks(cost="1x", early_phases=frozenset({"warm-up"}))})
    assert cell(early, "gce", "symmetric:0.4")["early"] == 2
    text = re.sub(r"\n *", " ", render_markdown(early))
    assert "‡" not in text
    assert "lies before the method's last phase: `gce` at symmetric:0.4" in text


@pytest.mark.parametrize("track", ["blind", "oracle"])
def test_a_dagger_is_of_the_configuration_and_of_what_the_run_consumed(track: str) -> None:
    consumes = record(0.8, "gce", 0.4, method__config={"q": 0.7}, track=track) | {"hints": ["noise_rate"]}
    consumes_nothing = record(0.8, "gce", 0.4, method__config={"q": 0.1}) | {"hints": []}
    marks = {"gce": Marks(frozenset({"noise_rate"}), "1x")}
    text = render_markdown(build([consumes, consumes_nothing], by_name=marks))
    assert re.search(r"\| gce† ", text)
    assert "gce:q=0.1†" not in text
    how = "uses" if track == "oracle" else "uses an estimate of"
    assert f"privileged: {how} noise_rate (`gce`)" in re.sub(r"\n *", " ", text)


def test_a_clean_set_is_named_in_the_row_and_shown_on_both_tracks() -> None:
    meta = record(0.8, "l2rw", 0.4, method__clean_set=50) | {"hints": ["clean_set"]}
    both = record(0.7, "both", 0.4, method__clean_set=50) | {"hints": ["clean_set", "noise_rate"]}
    plain = [record(0.6, "ce", 0.4), record(0.5, "gce", 0.4, track="oracle") | {"hints": ["transition"]}]
    table = build([meta, both, *plain], by_name={})
    rows = {block.place.track: list(block.methods.index) for block in table.blocks}
    assert "l2rw:clean_set=50" in rows["blind"]
    assert "l2rw:clean_set=50" in rows["oracle"], "a clean set is the same on both tracks"
    assert "both:clean_set=50" not in rows["oracle"]
    text = re.sub(r"\n *", " ", render_markdown(table))
    assert "| l2rw:clean_set=50†" in text
    whose = "(`both:clean_set=50`, `l2rw:clean_set=50`)"
    assert f"† privileged: given the true labels of 50 training images, a clean set {whose}" in text
    assert "privileged: uses an estimate of noise_rate (`both:clean_set=50`)" in text


def test_soft_labels_are_marked_and_shown_on_both_tracks() -> None:
    soft = record(0.8, "soft_ce", 0.4) | {"hints": ["soft_labels"]}
    both = record(0.7, "both", 0.4) | {"hints": ["noise_rate", "soft_labels"]}
    plain = [record(0.6, "ce", 0.4), record(0.5, "gce", 0.4, track="oracle") | {"hints": ["transition"]}]
    table = build([soft, both, *plain], by_name={})
    rows = {block.place.track: list(block.methods.index) for block in table.blocks}
    assert "soft_ce" in rows["blind"]
    assert "soft_ce" in rows["oracle"], "soft labels are the same on both tracks"
    assert "both" not in rows["oracle"]
    text = re.sub(r"\n *", " ", render_markdown(table))
    assert "| soft_ce†" in text
    said = (
        "† trained on the probabilities that the raters of each image give the classes, where the others see one label"
    )
    assert f"{said} (`both`, `soft_ce`)" in text
    assert "privileged: uses an estimate of noise_rate (`both`)" in text


def test_what_is_doubtful_about_data_and_estimates_is_said() -> None:
    runs = [record(0.8, "gce", 0.4, seed) | {"tests": {"test": {"size": 50, "shared_images": 7}}} for seed in (0, 1)]
    text = re.sub(r"\n *", " ", render_markdown(build(runs)))
    assert "7 of the 50 test images of digits are training images too" in text
    assert "true labels are unknown" not in text
    for run in runs:
        run["noise"] |= {"realized_rate": None, "estimated_rate": 0.2, "estimate_doubt": "two networks agree"}
        run["noise"] |= {"estimate_interval": None}
        run["tests"]["test"]["shared_images"] = 0
    text = re.sub(r"\n *", " ", render_markdown(build(runs)))
    assert "training images too" not in text
    assert "the true labels are unknown at symmetric:0.4: the test labels may be as doubtful" in text
    assert (
        "the noise rate could not be estimated at symmetric:0.4 (2 runs), and blind methods were given 0.200 there: "
        "two networks agree" in text
    )


def test_the_interval_of_the_estimate_stands_behind_it_where_there_is_one() -> None:
    runs = [record(0.8, "gce", rate, seed) for rate in (0.2, 0.4) for seed in (0, 1)]
    for run in runs:
        rate, seed = run["spec"]["noise"]["config"]["rate"], run["spec"]["seeds"]["noise"]
        run["noise"] |= {"estimated_rate": rate, "estimate_interval": [rate - 0.1, rate + 0.1 + 0.02 * seed]}
        if rate == 0.2:
            del run["noise"]["estimate_interval"]  # a record of the estimator's first version
    text = re.sub(r"\n *", " ", render_markdown(build(runs)))
    assert "symmetric:0.2 0.200, symmetric:0.4 0.400 [0.300, 0.510]" in text


def test_how_an_extra_test_set_was_matched_is_said_in_its_table() -> None:
    tests = {"test": {"size": 50}, "extra": {"there": {"size": 9, "notes": ["extra test set 'there': by number"]}}}
    runs = [record(0.8, "gce", 0.4, seed) | {"tests": tests} for seed in (0, 1)]
    for run in runs:
        run["extra_metrics"] = {"there": run["metrics"]}
    assert "- extra test set 'there': by number" in render_markdown(build(runs, extra_test="there"))
    assert "by number" not in render_markdown(build(runs))


def test_two_states_of_an_extra_test_set_are_told_apart() -> None:
    def runs(digest: str, main: str) -> list[Record]:
        extra = {"there": {"name": "npz", "digest": digest}}
        return [record(0.8, "ce", 0.4, 0, dataset__extra_tests=extra, dataset__digest=main)]

    table = build([*runs("md5:1", "md5:aaaa1"), *runs("md5:2", "md5:aaaa1"), *runs("md5:1", "md5:bbbb1")])
    names = [block.place.dataset for block in table.blocks]
    assert len(set(names)) == 3
    assert all(re.fullmatch(r"digits@(aaaa|bbbb)1?( \(with there(@\w{4})?\))?", name) for name in names), names


def test_less_is_better_for_losses_in_rank_and_drop() -> None:
    table = build(grid(), metric="nll")
    assert cell(table, "gce", "symmetric:0.4")["drop"] == pytest.approx(0.08)
    only_noisy = build([r for r in grid() if r["spec"]["noise"]["name"] != "none"], metric="nll")
    assert list(only_noisy.blocks[0].methods["rank"].loc[["gce", "ce"]]) == [1.0, 2.0]


@pytest.mark.parametrize("state", ["diverged", "failed", "missing"])
def test_a_hole_is_shown_and_never_averaged_over(state: str) -> None:
    records = [r for r in grid() if r["spec"] != spec("gce", 0.4, 1)]
    expected = None
    if state == "missing":
        expected = [{"spec": r["spec"]} for r in grid()]
    else:
        records.append(ended(state, "gce", 0.4, 1, "OutOfMemory"))
    table = build(records, expected=expected)
    found = cell(table, "gce", "symmetric:0.4")
    assert found["state"] == "hole"
    assert np.isnan([found[name] for name in ("mean", "sd", "half", "delta", "drop")]).all()
    assert np.isnan(table.blocks[0].methods["rank"]["gce"])
    text = render_markdown(table)
    assert "| 2/3" in text
    reason = "1 not run yet" if state == "missing" else f"1 {state} (OutOfMemory)"
    assert f"- {reason}: `gce` at symmetric:0.4" in text


def test_nothing_is_compared_with_a_baseline_that_has_a_hole() -> None:
    records = [*grid(), ended("failed", "ce", 0.4, 3, "Killed")]
    table = build(records)
    assert np.isnan(cell(table, "gce", "symmetric:0.4")["delta"])
    assert cell(table, "gce", "none")["delta"] == pytest.approx(-0.01)


def test_a_method_that_never_ran_is_shown_as_a_hole() -> None:
    table = build(grid(), expected=[{"spec": spec("forward", 0.4, seed)} for seed in range(3)])
    assert "| 0/3" in render_markdown(table)
    assert cell(table, "forward", "none")["state"] == "absent"


def test_a_failure_counts_once_and_not_at_all_when_the_run_ended_later() -> None:
    failures = [ended("failed", "gce", 0.4, 1, "Killed"), ended("failed", "gce", 0.4, 9, "Killed")]
    records = [failures[0], *grid(), failures[1], copy.deepcopy(failures[1])]
    assert cell(build(records), "gce", "symmetric:0.4")["total"] == 4
    assert cell(build(records), "gce", "symmetric:0.4")["failed"] == 1


def test_a_skipped_cell_says_so_with_its_reason() -> None:
    records = [*grid(), *(ended("skipped", "forward", 0.4, s, "needs three classes") for s in range(3))]
    text = render_markdown(build(records))
    assert "| skipped" in text
    assert "skipped (needs three classes): `forward` at symmetric:0.4" in text


def test_a_rule_that_is_undefined_shows_no_figure() -> None:
    text = render_markdown(build(grid(), rule="last5"))
    assert "| n/a" in text
    assert "last5 needs 10 epochs" in text


def test_the_oracle_rule_is_named_oracle_and_never_ranked() -> None:
    table = build(grid(), rule="oracle_test")
    assert table.blocks[0].methods["rank"].isna().all()
    assert "ORACLE" in render_markdown(table)


def test_the_number_of_runs_is_shown_where_it_is_not_the_usual_one() -> None:
    records = [r for r in grid() if r["spec"]["method"]["name"] == "ce" or r["spec"]["seeds"]["init"] < 2]
    records += [record(0.5, "forward", rate, seed) for rate in (0.0, 0.4) for seed in range(3)]
    text = render_markdown(build(records))
    assert ".815 ±.021 (n=2)" in text
    assert "(n=3)" not in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"something_new": 2}, "something_new is 2 (3 runs) and absent (12 runs)"),
        ({"method__something_new": 2}, "method.something_new is 2 (3 runs) and absent (6 runs)"),
    ],
)
@pytest.mark.parametrize("first_seed", [0, 3])
def test_runs_that_differ_in_a_hidden_way_are_refused_by_its_name(
    change: dict[str, Any], words: str, first_seed: int
) -> None:
    others = [record(0.9, "ce", 0.4, first_seed + seed, **change) for seed in range(3)]
    with pytest.raises(TableError, match=re.escape(words)):
        build(grid() + others)


@pytest.mark.parametrize(
    ("change", "where", "names"),
    [
        ({"dataset__digest": "md5:0123456789"}, "dataset", {"digits@a", "digits@0123"}),
        ({"dataset__version": 2}, "dataset", {"digits@v1", "digits@v2"}),
        ({"dataset__extra_tests": {"there": {}}}, "dataset", {"digits", "digits (with there)"}),
        ({"backbone__version": 2}, "backbone", {"cnn@v1", "cnn@v2"}),
        ({"method__version": 2}, "method", {"ce@v1", "ce@v2", "gce"}),
        ({"method__source": "sha256:3f2a456789"}, "method", {"ce", "ce@3f2a", "gce"}),
        ({"noise__version": 2}, "noise", {"none", "symmetric:0.4@v1", "symmetric:0.4@v2"}),
        ({"protocol": 2}, "protocol", {"1", "2"}),
    ],
)
def test_two_states_of_one_thing_are_told_apart_and_never_averaged(
    change: dict[str, Any], where: str, names: set[str]
) -> None:
    others = [record(0.123, "ce", 0.4, seed, **change) for seed in range(3)]
    table = build(grid() + others)
    frames = {
        "method": [name for block in table.blocks for name in block.methods.index],
        "noise": [name for block in table.blocks for name in block.columns],
    }
    assert set(frames.get(where) or [getattr(block.place, where) for block in table.blocks]) == names
    means = pd.concat([block.cells for block in table.blocks])["mean"].dropna().round(3)
    assert sorted(means) == [0.123, 0.65, 0.83, 0.91, 0.92]


def test_digests_are_shown_as_far_as_they_tell_apart() -> None:
    sources = ["sha256:3f2a00", "sha256:3f2a01"]
    runs = [record(0.9, "mine", 0.4, 0, method__source=source) for source in sources]
    (block,) = build(runs).blocks
    assert set(block.methods.index) == {"mine@3f2a00", "mine@3f2a01"}


def test_other_noisy_labels_are_refused() -> None:
    other = record(0.9, "forward", 0.4) | {"noise": {"realized_rate": 0.4, "labels_sha256": "another"}}
    with pytest.raises(TableError, match=r"different noisy labels: symmetric:0\.4"):
        build([*grid(), other])


def test_two_results_of_one_run_are_refused_and_equal_ones_count_once() -> None:
    again = copy.deepcopy(grid())
    again[0]["timing"]["seconds"] = 99.0
    again[0]["provenance"]["commit"] = "0123456789abcdef-elsewhere"
    assert cell(build(grid() + again), "ce", "none")["n"] == 3
    again[0]["metrics"]["val_noisy"]["accuracy"] = 0.1
    with pytest.raises(TableError, match="there twice with different results"):
        build(grid() + again)


@pytest.mark.parametrize("change", [{"recipe__lr": 0.01}, {"backbone__name": "resnet18"}, {"dataset__subset": 500}])
def test_what_a_table_shows_may_differ_and_makes_a_block_of_its_own(change: dict) -> None:
    others = [record(0.5, rate=rate, seed=seed, **change) for rate in (0.0, 0.4) for seed in range(3)]
    table = build(grid() + others)
    assert len(table.blocks) == 2
    assert {block.cells.loc[("ce", "none"), "total"] for block in table.blocks} == {3}


def test_labels_show_the_options_that_are_not_default() -> None:
    records = [*grid(), *(record(0.7, "gce", 0.4, s, method__config={"q": 0.5}) for s in range(3))]
    assert set(build(records).blocks[0].methods.index) == {"ce", "gce", "gce:q=0.5"}
    unknown = build(records, defaults=None)
    assert set(unknown.blocks[0].methods.index) == {"ce", "gce:q=0.5", "gce:q=0.7"}
    assert "full configurations: `gce:q=0.5` q=0.5" in render_markdown(unknown)


def test_noise_is_labelled_as_the_command_line_takes_it() -> None:
    plain = {"rate": 0.4, "inclusive": False}
    records = [record(0.7, "ce", 0.4, seed, noise__config=plain) for seed in range(3)]
    assert build(records).blocks[0].columns == ("symmetric:0.4",)
    records += [record(0.7, "ce", 0.4, s, noise__config=plain | {"inclusive": True}) for s in range(3, 6)]
    known = {"noise": {"symmetric": {"inclusive": False}}}
    labels = {"symmetric:0.4", "symmetric:0.4,inclusive=true"}
    assert set(build(records, defaults=known).blocks[0].columns) == labels
    given = [record(0.7, "ce", 0.4, noise__name="given", noise__config={"name": "worse"})]
    assert build(given).blocks[0].columns == ("given:name=worse",)


def test_the_oracle_track_stands_apart_beside_the_methods_that_need_no_hint() -> None:
    oracle = [record(0.8, "forward", rate, s, track="oracle") for rate in (0.0, 0.4) for s in range(3)]
    (block,) = build(grid() + oracle).blocks
    assert block.place.track == "oracle"
    assert set(block.methods.index) == {"ce", "gce", "forward"}
    estimated = [record(0.7, "forward", rate, s) for rate in (0.0, 0.4) for s in range(3)]
    blind, with_truth = build(grid() + oracle + estimated).blocks
    assert (blind.place.track, with_truth.place.track) == ("blind", "oracle")
    assert blind.cells.loc[("forward", "none"), "mean"] == pytest.approx(0.7)
    assert with_truth.cells.loc[("forward", "none"), "mean"] == pytest.approx(0.8)


def test_marks_tell_of_privilege_networks_and_deviations() -> None:
    own = {
        "deviations": {"u": {"lr": [10.0, 0.001], "momentum": [0.0, 0.9]}, "v": {"schedule": ["constant", "cosine"]}}
    }
    records = [*grid(), *(record(0.8, "forward", 0.4, seed) | own for seed in range(3))]
    marks = MARKS | {"forward": Marks(frozenset({"transition"}), "2x", networks_at_test=2)}
    text = render_markdown(build(records, by_name=marks))
    assert "| forward†\\* (2 nets) |" in text
    assert "† privileged: uses an estimate of transition (`forward`)" in text
    lines = re.sub(r"\n  ", " ", text)
    assert (
        "deviates from the matched recipe: `forward` u.lr=10 (recipe 0.001), u.momentum=0 (recipe 0.9), "
        'v.schedule="constant" (recipe "cosine")'
    ) in lines.replace("schedule=constant", 'schedule="constant"').replace("recipe cosine", 'recipe "cosine"')
    told = {row["method"]: row["deviations"] for row in rows(render_csv(build(records)))}
    assert told["forward"].startswith("u.lr=10 (recipe 0.001)")


@pytest.mark.parametrize("name", ["momentum", "lr", "optimizer", "weight_decay"])
def test_an_option_named_like_the_recipes_is_no_deviation(name: str) -> None:
    changed = [record(0.8, "forward", 0.4, seed, method__config={name: 0.99}) for seed in range(3)]
    text = render_markdown(build([*grid(), *changed]))
    assert "deviates" not in text
    assert "\\*" not in text


def test_records_that_do_not_tell_their_deviations_are_not_guessed_at() -> None:
    text = render_markdown(build([run | {"deviations": None} for run in grid()]))
    assert "where optimizers deviate from the matched recipe is not recorded" in text
    some = build([*grid(), record(0.8, "forward") | {"deviations": None}])
    assert "where optimizers of `forward` deviate" in render_markdown(some)
    told = {row["method"]: row["deviations"] for row in rows(render_csv(some))}
    assert told == {"ce": "", "gce": "", "forward": "not recorded"}


def test_measured_cost_is_shown_only_when_asked_for() -> None:
    slower = copy.deepcopy(grid())
    for run in slower:
        run["timing"]["seconds"] *= 1 + run["spec"]["seeds"]["init"]
    assert render_markdown(build(slower)) == render_markdown(build(grid()))
    assert render_csv(build(slower)) == render_csv(build(grid()))
    asked = build(grid(), timing=True)
    assert asked.blocks[0].methods["measured"].to_dict() == {"ce": 1.0, "gce": 2.0}
    assert "2.00x" in render_markdown(asked)


@pytest.mark.parametrize("render", [render_markdown, render_csv])
def test_bytes_depend_on_the_records_and_not_on_their_order(render: Any) -> None:
    records = [
        *grid(),
        ended("failed", "forward", 0.4, 0, "A"),
        ended("failed", "forward", 0.4, 0, "B"),
        ended("skipped", "forward", 0.4, 1, "no"),
    ]
    texts = set()
    for seed in range(5):
        shuffled = copy.deepcopy(records)
        random.Random(seed).shuffle(shuffled)
        texts.add(render(build(shuffled)))
    assert len(texts) == 1


def test_a_table_names_suite_records_commit_and_hardware() -> None:
    table = build(grid())
    text = render_markdown(table)
    assert "Suite quick; 12 runs" in text
    assert f"Records sha256:{table.digest}" in text
    assert "Commit 0123456789ab; hardware cores=2, processor=abacus" in text
    assert {row["records"] for row in rows(render_csv(table))} == {f"sha256:{table.digest}"}
    changed = grid()
    changed[0]["metrics"]["last"]["accuracy"] = 0.0
    assert build(changed).digest != table.digest
    changed = grid()
    changed[0]["provenance"]["commit"] = "f" * 40
    assert build(changed).digest == table.digest
    changed = [run | {"provenance": {"commit": "a", "dirty": True}} for run in grid()]
    assert "Commit a with changes" in render_markdown(build(changed))


def test_csv_holds_every_figure_of_every_cell() -> None:
    found = {(row["method"], row["noise"]): row for row in rows(render_csv(build(grid())))}
    assert len(found) == 4
    row = found["gce", "symmetric:0.4"]
    figures = [float(row[name]) for name in ("mean", "sd", "delta", "drop")]
    assert figures == pytest.approx([0.83, 0.03, 0.18, 0.08])
    words = [row[name] for name in ("n", "delta_n", "rule", "cost", "track")]
    assert words == ["3", "3", "val_noisy", "1x", "blind"]
    assert found["ce", "none"]["delta"] == ""


def test_figures_read_as_a_paper_prints_them() -> None:
    text = render_markdown(build(grid()))
    assert ".830 ±.030" in text
    assert "+.180 ±.043" in text
    assert "| .080" in text
    assert all(len(line) <= 100 for line in text.splitlines() if not line.startswith("|"))


def test_an_extra_test_set_is_tabulated_on_request() -> None:
    records = grid()
    for run in records:
        run["extra_metrics"] = {"elsewhere": {"val_noisy": {"accuracy": 0.5}}}
    assert cell(build(records, extra_test="elsewhere"), "ce", "none")["mean"] == pytest.approx(0.5)
    with pytest.raises(TableError, match=r"nowhere.*there are: elsewhere"):
        build(records, extra_test="nowhere")


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"rule": "best"}, "unknown rule 'best'; expected one of val_noisy, last"),
        ({"metric": "speed"}, "'speed' is unknown; expected one of main, accuracy, nll"),
        ({"metric": "recall"}, "'recall' has a value per class"),
    ],
)
def test_unknown_choices_are_refused_with_the_known_ones(choices: dict, words: str) -> None:
    with pytest.raises(TableError, match=words):
        build(grid(), **choices)


def test_an_empty_table_says_what_to_type() -> None:
    with pytest.raises(TableError, match="noisybench run"):
        build([])


@pytest.mark.timed
def test_the_cost_of_a_table_grows_by_less_than_a_fifth_of_a_millisecond_per_record() -> None:
    records = [
        record(0.5 + seed % 7 / 100, "gce", rate, seed, method__config={"q": q / 10})
        for q in range(10) for rate in (0.0, 0.2, 0.4, 0.6, 0.8) for seed in range(100)
    ]  # fmt: skip
    seconds = []
    for part in (records[::10], records):
        begin = time.process_time()
        build(part)
        seconds.append(time.process_time() - begin)
    assert seconds[1] - seconds[0] < 0.2e-3 * len(records)


def test_diagnostics_are_shown_on_request_and_only_for_methods_that_report_them():
    said = {"precision": 0.91, "auroc": 0.97, "l1_row_mean": None}
    told = [record(0.9, "ce", rate) for rate in (0.0, 0.2)]
    told += [record(0.9, "gce", rate) | {"diagnostics": said} for rate in (0.0, 0.2)]
    assert "Precision of the kept" not in render_markdown(build(told))
    shown = render_markdown(build(told, diagnostics=True))
    part = shown.split("**Precision of the kept")[1].split("**")[1]
    assert "| gce" in part
    assert ".910" in part
    assert "| ce " not in part
    assert "transition" not in shown
    assert "kept_auroc" in render_csv(build(told, diagnostics=True)).splitlines()[0]
    assert "kept_auroc" not in render_csv(build(told)).splitlines()[0]
