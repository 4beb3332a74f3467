"""Labels of several raters, and their consensus."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmark.noise._consensus import counts_of, dawid_skene, likeliest, one_hot
from benchmark.noise.base import NoiseError, Split
from benchmark.noise.manifest import count, make_manifest
from tests.noise.noise_cases import make, make_split

ANESTHETISTS = """
111 1 1 1 1, 333 4 3 3 4, 112 2 1 2 2, 222 3 1 2 1, 222 3 2 2 2, 222 3 3 2 2, 122 2 1 1 1, 333 3 4 3 3, 222 2 2 2 3,
232 2 2 2 3, 444 4 4 4 4, 222 3 3 4 3, 111 1 1 1 1, 222 3 2 1 2, 121 1 1 1 1, 111 2 1 1 1, 111 1 1 1 1, 111 1 1 1 1,
222 2 2 2 1, 222 1 3 2 2, 222 2 2 2 2, 222 2 2 2 1, 222 3 2 2 2, 221 2 2 2 2, 111 1 1 1 1, 111 1 1 1 1, 232 2 2 2 2,
111 1 1 1 1, 111 1 1 1 1, 112 1 1 2 1, 111 1 1 1 1, 333 3 2 3 3, 111 1 1 1 1, 222 2 2 2 2, 222 3 2 3 2, 433 4 3 4 3,
221 2 2 3 2, 232 3 2 3 3, 333 3 4 3 2, 111 1 1 1 1, 111 1 1 1 1, 121 2 1 1 1, 232 2 2 2 2, 121 1 1 1 1, 222 2 2 2 2
"""
"""Dawid & Skene 1979, table 1: 45 patients; observer 1 answered three times, observers 2 to 5 once."""

TWO = {
    "good": [[0.9, 0.05, 0.05], [0.1, 0.9, 0.0], [0.0, 0.2, 0.8]],
    "bad": [[0.5, 0.5, 0], [0, 0.6, 0.4], [0.3, 0, 0.7]],
}


def anesthetists() -> np.ndarray:
    answers = np.zeros((45, 5, 4))
    for patient, row in enumerate(ANESTHETISTS.split(",")):
        for observer, given_classes in enumerate(row.split()):
            for one in given_classes:
                answers[patient, observer, int(one) - 1] += 1
    return answers


def recorded(votes: list[list[int]], labels: list[int], **changes: Any) -> Split:
    names = ("ann", "bob", "cy", "di")
    array = np.array(votes, dtype=np.int64)
    by_name = {names[r]: array[:, r] for r in range(array.shape[1])}
    return make_split(len(labels), 3, labels=np.array(labels, dtype=np.int64), given=by_name, **changes)


def test_dawid_skene_gives_the_published_estimates_of_the_anesthetists() -> None:
    """Tables 2 and 3 of the paper, to two digits."""
    model = dawid_skene(anesthetists())
    assert model.priors.round(2).tolist() == [0.40, 0.42, 0.11, 0.07]
    first = [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]]
    np.testing.assert_allclose(model.confusions[0], first, atol=0.005)
    assert model.posteriors.argmax(1)[[0, 1, 2, 10, 35]].tolist() == [0, 3, 1, 3, 3]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(3, 6))
def test_dawid_skene_raises_the_likelihood_and_gives_distributions(seed: int, classes: int, raters: int) -> None:
    rng = np.random.default_rng(seed)
    votes = rng.integers(-1, classes, (60, raters))
    votes[:, 0] = rng.integers(0, classes, 60)
    model = dawid_skene(one_hot(votes, classes))
    np.testing.assert_allclose(model.posteriors.sum(1), 1)
    np.testing.assert_allclose(model.priors.sum(), 1)
    sums = model.confusions.sum(2)
    assert np.isclose(sums, 1).any(1).all() or (votes < 0).all(0).any()


def test_a_rater_that_errs_often_is_outvoted_by_dawid_skene() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 3000)
    rates = (0.05, 0.35, 0.35, 0.35)
    votes = np.stack([np.where(rng.random(3000) < rate, 1 - truth, truth) for rate in rates], axis=1)
    v = rng.random(3000)
    skilled = likeliest(dawid_skene(one_hot(votes, 2)).posteriors, v).labels
    majority = likeliest(counts_of(votes, 2).astype(float), v).labels
    assert (skilled != truth).mean() < 0.07
    assert (majority != truth).mean() > 0.12


def test_soft_labels_are_the_shares_of_the_raters_or_the_posteriors_of_dawid_skene() -> None:
    votes = [[0, 0, 1], [1, 2, 2], [0, -1, 2], [-1, -1, -1], [1, 1, 1]]
    split = recorded(votes, [0, 2, 0, 0, 1])
    shares: list[list[float]] = [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3], [1 / 2, 0, 1 / 2], [0, 0, 0], [0, 1, 0]]
    for labels in ("majority", "drawn"):
        np.testing.assert_allclose(make("raters", labels=labels).corrupt(split, 0).soft, shares)
    voted = np.array([0, 1, 2, 4])
    model = dawid_skene(one_hot(np.array(votes)[voted], 3))
    soft = make("raters", labels="dawid_skene").corrupt(split, 0).soft
    np.testing.assert_allclose(soft[voted], model.posteriors)
    assert make("raters", labels="ann").corrupt(split, 0).soft is None, "one rater gives one label"


def test_majority_by_hand_and_ties_are_broken_by_the_seed_and_counted() -> None:
    split = recorded([[0, 0, 1], [1, 2, 2], [0, 1, 2], [1, -1, -1]], [0, 2, 0, 1])
    kind = make("raters", labels="majority")
    made = kind.corrupt(split, 0)
    assert made.labels[[0, 1, 3]].tolist() == [0, 2, 1]
    assert any("1 ties (25.0%) were broken by the seed" in note for note in made.notes)
    seen = {int(kind.corrupt(split, seed).labels[2]) for seed in range(40)}
    assert seen == {0, 1, 2}
    np.testing.assert_array_equal(kind.corrupt(split, 7).labels, kind.corrupt(split, 7).labels)


def test_images_without_any_label_are_left_out_and_counted() -> None:
    split = recorded([[0, -1], [-1, -1], [2, 2]], [0, 1, 1])
    made = make("raters", labels="majority").corrupt(split, 0)
    assert made.selection is not None
    assert made.selection.tolist() == [0, 2]
    assert made.labels.tolist() == [0, 1, 2]
    assert make("raters", labels="majority", raters="ann+bob").cfg.raters == ("ann", "bob")
    split = replace(split, name="val")
    alone = make("raters", labels="bob").corrupt(split, 0)
    assert alone.selection is not None
    assert alone.selection.tolist() == [2]
    assert any("2 of 3 images of val have no label (-1)" in note for note in alone.notes)
    manifest = make_manifest(make("raters", labels="bob"), {}, split, alone)
    assert (manifest.num_samples, manifest.realized_rate) == (1, 1.0)


def test_a_single_label_array_may_hold_missing_labels_too() -> None:
    split = recorded([[0], [-1], [2]], [0, 1, 1])
    made = make("given", labels="ann").corrupt(split, 0)
    assert made.selection is not None
    assert made.selection.tolist() == [0, 2]


def test_the_notes_say_how_often_raters_err_and_agree() -> None:
    split = recorded([[0, 0], [1, 2], [2, -1], [0, 0]], [0, 1, 1, 1])
    notes = make("raters", labels="majority").corrupt(split, 0).notes
    assert "share of wrong labels by rater: ann 0.500, bob 0.667 (75% labeled)" in notes
    assert "two raters of an image agree in 66.7% of the pairs" in notes


def test_one_rater_of_matrices_follows_its_matrix() -> None:
    split = make_split(30_000, 3)
    kind = make("raters", labels="bad", source=TWO)
    made = kind.corrupt(split, 0)
    np.testing.assert_allclose(made.transition, TWO["bad"])
    joint = count(split.labels, made.labels, 3)
    np.testing.assert_allclose(joint / joint.sum(1, keepdims=True), TWO["bad"], atol=0.015)
    other = make("raters", labels="good", source=TWO).corrupt(split, 0)
    wrong, too = made.labels != split.labels, other.labels != split.labels
    # Independent given the class.
    inside = split.labels == 1
    assert abs(np.corrcoef(wrong[inside], too[inside])[0, 1]) < 0.04


def test_classes_of_the_data_are_rows_of_the_matrix_by_their_number() -> None:
    """In colon tissue: adenocarcinoma, healthy, serrated, adenoma; in Chaoyang normal, serrated, adenocarcinoma, ..."""
    split = make_split(8000, 4)
    kind = make("raters", labels="a", source="chaoyang", classes=[2, 0, 1, 3])
    made = kind.corrupt(split, 0)
    assert made.transition is not None
    assert made.transition[0, 0] == pytest.approx(0.985)
    assert made.transition[1, 2] == pytest.approx(0.275)
    assert made.transition[2, 3] == pytest.approx(0.125, abs=2e-4)
    assert "classes taken as 0 adenocarcinoma, 1 normal, 2 serrated, 3 adenoma" in made.notes
    assert any("a simulation" in note for note in made.notes)


def test_the_majority_of_matrices_is_better_than_a_rater_and_dawid_skene_warns_of_two() -> None:
    three = {name: [[0.7, 0.3], [0.3, 0.7]] for name in ("x", "y", "z")}
    split = make_split(6000, 2)
    rates = {
        labels: (make("raters", labels=labels, source=three).corrupt(split, 0).labels != split.labels).mean()
        for labels in ("x", "majority", "drawn")
    }
    assert rates["x"] == pytest.approx(0.3, abs=0.02)
    assert rates["majority"] == pytest.approx(0.216, abs=0.02)
    assert rates["drawn"] == pytest.approx(0.3, abs=0.02)
    two = make("raters", labels="dawid_skene", source=TWO).corrupt(make_split(300, 3), 0)
    assert "dawid_skene: 2 raters do not determine the model; expected at least 3" in two.notes


def test_counts_give_a_majority_or_a_drawn_rater() -> None:
    counts = np.tile([[6, 3, 1]], (4000, 1))
    split = make_split(4000, 3, labels=np.zeros(4000, dtype=np.int64), counts=counts)
    assert not make("raters", labels="majority", source="counts").corrupt(split, 0).labels.any()
    drawn = make("raters", labels="drawn", source="counts").corrupt(split, 0)
    np.testing.assert_allclose(np.bincount(drawn.labels, minlength=3) / 4000, [0.6, 0.3, 0.1], atol=0.03)
    assert "10 to 10 raters per image, 10.0 on average" in drawn.notes
    with pytest.raises(NoiseError, match="which rater gave which label"):
        make("raters", labels="dawid_skene", source="counts").corrupt(split, 0)


def test_crowdlab_weighs_raters_and_networks() -> None:
    """Networks that are right nearly always correct two raters that are wrong in a third of their labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 1500)
    votes = np.where(
        rng.random((1500, 2)) < 0.35, (labels[:, None] + rng.integers(1, 3, (1500, 2))) % 3, labels[:, None]
    )
    sure = 0.04 + 0.88 * np.eye(3)[labels]
    split = recorded(votes.tolist(), labels.tolist(), probabilities=sure)
    kind = make("raters", labels="crowdlab")
    made = kind.corrupt(split, 0)
    majority = make("raters", labels="majority").corrupt(split, 0)
    assert (made.labels != labels).mean() < (majority.labels != labels).mean() / 2
    assert "crowdlab: its networks were trained on the raters' majority, not on clean labels" in made.notes
    state = np.random.get_state()[1].tolist()
    np.testing.assert_array_equal(kind.corrupt(split, 1).labels, kind.corrupt(split, 2).labels)
    assert np.random.get_state()[1].tolist() == state


def test_crowdlab_asks_for_networks_on_the_raters_labels_never_for_clean_ones() -> None:
    split = recorded([[0, 0, 1], [1, 2, 2], [-1, -1, -1]], [2, 2, 2], probabilities=None)
    kind = make("raters", labels="crowdlab")
    assert kind.requires_clean_classifier(split)
    assert kind.classifier_on_own_labels
    assert kind.classifier_labels(split, 0).tolist() == [0, 2, -1]
    nested = make("long_tail", rho=2, noise={"name": "raters", "labels": "crowdlab"})
    assert nested.classifier_on_own_labels
    assert nested.classifier_labels(split, 0).tolist() == [0, 2, -1]
    with pytest.raises(NoiseError, match="trained on the raters' majority"):
        kind.corrupt(split, 0)
    assert not make("raters", labels="majority").requires_clean_classifier(split)


def test_raters_of_a_file_are_those_of_the_matrices_in_it(tmp_path: Path) -> None:
    file = tmp_path / "raters.json"
    file.write_text(json.dumps(TWO))
    split = make_split(500, 3)
    by_file = make("raters", labels="good", source=str(file)).corrupt(split, 0)
    np.testing.assert_array_equal(by_file.labels, make("raters", labels="good", source=TWO).corrupt(split, 0).labels)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "a", "source": "nowhere"}, "expected one of recorded, counts, chaoyang, a .json file"),
        ({"labels": "a", "source": {"a": [[0.5, 0.4], [0, 1]]}}, "row 0 .* sums to 0.9"),
        ({"labels": "a", "source": {"majority": [[1, 0], [0, 1]]}}, "which is a consensus"),
        ({"labels": "majority", "raters": "a+b+a"}, "names of different raters"),
        ({"labels": "majority", "raters": "a", "source": "counts"}, "counts do not say which rater"),
        ({"labels": "a", "classes": [1, 0]}, "recorded labels have the data set's own classes"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make("raters", **options)


def test_raters_that_do_not_fit_the_data_are_refused() -> None:
    split = make_split(50, 3)
    with pytest.raises(NoiseError, match="has 4 classes, 'made' has 3"):
        make("raters", labels="a", source="chaoyang").corrupt(split, 0)
    with pytest.raises(NoiseError, match="expected some of good, bad"):
        make("raters", labels="majority", source=TWO, raters=["ugly"]).corrupt(split, 0)
    with pytest.raises(NoiseError, match="no rater is named 'ugly'"):
        make("raters", labels="ugly", source=TWO).corrupt(split, 0)
    assert "no labels of raters" in (make("raters", labels="majority").skip(split) or "")
    missing = make("raters", labels="eve", raters=["eve"]).skip(recorded([[0], [1]], [0, 1]))
    assert "it has ann" in (missing or "")
    assert "has no counts" in (make("raters", labels="majority", source="counts").skip(split) or "")


def test_recorded_labels_of_the_name_of_a_consensus_are_never_taken_for_it_or_for_a_rater() -> None:
    split = recorded([[0, 1, 1], [1, 1, 0]], [0, 1])
    given = dict(zip(("a", "b", "majority"), split.given.values(), strict=False))
    split = replace(split, given=given)
    with pytest.raises(NoiseError, match=r"labels named 'majority', which is a consensus here.*given:majority"):
        make("raters", labels="majority").corrupt(split, 0)
    make("raters", labels="majority", raters=["a", "b"]).corrupt(split, 0)


def test_of_a_rater_without_any_label_no_share_of_wrong_ones_is_told() -> None:
    split = recorded([[0, -1], [1, -1]], [0, 1])
    notes = make("raters", labels="majority").corrupt(split, 0).notes
    assert any("without labels" in note for note in notes)
    assert not any("0% labeled" in note for note in notes)


def test_a_rater_that_a_file_names_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "raters.json").write_text('{"a": [[1, 0], [0, 1]], "a": [[0.5, 0.5], [0.5, 0.5]]}')
    with pytest.raises(ValidationError, match="the key 'a' comes twice"):
        make("raters", labels="a", source=str(tmp_path / "raters.json"))


@pytest.mark.parametrize(("kind", "options"), [("given", {}), ("raters", {"raters": ["ann"]})])
def test_a_training_set_of_one_label_is_refused(kind: str, options: dict[str, Any]) -> None:
    split = recorded([[0, 1], [-1, 1], [-1, 0]], [0, 1, 0])
    with pytest.raises(NoiseError, match="one image of 'made' .*too few to train on"):
        make(kind, labels="ann", **options).corrupt(split, 0)
    assert len(make(kind, labels="ann", **options).corrupt(replace(split, name="val"), 0).selection) == 1
