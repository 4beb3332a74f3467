"""Golden cases of label noise and metrics, each mapped to what the suite computes for it.

Labels that a reference drew from its own generator cannot be drawn again: they have to fit the matrix or the
probabilities from which ours are drawn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from scipy import stats

from benchmark import metrics
from benchmark.checks.golden import Case, Form, Result, Values, Within
from benchmark.noise.class_conditional import mapped, stored_map, symmetric
from benchmark.noise.classifier_based import margin_flips, official_scale
from benchmark.noise.instance import flip_probabilities, wrong_shares
from benchmark.noise.manifest import count

# ---- label noise -------------------------------------------------------------------------------------------


def fits(joint: np.ndarray, expected: np.ndarray) -> bool:
    """Counts [K, K] by clean and noisy class agree with expected ones: chi-square over its non-zero cells."""
    used = expected > 0
    if joint[~used].any():
        return False
    statistic = ((joint[used] - expected[used]) ** 2 / expected[used]).sum()
    freedom = int(used.sum() - (expected.sum(1) > 0).sum())
    return bool(stats.chi2.sf(statistic, freedom) > 1e-6) if freedom else statistic == 0


@dataclass(frozen=True)
class DrawnFrom:
    """Agrees with noisy labels [N] of the `clean` ones, or with counts [K, K], that fit the expected counts."""

    expected: np.ndarray
    clean: np.ndarray | None = None

    def differences(self, golden: Values, where: str) -> Iterator[str]:
        drawn = np.array(golden)
        if drawn.ndim == 1 and self.clean is not None and drawn.shape == self.clean.shape:
            if not set(drawn.tolist()) <= set(range(len(self.expected))):
                yield f"{where}: expected labels below {len(self.expected)}"
                return
            drawn = count(self.clean, drawn, len(self.expected))
        if drawn.shape != self.expected.shape or not fits(drawn, self.expected):
            yield f"{where}: the drawn labels do not fit our probabilities"


def rate_within(rate: float, draws: int) -> Within:
    """A rate that was realised in so many draws: within four standard deviations."""
    return Within(rate, 4 * (rate * (1 - rate) / draws) ** 0.5 + 1e-9)


def transition_of(case: Case) -> np.ndarray:
    """Our T, [K, K], for a case of `noise_matrices` or `noise_labels`."""
    config = case["config"]
    rate: float = config["noise_rate"] if "noise_rate" in config else config["r"]
    classes = config.get("K") or config.get("nb_classes") or 10
    text = f"{case['method']} {config.get('kind', '')} {config.get('mode', '')}"
    if "pairflip" in text:
        return mapped(classes, tuple((i, (i + 1) % classes) for i in range(classes)), rate)
    if "cifar100" in text:
        return mapped(classes, stored_map("cifar100_blocks")[1], rate)
    if "mnist" in text:
        return mapped(classes, stored_map("digits")[1], rate)
    if "elr" in text:
        return in_place(*stored_map("cifar10"), rate)
    if "cifar10" in text or " asym" in text:
        return mapped(classes, stored_map("cifar10")[1], rate)
    return symmetric(classes, rate, inclusive="inclusive" in text or "dividemix" in text)


def in_place(classes: int, pairs: Sequence[tuple[int, int]], rate: float) -> np.ndarray:
    """T of a code that flips class after class in place: what became a later class may be flipped once more."""
    steps = [mapped(classes, (pair,), rate) for pair in sorted(pairs)]
    return reduce(np.matmul, steps)


def matrix_case(case: Case) -> Result:
    """T itself, and labels or counts that the reference drew."""
    transition, golden = transition_of(case), case["outputs"]
    outputs: dict[str, Any] = {
        "T": transition.tolist(),
        "P": transition.tolist(),
        "T_closed_form": transition.tolist(),
        "nonzero": [[i, j, transition[i, j]] for i, j in np.argwhere(transition).tolist()],
        "overall_rate_balanced": 1 - float(np.diagonal(transition).mean()),
    }
    if "labels" in case["inputs"]:
        clean = np.array(case["inputs"]["labels"]).ravel()
        members = np.bincount(clean, minlength=len(transition))
    elif "counts_true_by_noisy" in golden:
        clean, members = None, np.array(golden["counts_true_by_noisy"]).sum(1)
    else:
        return Result(outputs)
    wrong = members * (1 - np.diagonal(transition))
    spread = 4 * np.sqrt(wrong * np.diagonal(transition)) + 1e-9
    drawn = DrawnFrom(members[:, None] * transition, clean)
    outputs |= {
        "noisy": drawn,
        "counts_true_by_noisy": drawn,
        "actual_rate": rate_within(float(wrong.sum() / members.sum()), int(members.sum())),
        "flips_per_class": Within(wrong.tolist(), spread.tolist()),
    }
    return Result(outputs, note="drawn labels have to fit our T")


def margin_case(case: Case) -> Result:
    config = case["config"]
    if config["K"] == 2:
        return binary_margin_case(case)
    flips = margin_flips(np.array(case["inputs"]["eta"]), config["type"])
    scaled = official_scale(flips, config["factor"])
    outputs = {
        "f_us": flips.tolist(),
        "prob_label_is_top1": (1 - scaled).tolist(),
        "prob_label_is_top2": scaled.tolist(),
    }
    return Result(outputs, Form.OFFICIAL, "official scaling, by official=true")


def binary_margin_case(case: Case) -> Result:
    """With two classes the reference has other polynomials of the margin d, which our type 1, (1 - d^2) / 2, gives."""
    eta, kind = np.array(case["inputs"]["eta"]), case["config"]["type"]
    flips = margin_flips(eta, 1)
    square = np.maximum(1 - 2 * flips, 0)
    polynomial = {1: eta[:, 1] * square / 2, 2: (1 - np.sqrt(square)) / 2, 3: flips}[kind]
    note = "with two classes the reference flips one class only, by other polynomials: those of our margin"
    return Result({"f_us": polynomial.tolist()}, Form.OFFICIAL, note)


def instance_case(case: Case) -> Result:
    """PDN noise at the reference's own inputs and weights: flip probabilities q, and shares of the wrong classes."""
    config, golden = case["config"], case["outputs"]
    size, classes, rate = config["N"], config["K"], config["noise_rate"]
    seed = re.search(r"default_rng\(\[([\d, ]+)\]\)", case["inputs"]["recipe"])
    if seed is None:
        raise ValueError(f"expected default_rng([...]) in the recipe {case['inputs']['recipe']!r}")
    rng = np.random.default_rng([int(part) for part in seed[1].split(",")])
    x = rng.standard_normal((size, config["d"])).astype(np.float32) * np.float32(config["feature_scale"])
    labels = rng.integers(0, classes, size)
    # The reference's own stream: flip probabilities first, then the weights.
    legacy = np.random.RandomState(config["seed"])
    legacy.random_sample(size)
    weights = legacy.randn(classes, config["d"], classes).astype(np.float32)
    shares = np.empty((size, classes))
    for label in range(classes):
        rows = labels == label
        shares[rows] = wrong_shares(x[rows].astype(np.float64), weights[label].astype(np.float64), label)
    q = flip_probabilities((np.arange(400_000) + 0.5) / 400_000, rate)
    mean, deviation = float(q.mean()), float(q.std())
    first = np.array(golden["flip_rate_first_10"])[:3]
    rows_first = first[:, None] * shares[:3]
    rows_first[np.arange(3), labels[:3]] = 1 - first
    chances = mean * shares
    chances[np.arange(size), labels] = 1 - mean
    expected = np.stack([chances[labels == label].sum(0) for label in range(classes)])
    members = expected.sum(1, keepdims=True)
    realised = 4 * np.sqrt(mean * (1 - mean) / members) + 1e-9
    # Means of q times a share over the members of a class; of 1 - q on the diagonal.
    squares = np.stack([(shares[labels == label] ** 2).mean(0) for label in range(classes)]) + np.eye(classes)
    spread = 4 * deviation * np.sqrt(squares / members)
    outputs = {
        "flip_rate_truncnorm_mean_closed_form": mean,
        "flip_rate_mean": Within(mean, 4 * deviation / size**0.5),
        "flip_rate_std": Within(deviation, 0.005),
        "P_first_3": Within(rows_first.tolist(), 1e-5),
        "mean_top_wrong_share": Within(float(shares.max(1).mean()), 1e-5),
        "realised_overall": rate_within(mean, size),
        "realised_per_class": Within([mean] * classes, realised.ravel().tolist()),
        "counts_true_by_noisy": DrawnFrom(expected),
        "class_conditional_T": Within((expected / members).tolist(), spread.tolist()),
        "noisy": DrawnFrom(expected, labels),
    }
    return Result(outputs, Form.OFFICIAL, "the uncalibrated flip probability, by official=true")


# ---- metrics -----------------------------------------------------------------------------------------------


def ece_case(case: Case) -> Result:
    """Bins (a, b]; the two conventions differ only where a confidence lies on an edge."""
    p, y = np.array(case["inputs"]["probs"]), np.array(case["inputs"]["labels"])
    names = ["gpleiss_bins{}", "own_right_closed_bins{}", "own_left_closed_bins{}"]
    names += ["torchmetrics_l1_bins{}_f64", "torchmetrics_l1_bins{}_f32"]
    outputs: dict[str, Any] = {}
    for bins in case["config"]["n_bins"]:
        ours = metrics.expected_calibration_error(p.max(1), p.argmax(1) == y, bins)
        outputs |= dict.fromkeys((name.format(bins) for name in names), ours)
    scored = metrics.score(p, y, p.shape[1])["ece"]
    if outputs.get("gpleiss_bins15", scored) != scored:
        raise AssertionError(f"metrics.score gives an ECE of {scored}, expected that of 15 bins")
    return Result(outputs, note="bins (a, b]")


def medmnist_case(case: Case) -> Result:
    y, p = np.array(case["inputs"]["y_true"]), np.array(case["inputs"]["y_score"])
    if "multi-label" in case["config"]["task"]:
        labels = [binary_scores(y[:, k], p[:, k]) for k in range(y.shape[1])]
        means = {name: float(np.mean([scored[name] for scored in labels])) for name in ("AUC", "ACC")}
        return Result(means, note="the mean over the labels, each scored as a task of two classes")
    p = p[:, None] if p.ndim == 1 else p
    if p.shape[1] == 1:
        return Result(binary_scores(y.ravel(), p[:, 0]))
    scored = metrics.score(p, y.ravel(), p.shape[1])
    note = "AUC: classes without a positive leave the mean" if case["outputs"]["AUC"] == "nan" else ""
    return Result({"ACC": scored["accuracy"], "AUC": scored["auroc"]}, note=note)


def binary_scores(y: np.ndarray, positive: np.ndarray) -> dict[str, float]:
    """Scores of two classes by the probability [N] of the second."""
    scored = metrics.score(np.stack([1 - positive, positive], 1), y, 2)
    return {"ACC": scored["accuracy"], "AUC": scored["auroc"]}


CASES: dict[str, Callable[[Case], Result]] = {
    "T_symmetric_exclusive": matrix_case,
    "T_pairflip": matrix_case,
    "T_cifar10_asymmetric": matrix_case,
    "T_mnist_asymmetric": matrix_case,
    "T_cifar100_asymmetric": matrix_case,
    "symmetric_inclusive": matrix_case,
    "asymmetric_cifar10_elr": matrix_case,
    "dividemix_noise": matrix_case,
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
