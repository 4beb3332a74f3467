"""Detectors of wrong labels: each finds planted errors, and the formulas are those that they name."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmark.errors import UsageError
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.resolve import resolve_backbone
from benchmark.grid.spec import Augment, Recipe, Seeds
from benchmark.labels.detectors import DETECTORS, Probe, Verdict, averaged, default, named, suited
from benchmark.labels.detectors.base import margins
from benchmark.labels.detectors.heads import fitted
from benchmark.labels.detectors.held_out import scores_of
from benchmark.noise.label_mixture import fit_mixture
from benchmark.runs.assemble import Network, open_backbone
from benchmark.runs.prepare import LabelledSet


def probe_of(folder, backbone, n=600, rate=0.2, raters=False):
    images, truth = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    chosen = rng.permutation(len(images))[:n]
    pixels = (images[chosen].reshape(-1, 8, 8, 1) * 15.9).astype(np.uint8)
    truth = truth[chosen].astype(np.int64)

    def noisy(share):
        return np.where(rng.random(n) < share, (truth + rng.integers(1, 10, n)) % 10, truth)

    given = noisy(rate)
    votes = np.stack([given, noisy(0.1), noisy(0.1)], 1) if raters else None
    resolved = resolve_backbone(PluginRef.of(backbone))
    network = Network(open_backbone(resolved.part, resolved.files), resolved.part)
    recipe = Recipe(epochs=6, batch_size=32, augment=Augment())
    part = LabelledSet(pixels, given, truth)
    device = torch.device("cpu")
    return Probe(network, part, 10, recipe, Seeds.equal(0), 3, folder, device, votes), given != truth


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    torch.set_num_threads(1)
    return probe_of(tmp_path_factory.mktemp("features"), "cnn:frozen=true", raters=True)


def test_every_detector_finds_planted_errors_on_the_same_labels(probed):
    probe, wrong = probed
    assert len(DETECTORS) >= 10
    assert suited(probe) == list(DETECTORS)
    for name, detector in DETECTORS.items():
        verdict = detector(probe)
        assert np.allclose(verdict.probabilities.sum(1), 1, atol=1e-5), name
        least = 0.6 if name == "forgetting" else 0.8
        assert roc_auc_score(wrong, -verdict.score) > least, name
        assert detector.summary.endswith((".", ")", ":")) or detector.summary, name


def test_the_default_on_features_is_no_worse_than_held_out_confidence(probed):
    probe, wrong = probed
    precision = {
        name: average_precision_score(wrong, -DETECTORS[name](probe).score) for name in ("heads", "self_confidence")
    }
    assert precision["heads"] > precision["self_confidence"] - 0.01
    assert default(replace(probe, votes=None)).name == "heads"


def test_the_default_on_features_holds_where_classes_are_uneven(tmp_path):
    """Heads follow wrong labels of rare classes; a T that is fitted to what they say would call those right."""
    probe, _ = probe_of(tmp_path, "cnn:frozen=true")
    rng = np.random.default_rng(0)
    shares = (0.67, 0.11, 0.11, 0.05, 0.03, 0.015, 0.015)
    truth = rng.choice(7, 2000, p=shares)
    given = np.where(rng.random(2000) < 0.2, (truth + rng.integers(1, 7, 2000)) % 7, truth)
    features = rng.standard_normal((7, 384))[truth] * 0.25 + rng.standard_normal((2000, 384))
    part = LabelledSet(np.zeros((2000, 8, 8, 1), np.uint8), given, truth)
    uneven = replace(probe, part=part, num_classes=7)
    uneven.__dict__["features"] = ((features - features.mean(0)) / features.std(0)).astype(np.float32)
    assert not uneven.estimate.doubt, "else T is not used"
    precision = {
        name: average_precision_score(given != truth, -DETECTORS[name](uneven).score)
        for name in ("heads", "self_confidence")
    }
    assert precision["heads"] > precision["self_confidence"], precision


def test_raters_are_compared_where_they_are_known(probed):
    probe, wrong = probed
    assert default(probe).name == "crowdlab"
    alone = average_precision_score(wrong, -DETECTORS["self_confidence"](probe).score)
    assert average_precision_score(wrong, -DETECTORS["crowdlab"](probe).score) > alone + 0.05


def test_images_that_no_rater_labelled_are_judged_by_the_networks(probed):
    probe, _ = probed
    votes = probe.votes.copy()
    votes[:100] = -1
    found = DETECTORS["crowdlab"](replace(probe, votes=votes))
    assert (found.probabilities[:100] == probe.held_out.probabilities[:100]).all()
    votes[:, 1:] = -1
    with pytest.raises(UsageError, match="labeled by two of the raters"):
        DETECTORS["crowdlab"](replace(probe, votes=votes))


def test_what_a_detector_needs_is_said(tmp_path):
    probe, _ = probe_of(tmp_path, "cnn")
    assert default(probe).name == "self_confidence"
    assert not {"heads", "knn", "crowdlab"} & set(suited(probe))
    for name in ("heads", "knn", "crowdlab"):
        with pytest.raises(UsageError, match="expected"):
            DETECTORS[name](probe)
    with pytest.raises(UsageError, match="expected one of"):
        named("typo")


def test_a_head_is_the_logistic_regression_of_scikit_learn():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 5)).astype(np.float32)
    y = (x[:, 0] + 0.5 * rng.standard_normal(200) > 0).astype(int) + (x[:, 1] > 1)
    ours = fitted(x, np.eye(3)[y], 0.1)
    theirs = LogisticRegression(C=0.1, tol=1e-8, max_iter=1000).fit(x, y).predict_proba(x)
    assert np.abs(ours - theirs).max() < 0.01
    weighed = fitted(x[:100], np.eye(3)[y[:100]], 0.1, at=x[100:])
    held = LogisticRegression(C=0.1, tol=1e-8, max_iter=1000).fit(x[:100], y[:100]).predict_proba(x[100:])
    assert np.abs(weighed - held).max() < 0.01


def test_the_posterior_is_bayes_rule_with_the_true_noise():
    """Exact class probabilities and T of .3 symmetric: the posterior is known in closed form."""
    rng = np.random.default_rng(1)
    classes, n = 3, 6000
    odds = np.exp(2.5 * rng.standard_normal((n, classes)))
    probabilities = odds / odds.sum(1, keepdims=True)
    truth = (probabilities.cumsum(1) > rng.random((n, 1))).argmax(1)
    transition = np.full((classes, classes), 0.15) + 0.55 * np.eye(classes)
    given = (transition[truth].cumsum(1) > rng.random((n, 1))).argmax(1)
    joint = probabilities * transition.T[given]
    exact = joint / joint.sum(1, keepdims=True)
    seen = probabilities @ transition  # what a good network of noisy labels says: T is in it already
    scores = scores_of(probabilities)
    found = fit_mixture(scores, given).right(scores, given)
    assert np.abs(found - exact).mean() < 0.03
    assert np.abs(seen - exact).mean() > 0.03, "else the test says nothing"


def test_margins_and_averages_by_hand():
    values = np.array([[[3.0, 1.0, 2.0], [0.0, 5.0, 4.0]]])
    assert margins(values, np.array([0, 2])).tolist() == [[1.0, -1.0]]
    flat = np.full((2, 2), 0.5)
    both = averaged([Verdict(np.array([1.0, 2.0]), flat), Verdict(np.array([30.0, 10.0]), flat)])
    assert both.score.tolist() == [0.75, 0.75]
    one = Verdict(np.array([1.0, 2.0]), flat)
    assert averaged([one]) is one
