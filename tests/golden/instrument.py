"""Golden cases of label noise and metrics, each mapped to what the suite computes for it.

Labels that a reference drew from its own generator cannot be drawn again: there the matrix or probability
that they were drawn from is compared, and the labels in `tests/noise` by a chi-square test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np

from benchmark import metrics
from benchmark.noise.class_conditional import mapped, stored_map, symmetric
from benchmark.noise.classifier_based import margin_flips, official_scale
from benchmark.noise.instance import flip_probabilities

Case = dict[str, Any]
Result = dict[str, Any]


def transition_of(case: Case) -> np.ndarray:
    """Our T, [K, K], for a case of `noise_matrices` or `noise_labels`."""
    config = case["config"]
    rate = config.get("noise_rate", config.get("r"))
    classes = config.get("K") or config.get("nb_classes") or 10
    text = f"{case['method']} {config.get('kind', '')} {config.get('mode', '')}"
    if "pairflip" in text:
        return mapped(classes, tuple((i, (i + 1) % classes) for i in range(classes)), rate)
    if "cifar100" in text:
        return mapped(classes, stored_map("cifar100_blocks")[1], rate)
    if "mnist" in text:
        return mapped(classes, stored_map("digits")[1], rate)
    if "cifar10" in text or " asym" in text:
        return mapped(classes, stored_map("cifar10")[1], rate)
    return symmetric(classes, rate, inclusive="inclusive" in text or "dividemix" in text)


def matrix_case(case: Case) -> Result:
    transition = transition_of(case)
    outputs = {
        "T": transition.tolist(),
        "P": transition.tolist(),
        "T_closed_form": transition.tolist(),
        "nonzero": [[i, j, transition[i, j]] for i, j in np.argwhere(transition).tolist()],
        "overall_rate_balanced": 1 - float(np.diagonal(transition).mean()),
    }
    return {"status": "paper", "outputs": {k: v for k, v in outputs.items() if k in case["outputs"]}}


def in_place(classes: int, pairs: Sequence[tuple[int, int]], rate: float) -> np.ndarray:
    """T of a code that flips class after class in place: what became a later class may be flipped once more."""
    steps = [mapped(classes, (pair,), rate) for pair in sorted(pairs)]
    return reduce(np.matmul, steps)


def drawn_case(case: Case) -> Result:
    """Only drawn labels are recorded: their counts must fit our T, cell by cell within five deviations."""
    transition, note = transition_of(case), "labels of the reference's own stream; they fit our T within 5 sd a cell"
    if case["method"] == "asymmetric_cifar10_elr":
        transition = in_place(*stored_map("cifar10"), case["config"]["noise_rate"])
        note += ", applied class after class as there"
    if "counts_true_by_noisy" in case["outputs"]:
        joint = np.array(case["outputs"]["counts_true_by_noisy"])
    else:
        clean, noisy = np.array(case["inputs"]["labels"]), np.array(case["outputs"]["noisy"])
        joint = np.zeros_like(transition)
        np.add.at(joint, (clean, noisy), 1)
    expected = joint.sum(1, keepdims=True) * transition
    allowed = 5 * np.sqrt(expected * (1 - transition)) + 1e-9
    if (np.abs(joint - expected) > allowed).any():
        raise AssertionError("the recorded labels do not fit our transition matrix")
    return {"status": "reason", "note": note}


def margin_case(case: Case) -> Result:
    config = case["config"]
    if config["K"] == 2:
        note = "with two classes the reference flips one class only, by other polynomials; the paper's form is kept"
        return {"status": "reason", "note": note}
    flips = margin_flips(np.array(case["inputs"]["eta"]), config["type"])
    scaled = official_scale(flips, config["factor"])
    return {
        "status": "reference",
        "outputs": {"f_us": flips.tolist(), "prob_label_is_top2": scaled.tolist()},
        "note": "official scaling, by official=true",
    }


def instance_case(case: Case) -> Result:
    grid = (np.arange(400_000) + 0.5) / 400_000
    mean = float(flip_probabilities(grid, case["config"]["noise_rate"]).mean())
    return {
        "status": "reference",
        "outputs": {"flip_rate_truncnorm_mean_closed_form": mean},
        "note": "the uncalibrated flip probability, by official=true; labels are of the reference's own stream",
    }


def ece_case(case: Case) -> Result:
    p, y = np.array(case["inputs"]["probs"]), np.array(case["inputs"]["labels"])
    outputs = {}
    for bins in case["config"]["n_bins"]:
        ours = metrics.expected_calibration_error(p.max(1), p.argmax(1) == y, bins)
        outputs |= {f"gpleiss_bins{bins}": ours, f"own_right_closed_bins{bins}": ours}
    return {"status": "paper", "outputs": outputs, "note": "bins (a, b]"}


def medmnist_case(case: Case) -> Result:
    if "multi-label" in case["config"]["task"]:
        return {"status": "reason", "note": "multi-label sets are skipped: label noise here is for one label"}
    y, p = np.array(case["inputs"]["y_true"]).ravel(), np.array(case["inputs"]["y_score"])
    p = p[:, None] if p.ndim == 1 else p
    p = np.hstack([1 - p, p]) if p.shape[1] == 1 else p
    scored = metrics.score(p, y, p.shape[1])
    outputs = {"ACC": scored["accuracy"]}
    if case["outputs"]["AUC"] == "nan":
        return {"status": "paper", "outputs": outputs, "note": "AUC: classes without a positive leave the mean"}
    return {"status": "paper", "outputs": outputs | {"AUC": scored["auroc"]}}


CASES: dict[str, Callable[[Case], Result]] = {
    "T_symmetric_exclusive": matrix_case,
    "T_pairflip": matrix_case,
    "T_cifar10_asymmetric": matrix_case,
    "T_mnist_asymmetric": matrix_case,
    "T_cifar100_asymmetric": matrix_case,
    "symmetric_inclusive": matrix_case,
    "asymmetric_cifar10_elr": drawn_case,
    "dividemix_noise": drawn_case,
    "multiclass_noisify": matrix_case,
    "pmd": margin_case,
    "pdn_instance": instance_case,
    "ece": ece_case,
    "medmnist_binary_1col": medmnist_case,
    "medmnist_binary_2col": medmnist_case,
    "medmnist_binary_ties": medmnist_case,
    "medmnist_multiclass": medmnist_case,
    "medmnist_multiclass_ties": medmnist_case,
    "medmnist_multilabel": medmnist_case,
    "medmnist_multiclass_missing_class": medmnist_case,
}
