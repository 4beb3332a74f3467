"""What the generators draw, against the figures of the field's own implementations and against their own past.

Matrices and probabilities are compared in `tests/golden`.
"""

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

from benchmark.checks.golden import Case, Within, compare, read_cases
from benchmark.noise.base import Split
from benchmark.noise.class_conditional import stored_map, symmetric
from benchmark.noise.instance import flip_probabilities
from benchmark.noise.manifest import count, labels_sha256
from tests.golden.instrument import fits
from tests.noise.noise_cases import make, make_split, spread_labels

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
GOLDEN = HERE.parent / "golden"
FROZEN = HERE / "golden_sha256.json"


def cases(family: str, *methods: str) -> list[Any]:
    return [
        pytest.param(case, id=f"{case['method']}-{position}")
        for position, case in enumerate(read_cases(GOLDEN / f"{family}.json"))
        if case["method"] in methods
    ]


def agrees(outputs: dict[str, Any], case: Case) -> None:
    """These outputs, of those of a golden case, are met."""
    assert not list(compare(outputs, {key: case["outputs"][key] for key in outputs}, 1e-12))


def test_the_block_map_of_cifar100_differs_from_the_superclasses() -> None:
    assert stored_map("cifar100") != stored_map("cifar100_blocks")


@pytest.mark.parametrize("case", cases("noise_matrices", "disturblabel"))
def test_inclusive_noise_keeps_a_label_as_often_as_disturblabel(case: Case) -> None:
    ours = symmetric(case["config"]["C"], case["config"]["alpha_percent"] / 100, inclusive=True)
    outputs = {"p_c": ours[0, 0], "p_i": ours[0, 1], "expected_change_rate": 1 - ours[0, 0]}
    agrees(outputs, case)


@pytest.mark.parametrize("case", cases("noise_labels", "multiclass_noisify"))
def test_our_own_labels_are_drawn_from_the_transition_of_the_reference(case: Case) -> None:
    config, clean = case["config"], np.array(case["inputs"]["labels"])
    transition = np.array(case["outputs"]["P"])
    name = "pair" if "pairflip" in config["kind"] else "symmetric"
    split = Split("train", clean, len(transition), "golden", "golden")
    drawn = make(name, rate=config["noise_rate"]).corrupt(split, config["random_state"])
    agrees({"P": drawn.transition.tolist()}, case)
    members = np.bincount(clean, minlength=len(transition))
    assert fits(count(clean, drawn.labels, len(transition)), members[:, None] * transition)


@pytest.mark.parametrize("case", cases("noise_pdn", "pdn_instance"))
def test_official_instance_noise_overshoots_as_the_reference_does(case: Case) -> None:
    rate = case["config"]["noise_rate"]
    grid = (np.arange(20_000) + 0.5) / 20_000
    q = flip_probabilities(grid, rate)
    own = stats.truncnorm(-rate / 0.1, (1 - rate) / 0.1, loc=rate, scale=0.1)
    np.testing.assert_allclose(q, own.ppf(grid), rtol=0, atol=1e-9)
    noisy = make("instance", rate=rate, official=True).corrupt(split := make_split(20_000), 0)
    agrees({"realised_overall": Within(float((noisy.labels != split.labels).mean()), 0.025)}, case)


def frozen_labels(seed: int, folder: Path) -> dict[str, str]:
    """SHA-256 by case, of the kinds that use no floating-point model."""
    file = folder / "t.json"
    file.write_text(json.dumps([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.3, 0.1, 0.6]]))
    ten = Split("train", spread_labels(5000, 10), 10, "digits", "frozen", registered="digits")
    three = Split("val", spread_labels(5000, 3), 3, "made", "frozen")
    wanted: dict[str, tuple[Split, str, dict[str, Any]]] = {
        "none": (ten, "none", {}),
        "as_is": (ten, "as_is", {}),
        "symmetric": (ten, "symmetric", {"rate": 0.4}),
        "symmetric inclusive": (ten, "symmetric", {"rate": 0.4, "inclusive": True}),
        "pair": (ten, "pair", {"rate": 0.3}),
        "asymmetric": (ten, "asymmetric", {"rate": 0.4}),
        "ordinal": (ten, "ordinal", {"rate": 0.3}),
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
