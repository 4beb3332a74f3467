"""Figures for a clinic are those of scikit-learn, of a count by hand, or hold what they say in simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, roc_curve

from benchmark.metrics import expected_calibration_error
from benchmark.tables.clinical import (
    RATES,
    Target,
    aurc,
    calibration_by_frequency,
    certainty,
    operating_points,
    operating_threshold,
    proportion,
    recognised,
    risk,
)


def predictions(n, classes, seed=0, sharpness=2.0):
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=n)
    logits = generator.normal(size=(n, classes))
    logits[np.arange(n), labels] += sharpness
    p = np.exp(logits)
    return p / p.sum(1, keepdims=True), labels


def kept(classes=3, seed=0):
    val, given = predictions(200, classes, seed)
    test, labels = predictions(300, classes, seed + 1)
    return {
        "classes": np.array([f"c{k}" for k in range(classes)]),
        "val/last": val,
        "val/labels": given,
        "test/last": test,
        "test/labels": labels,
    }


scores = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1), st.booleans()),
    min_size=2,
    max_size=40,
)


@given(scores, st.floats(0.01, 1.0), st.sampled_from(["sensitivity", "specificity"]))
def test_the_threshold_reaches_its_target_with_the_most_of_the_other_rate(drawn, value, rate):
    score, positive = np.array([s for s, _ in drawn]), np.array([p for _, p in drawn])
    threshold = operating_threshold(score, positive, Target(rate, value))
    if positive.all() or not positive.any():
        assert np.isnan(threshold)
        return
    false, true, _ = roc_curve(positive, score, drop_intermediate=False)
    reached, other = (true, 1 - false) if rate == "sensitivity" else (1 - false, true)
    chosen = score >= threshold
    own = {"sensitivity": chosen[positive].mean(), "specificity": (~chosen[~positive]).mean()}
    assert own[rate] >= value - 1e-9
    best = other[reached >= value - 1e-9].max()
    assert own["specificity" if rate == "sensitivity" else "sensitivity"] == pytest.approx(best)


def test_rates_at_the_operating_point_are_those_of_a_confusion_matrix():
    arrays = kept()
    found = operating_points(arrays, "last", "test", Target("sensitivity", 0.9), None)
    assert found["class"].tolist() == ["c0", "c1", "c2"]
    for k, row in found.iterrows():
        assert row["chosen"] >= 0.9
        positive = arrays["test/labels"] == k
        chosen = arrays["test/last"][:, k] >= row["threshold"]
        (tn, fp), (fn, tp) = confusion_matrix(positive, chosen)
        expected = (tp / (tp + fn), tn / (tn + fp), tp / (tp + fp), tn / (tn + fn))
        assert [row[name] for name in RATES] == pytest.approx(expected)
        assert all(row[f"{name}_low"] < row[name] < row[f"{name}_high"] for name in RATES)
        assert (row["positives"], row["negatives"]) == (tp + fn, tn + fp)


def test_of_two_classes_the_second_is_the_positive_one():
    found = operating_points(kept(classes=2), "last", "test", Target("specificity", 0.8), None)
    assert found["class"].tolist() == ["c1"]


def test_a_class_without_validation_images_has_no_operating_point():
    arrays = kept()
    arrays["val/labels"] = np.where(arrays["val/labels"] == 2, 0, arrays["val/labels"])
    found = operating_points(arrays, "last", "test", Target("sensitivity", 0.9), None)
    assert found.loc[2, ["threshold", "chosen", *RATES]].isna().all()


def test_aurc_is_the_mean_error_of_what_is_not_referred():
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.45, 0.55]])
    # By falling confidence right, wrong, right, wrong: errors 0, 1/2, 1/3, 1/2.
    assert aurc(p, np.array([0, 1, 1, 0])) == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert aurc(p, np.array([0, 0, 1, 1])) == 0.0


def test_aurc_of_one_confidence_for_all_is_the_error_whatever_the_order_of_the_images():
    p, labels = np.full((10, 2), 0.5), np.array([0] * 7 + [1] * 3)
    assert aurc(p, labels) == pytest.approx(0.3)
    assert aurc(p, labels[::-1].copy()) == pytest.approx(0.3)


def test_risk_by_the_cost_of_errors():
    p = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]])
    cost = np.array([[0.0, 1.0], [5.0, 0.0]])  # a missed second class costs five
    # .2 * 5 = 1 against .8 * 1: the second class already at a probability of a sixth.
    likeliest, cheapest = risk(p, np.array([0, 1, 1]), cost)
    assert likeliest == pytest.approx(5 / 3)
    assert cheapest == pytest.approx(1 / 3)


def test_calibration_is_told_of_rare_and_common_classes():
    p, labels = predictions(500, 3, seed=4)
    labels = np.where((labels == 2) & (np.arange(500) % 3 > 0), 0, labels)
    rare, common = calibration_by_frequency(p, labels)
    taken = p.argmax(1)
    assert rare == expected_calibration_error(p[taken == 2].max(1), labels[taken == 2] == 2)
    assert common == expected_calibration_error(p[taken != 2].max(1), taken[taken != 2] == labels[taken != 2])
    assert np.isnan(calibration_by_frequency(np.eye(3)[[0, 1, 1]], np.array([0, 0, 1]))[0])


@pytest.mark.parametrize("share", [0.7, 0.95])
@pytest.mark.parametrize("patients", [None, 40])
def test_intervals_of_rates_cover(share, patients):
    generator = np.random.default_rng(3)
    covered, trials = 0, 1500
    for _ in range(trials):
        if patients is None:
            hits, groups = generator.random(200) < share, None
        else:
            groups = generator.integers(patients, size=200)
            hits = generator.random(200) < generator.beta(4 * share, 4 * (1 - share), patients)[groups]
        _, low, high = proportion(hits, groups)
        covered += low <= share <= high
    print(f"coverage of {share} over 200 images of {patients or 200} patients: {covered / trials:.3f}")
    assert covered / trials >= 0.92


def test_no_image_has_no_rate_and_one_patient_no_interval():
    assert np.isnan(proportion(np.array([], dtype=bool), None)).all()
    share, low, high = proportion(np.array([True, False]), np.array(["a", "a"]))
    assert share == 0.5
    assert np.isnan([low, high]).all()
    assert proportion(np.ones(50, dtype=bool), None)[1] == pytest.approx(1 / (1 + 1.959964**2 / 50))


def test_recognised_classes_are_counted_by_hand():
    labels, decided = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0, 0])
    arrays = {"classes": np.array(["a", "b", "c"]), "test/labels": labels, "test/last": np.eye(3)[decided]}
    found = recognised(arrays, "last", "test", None).set_index("class")
    assert found["images"].tolist() == [3, 2, 1]
    assert found["sensitivity"].tolist() == [2 / 3, 1 / 2, 0]
    assert found["ppv"].tolist()[:2] == [2 / 4, 1 / 2]
    assert np.isnan(found.at["c", "ppv"]), "nothing is taken for it"
    assert (found["sensitivity_low"] < found["sensitivity"]).tolist() == [True, True, False], (
        "one image has no interval"
    )
    patients = recognised(arrays, "last", "test", np.array([0, 0, 0, 1, 1, 1])).set_index("class")
    assert np.isnan(patients.at["a", "sensitivity_low"]), "all of one patient"


def test_bands_of_certainty_hold_their_images():
    p = np.array([[0.5, 0.5], [0.7, 0.3], [0.2, 0.8], [0.95, 0.05], [1.0, 0.0], [0.01, 0.99]])
    found = certainty(p, np.array([0, 1, 1, 0, 0, 0]), None)
    assert found["images"].tolist() == [0, 1, 2, 1, 2]
    assert found["certain"].tolist()[1:] == pytest.approx([0.5, 0.75, 0.95, 0.995])
    assert found["right"].tolist()[1:] == [1, 0.5, 1, 0.5]
    assert np.isnan(found.at[0, "right"])
    simulated, labels = predictions(4000, 3)
    assert certainty(simulated, labels, None)["images"].sum() == 4000
