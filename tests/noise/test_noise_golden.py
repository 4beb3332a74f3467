"""The generators against the figures of the field's own implementations, and against their own past."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from benchmark.noise.base import Split
from benchmark.noise.class_conditional import mapped, stored_map, symmetric
from benchmark.noise.classifier_based import margin_flips, official_scale
from benchmark.noise.instance import flip_probabilities, wrong_shares
from benchmark.noise.manifest import count, labels_sha256
from tests.noise.noise_cases import make, make_split, spread_labels

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
GOLDEN = HERE.parent / "golden"
FROZEN = HERE / "golden_sha256.json"


def cases(family: str, *methods: str) -> list[Any]:
    found = json.loads((GOLDEN / f"{family}.json").read_text())["cases"]
    return [
        pytest.param(case, id=f"{case['method']}-{position}")
        for position, case in enumerate(found)
        if case["method"] in methods
    ]


def transition_of(case: dict[str, Any]) -> np.ndarray:
    """Our T for a golden case."""
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
    if "cifar10_asymmetric" in text or " asym" in text:
        return mapped(classes, stored_map("cifar10")[1], rate)
    return symmetric(classes, rate, inclusive="inclusive" in text or "dividemix" in text)


def agrees(joint: np.ndarray, transition: np.ndarray) -> None:
    """Counts [K, K] by clean and noisy class fit T: chi-square over its non-zero cells, none elsewhere."""
    expected = joint.sum(1, keepdims=True) * transition
    used = expected > 0
    assert not joint[~used].any()
    statistic = ((joint[used] - expected[used]) ** 2 / expected[used]).sum()
    freedom = int(used.sum() - (expected.sum(1) > 0).sum())
    assert stats.chi2.sf(statistic, freedom) > 1e-6 if freedom else statistic == 0


MATRICES = ("T_symmetric_exclusive", "T_pairflip", "T_cifar10_asymmetric", "T_mnist_asymmetric")


@pytest.mark.parametrize("case", cases("noise_matrices", *MATRICES))
def test_transition_matrices_equal_the_reference(case: dict[str, Any]) -> None:
    ours = transition_of(case)
    np.testing.assert_allclose(ours, case["outputs"]["T"], rtol=0, atol=1e-15)
    if "overall_rate_balanced" in case["outputs"]:
        overall = case["outputs"]["overall_rate_balanced"]
        assert 1 - np.diagonal(ours).mean() == pytest.approx(overall, abs=1e-15)


@pytest.mark.parametrize("case", cases("noise_matrices", "T_cifar100_asymmetric"))
def test_the_block_map_of_cifar100_equals_the_reference_and_differs_from_the_superclasses(
    case: dict[str, Any],
) -> None:
    expected = np.zeros((100, 100))
    for row, column, value in case["outputs"]["nonzero"]:
        expected[int(row), int(column)] = value
    np.testing.assert_allclose(transition_of(case), expected, rtol=0, atol=1e-15)
    assert stored_map("cifar100") != stored_map("cifar100_blocks")


@pytest.mark.parametrize("case", cases("noise_matrices", "symmetric_inclusive"))
def test_inclusive_noise_has_the_closed_form_and_explains_the_reference_labels(case: dict[str, Any]) -> None:
    ours = transition_of(case)
    np.testing.assert_allclose(ours, case["outputs"]["T_closed_form"], rtol=0, atol=1e-15)
    clean, noisy = np.array(case["inputs"]["labels"]), np.array(case["outputs"]["noisy"])
    agrees(count(clean, noisy, len(ours)), ours)


@pytest.mark.parametrize("case", cases("noise_matrices", "dividemix_noise"))
def test_dividemix_labels_agree_with_the_inclusive_and_asymmetric_transition(case: dict[str, Any]) -> None:
    joint = np.array(case["outputs"]["counts_true_by_noisy"])
    ours = transition_of(case)
    agrees(joint, ours)
    weights = joint.sum(1) / joint.sum()
    assert weights @ (1 - np.diagonal(ours)) == pytest.approx(case["outputs"]["actual_rate"], abs=0.005)


@pytest.mark.parametrize("case", cases("noise_matrices", "disturblabel"))
def test_inclusive_noise_keeps_a_label_as_often_as_disturblabel(case: dict[str, Any]) -> None:
    ours = symmetric(case["config"]["C"], case["config"]["alpha_percent"] / 100, inclusive=True)
    assert ours[0, 0] == pytest.approx(case["outputs"]["p_c"], abs=1e-15)
    assert ours[0, 1] == pytest.approx(case["outputs"]["p_i"], abs=1e-15)
    assert 1 - ours[0, 0] == pytest.approx(case["outputs"]["expected_change_rate"], abs=1e-15)


@pytest.mark.parametrize("case", cases("noise_labels", "multiclass_noisify"))
def test_reference_labels_and_ours_come_from_one_transition(case: dict[str, Any]) -> None:
    clean = np.array(case["inputs"]["labels"])
    ours = transition_of(case)
    np.testing.assert_allclose(ours, case["outputs"]["P"], rtol=0, atol=1e-15)
    agrees(count(clean, np.array(case["outputs"]["noisy"]), len(ours)), ours)
    name = "pair" if "pairflip" in case["config"]["kind"] else "symmetric"
    split = Split("train", clean, len(ours), "golden", "golden")
    drawn = make(name, rate=case["config"]["noise_rate"]).corrupt(split, case["config"]["random_state"])
    np.testing.assert_array_equal(drawn.transition, ours)
    agrees(count(clean, drawn.labels, len(ours)), ours)


# With two classes the reference flips one class only, and by other polynomials.
MARGINS = [case for case in cases("noise_matrices", "pmd") if case.values[0]["config"]["K"] > 2]


@pytest.mark.parametrize("case", MARGINS)
def test_pmd_flip_probabilities_equal_the_reference(case: dict[str, Any]) -> None:
    flips = margin_flips(np.array(case["inputs"]["eta"]), case["config"]["type"])
    np.testing.assert_allclose(flips, case["outputs"]["f_us"], rtol=0, atol=1e-12)
    scaled = official_scale(flips, case["config"]["factor"])
    np.testing.assert_allclose(scaled, case["outputs"]["prob_label_is_top2"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", cases("noise_pdn", "pdn_instance"))
def test_pdn_distributions_equal_the_reference_at_its_weights(case: dict[str, Any]) -> None:
    config, out = case["config"], case["outputs"]
    rng = np.random.default_rng([101, 71])
    x = rng.standard_normal((2000, 64)).astype(np.float32) * np.float32(config["feature_scale"])
    labels = rng.integers(0, 9, 2000)
    # The reference's own stream: flip probabilities first, then the weights.
    legacy = np.random.RandomState(config["seed"])
    legacy.random_sample(config["N"])
    weights = legacy.randn(9, 64, 9).astype(np.float32)
    shares = np.empty((2000, 9))
    for label in range(9):
        rows = labels == label
        shares[rows] = wrong_shares(x[rows].astype(np.float64), weights[label].astype(np.float64), label)
    assert shares.max(1).mean() == pytest.approx(out["mean_top_wrong_share"], abs=1e-5)
    q = np.array(out["flip_rate_first_10"])[:3]
    ours = q[:, None] * shares[:3]
    ours[np.arange(3), labels[:3]] = 1 - q
    np.testing.assert_allclose(ours, out["P_first_3"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("case", cases("noise_pdn", "pdn_instance"))
def test_official_instance_noise_overshoots_as_the_reference_does(case: dict[str, Any]) -> None:
    rate, out = case["config"]["noise_rate"], case["outputs"]
    grid = (np.arange(20_000) + 0.5) / 20_000
    q = flip_probabilities(grid, rate)
    assert q.mean() == pytest.approx(out["flip_rate_truncnorm_mean_closed_form"], abs=1e-4)
    assert q.std() == pytest.approx(out["flip_rate_std"], abs=0.005)
    own = stats.truncnorm(-rate / 0.1, (1 - rate) / 0.1, loc=rate, scale=0.1)
    np.testing.assert_allclose(q, own.ppf(grid), rtol=0, atol=1e-9)
    noisy = make("instance", rate=rate, official=True).corrupt(split := make_split(20_000), 0)
    assert (noisy.labels != split.labels).mean() == pytest.approx(out["realised_overall"], abs=0.025)


def frozen_labels(seed: int, folder: Path) -> dict[str, str]:
    """SHA-256 by case, of the kinds that use no floating-point model."""
    file = folder / "t.json"
    file.write_text(json.dumps([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.3, 0.1, 0.6]]))
    ten = Split("train", spread_labels(5000, 10), 10, "digits", "frozen")
    three = Split("val", spread_labels(5000, 3), 3, "made", "frozen")
    wanted: dict[str, tuple[Split, str, dict[str, Any]]] = {
        "none": (ten, "none", {}),
        "as_is": (ten, "as_is", {}),
        "symmetric": (ten, "symmetric", {"rate": 0.4}),
        "symmetric inclusive": (ten, "symmetric", {"rate": 0.4, "inclusive": True}),
        "pair": (ten, "pair", {"rate": 0.3}),
        "asymmetric": (ten, "asymmetric", {"rate": 0.4}),
        "transition": (three, "transition", {"file": file}),
        "long_tail": (ten, "long_tail", {"rho": 20, "noise": {"name": "pair", "rate": 0.3}}),
    }
    found = {}
    for label, (split, name, options) in wanted.items():
        made = make(name, **options).corrupt(split, seed)
        kept = slice(None) if made.selection is None else made.selection
        found[f"{label} seed {seed}"] = labels_sha256(made.labels[kept])
    return found


def test_labels_equal_those_of_every_earlier_version(tmp_path: Path) -> None:
    """A hash that changes means that published labels changed: bump the kind's version, then freeze anew."""
    found = {**frozen_labels(0, tmp_path), **frozen_labels(12345, tmp_path)}
    assert found == json.loads(FROZEN.read_text())


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_labels_do_not_depend_on_the_hash_seed(hash_seed: str, tmp_path: Path) -> None:
    code = (
        "import json, sys; from pathlib import Path; from test_noise_golden import frozen_labels; "
        "print(json.dumps(frozen_labels(0, Path(sys.argv[1]))))"
    )
    path = os.pathsep.join([str(ROOT), str(HERE)])
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(run.stdout) == frozen_labels(0, tmp_path)
