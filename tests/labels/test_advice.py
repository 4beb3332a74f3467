"""Advice names a set of methods that holds a good one, and small differences are told as what they are."""

import numpy as np
import pytest

from benchmark.labels.advice import MARGIN, Validation, recommend, scores


def validation(accuracies, n=1000, seeds=3, seed=0, rate=0.0, classes=5, balanced=False, groups=None):
    """Predictions of methods with these true accuracies on labels of which a share `rate` is flipped evenly.

    How hard an image is is shared by all methods, as it is in reality.
    """
    generator = np.random.default_rng(seed)
    true = generator.integers(classes, size=n)
    flipped = generator.random(n) < rate
    labels = np.where(flipped, (true + generator.integers(1, classes, size=n)) % classes, true)
    hardness = generator.random(n)
    hits = {}
    for name, accuracy in accuracies.items():
        right = np.clip(hardness + generator.normal(0, 0.05, (seeds, n)), 0, 1) < accuracy
        predicted = np.where(right, true, (true + generator.integers(1, classes, size=(seeds, n))) % classes)
        hits[name] = predicted == labels
    return Validation(hits, dict.fromkeys(hits, np.tile(labels, (seeds, 1))), balanced, groups)


def advise(made, rate=0.0, seed=1):
    return recommend(made, "ce", rate, np.random.default_rng(seed))


def test_a_clear_winner_is_chosen_alone():
    found = advise(validation({"ce": 0.7, "gce": 0.8, "sce": 0.72}))
    assert found.index[0] == "gce"
    assert found["chosen"].to_dict() == {"gce": True, "sce": False, "ce": False}
    assert found.loc["gce", "best"] > 0.99
    assert found.loc["gce", "low"] > 0


def test_what_is_not_told_apart_gives_a_set_that_holds_several_or_one_that_is_as_good():
    found = advise(validation({"ce": 0.78, "gce": 0.785, "sce": 0.79, "elr": 0.6}, n=300))
    assert not found.loc["elr", "chosen"]
    assert found["chosen"].sum() >= 1
    assert found["best"].sum() == pytest.approx(1)


def test_gains_are_in_true_accuracy():
    accuracies = {"ce": 0.7, "gce": 0.8}
    clean = advise(validation(accuracies, n=20_000, seed=2))
    noisy = advise(validation(accuracies, n=20_000, seed=2, rate=0.4), rate=0.4)
    raw = noisy.loc["gce", "score"] - noisy.loc["ce", "score"]
    assert raw == pytest.approx(0.1 * (1 - 0.4 * 5 / 4), abs=0.01)
    assert noisy.loc["gce", "gain"] == pytest.approx(clean.loc["gce", "gain"], abs=0.02)


def test_the_set_holds_a_good_method_in_nearly_all_of_many_trials():
    accuracies = {"ce": 0.74, "gce": 0.78, "sce": 0.785, "elr": 0.76, "mixup": 0.75, "forward": 0.77}
    held, sizes, trials = 0, [], 40
    for trial in range(trials):
        found = advise(validation(accuracies, n=350, seed=trial, rate=0.3), rate=0.3, seed=trial)
        chosen = found.index[found["chosen"]]
        held += max(accuracies[name] for name in chosen) >= max(accuracies.values()) - MARGIN - 0.001
        sizes.append(len(chosen))
    print(f"held a method within {MARGIN} of the best in {held} of {trials}; median size {np.median(sizes):g} of 6")
    assert held / trials >= 0.9
    assert np.median(sizes) <= 4


def test_with_balanced_accuracy_each_class_counts_the_same():
    labels = np.array([0] * 90 + [1] * 10)
    hits = {"ce": np.array([[True] * 90 + [False] * 10]), "gce": np.array([[True] * 60 + [False] * 30 + [True] * 10])}
    of_methods = dict.fromkeys(hits, labels[None])
    by_image = scores(Validation(hits, of_methods, False), np.random.default_rng(0)).iloc[0]
    by_class = scores(Validation(hits, of_methods, True), np.random.default_rng(0)).iloc[0]
    assert by_image.tolist() == pytest.approx([0.9, 0.7])
    assert by_class.tolist() == pytest.approx([0.5, (60 / 90 + 1) / 2])


def test_each_seed_is_scored_on_its_own_labels():
    """Where noise is drawn, the labels of a validation image differ from seed to seed."""
    labels = np.array([[0] * 90 + [1] * 10, [1] * 90 + [0] * 10])
    hits = {"ce": np.array([[True] * 90 + [False] * 10, [True] * 45 + [False] * 45 + [True] * 10])}
    found = scores(Validation(hits, {"ce": labels}, True), np.random.default_rng(0)).iloc[0]
    assert found["ce"] == pytest.approx((0.5 + 0.75) / 2)


def test_patients_are_drawn_as_a_whole():
    made = validation({"ce": 0.7, "gce": 0.75}, n=400)
    grouped = Validation(made.hits, made.labels, False, np.repeat(np.arange(20), 20))
    alone = scores(made, np.random.default_rng(0)).iloc[1:]["ce"].std()
    same = Validation(
        {name: np.repeat(hits[:, ::20], 20, axis=1) for name, hits in made.hits.items()},
        made.labels,
        False,
        grouped.groups,
    )
    assert scores(same, np.random.default_rng(0)).iloc[1:]["ce"].std() > 2 * alone


def test_a_missing_baseline_is_told():
    with pytest.raises(ValueError, match="no predictions of 'ce'"):
        recommend(validation({"gce": 0.7}), "ce", 0.0, np.random.default_rng(0))
