"""How wrong labels are: tables of classes and confusions, and what cannot be told."""

import numpy as np
import pytest

from benchmark.labels.label_errors import compare, label_errors
from benchmark.noise.rate_estimate import HeldOut
from tests.noise.test_confusion_estimate import confused

CLASSES = ("benign", "atypical", "in situ", "invasive")


def test_wrong_labels_are_counted_by_class_and_confusion():
    given, true, held_out = confused()
    found = label_errors(given, held_out, CLASSES)
    table = found.given.set_index("given")
    assert table["labels"].sum() == len(given)
    assert (table["doubt"] == "").all()
    for k, name in enumerate(CLASSES):
        wrong = ((given == k) & (true != k)).sum()
        assert table["low"][name] <= wrong <= table["high"][name]
    first = found.confusions.iloc[0]
    assert (first["likely"], first["given"]) == ("benign", "atypical")
    assert first["low"] <= ((given == 1) & (true == 0)).sum() <= first["high"]
    assert (np.diff(found.confusions["labels"]) <= 0).all()
    assert found.confusions["labels"].sum() == pytest.approx(found.rate.rate * len(given), rel=0.02)


def test_the_comparison_with_the_truth_counts_what_is_right():
    given, true, held_out = confused()
    truth = compare(label_errors(given, held_out, CLASSES), given, true, CLASSES)
    assert truth.rate == pytest.approx((given != true).mean())
    assert truth.covered
    assert (truth.first, truth.among_first) == (2, 2)
    assert truth.confusions.iloc[0].tolist() == ["atypical", "benign", ((given == 1) & (true == 0)).sum()]
    assert "inside the interval" in truth.sentences[0]


def test_weak_networks_tell_nothing_and_the_truth_is_still_compared():
    given, true, _ = confused()
    probabilities = np.random.default_rng(0).dirichlet(np.ones(4), len(given))
    found = label_errors(given, HeldOut(probabilities, np.tile(probabilities.argmax(1), (2, 1))), CLASSES)
    assert found.rate.doubt
    assert found.given is None
    assert found.confusions is None
    truth = compare(found, given, true, CLASSES)
    assert truth.covered is None
    assert truth.sentences == [f"{truth.rate:.1%} of the labels are wrong: nothing was told."]


def test_nothing_is_told_of_a_class_without_labels_or_with_few():
    given, true, held_out = confused(2000)
    given = np.where(given == 2, 3, given)
    found = label_errors(given, held_out, CLASSES).given.set_index("given")
    assert found["doubt"]["in situ"] == "no label is of this class"
    rare = np.flatnonzero(true == 2)[6:]
    kept = np.setdiff1d(np.arange(len(true)), rare)
    given, _, held_out = confused(2000)
    few = label_errors(given[kept], HeldOut(held_out.probabilities[kept], held_out.twins), CLASSES).given
    assert few["labels"][2] < 10
    assert "is wider than 35%" in few["doubt"][2]
