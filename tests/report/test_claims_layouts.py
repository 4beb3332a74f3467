"""The layouts leaderboard and matrix say what is resolved, what is not, and why."""

import pytest

from benchmark.report import FORMATS
from benchmark.report.layouts import leaderboard
from benchmark.report.layouts.all import LAYOUTS
from benchmark.tables.comparable import TableError
from benchmark.tables.test_images import TestImages
from tests.tables.test_comparison import build
from tests.tables.test_leaderboard import name, runs, with_images


def text(layout, *tables):
    return " ".join(FORMATS["md"](LAYOUTS[layout](tables)).split())


def test_a_leaderboard_over_data_sets_shows_places_letters_differences_and_counts():
    shown = text("leaderboard", build(runs()))
    assert "n = 6 data sets" in shown
    assert "| forward† | 1-2 | a |" in shown
    assert "| 6/0/0 |" in shown
    assert "| ce | 3-3 | b | ≤.01 |" in shown
    assert "Means by data set" in shown
    assert "symmetric 0-0.4" in shown
    assert "hierarchical bootstrap-t" in shown


def test_too_few_data_sets_show_no_place_and_the_sentence():
    shown = text("leaderboard", build(runs(datasets=3)))
    assert "no general claim: 3 data sets" in shown
    assert "| forward† | - | - | - |" in shown
    assert "No method is emphasized" in str(LAYOUTS["leaderboard"]([build(runs(datasets=3))]).sections[0].legend)


def test_three_seeds_say_that_their_order_is_none():
    shown = text("leaderboard", build(runs(datasets=1, seeds=3)))
    assert "order: none is claimed with n = 3 seeds" in shown
    assert "cannot go below p = 0.25" in shown
    assert "n = 1 seed: an exact" in text("leaderboard", build(runs(datasets=1, seeds=1)))


def test_several_rules_show_their_ranks_and_how_far_they_agree():
    made = runs(seeds=2)
    shown = text("leaderboard", build(made), build(made, rule="last"))
    assert "Rank** by reporting rule" in shown
    assert "val_noisy against last: Kendall's tau 1.00 over 3 methods" in shown
    assert "Kendall" not in text("leaderboard", build(made))


def test_the_luck_of_the_test_set_is_told_where_records_hold_the_images():
    made = with_images(runs(datasets=1, seeds=3))
    by_id = {run["id"]: run for run in made}
    images = TestImages(lambda ids: {run: by_id[run] for run in ids}, lambda ids, test: None)
    shown = text("leaderboard", build(made, images=images))
    assert "The first two on the test images" in shown
    assert "McNemar p, 1 run" in shown
    assert "false with probability" in shown
    assert "The first two" not in text("leaderboard", build(made))


def test_a_matrix_compares_every_method_with_the_first_ones_and_the_baseline():
    shown = text("matrix", build(runs()))
    assert "| method | forward | gce | ce |" in shown or "| method | gce | forward | ce |" in shown
    assert "6/0/0 .094" in shown  # p = .031 of three pairs
    assert "wins/ties/losses over 6 data sets" in shown
    assert "p = 0.0312; corrected over 3 pairs (Holm) no p can be below 0.05 with fewer than 7" in shown
    assert "a difference of at most 0.5 is a tie" in text("matrix", build(runs(), rope=0.5))
    assert "0/6/0" in text("matrix", build(runs(), rope=0.5))


def test_a_critical_difference_is_told_from_six_data_sets_on():
    assert "critical difference of average ranks: 1.4 places for 3 methods on 6 data sets" in text(
        "matrix", build(runs())
    )
    assert "critical difference" not in text("matrix", build(runs(datasets=5)))
    assert "critical difference" not in text("matrix", build(runs(datasets=1, seeds=8)))


def test_a_matrix_of_one_method_or_by_two_rules_is_refused_with_what_to_do():
    alone = [run for run in runs(datasets=1) if name(run) == "ce"]
    with pytest.raises(TableError, match="noisybench status"):
        LAYOUTS["matrix"]([build(alone)])
    with pytest.raises(TableError, match="expected one --rule"):
        LAYOUTS["matrix"]([build(runs()), build(runs(), rule="last")])


def test_names_are_escaped_and_holes_named():
    made = runs(datasets=2, levels={"ce": 0.6, "a|b`c": 0.7})
    made = [run for run in made if not (name(run) == "a|b`c" and run["spec"]["dataset"]["digest"] == "md5:1")]
    shown = text("leaderboard", build(made))
    assert "not ranked, for want of a value in some noisy column: ``a|b`c`` on data1" in shown


def test_nothing_complete_gives_a_sentence():
    shown = text("leaderboard", build([run for run in runs(datasets=1) if run["spec"]["noise"]["name"] == "none"]))
    assert "no method has a value in all noisy columns of a data set" in shown


@pytest.mark.parametrize(
    ("value", "digits", "expected"),
    [
        (0.266, 2, ".27"),
        (0.0, 2, "≤.01"),
        (0.0004, 3, "≤.001"),
        (0.0016, 3, ".002"),
        (0.9999, 2, "≥.99"),
        (0.5, 2, ".50"),
    ],
)
def test_a_probability_is_never_shown_as_0_or_1(value, digits, expected):
    assert leaderboard.probability(value, digits).text == expected
