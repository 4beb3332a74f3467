"""Every reference number is met: by the paper's form, or by the official one as an option."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from benchmark.checks.golden import (
    Case,
    Form,
    Omitted,
    Reason,
    Result,
    Suite,
    Within,
    compare,
    judge,
    load_suite,
    not_finite,
    read_cases,
    run_cases,
)
from benchmark.errors import UsageError
from benchmark.registry import METHODS
from tests.golden.cases import Ranked, in_front
from tests.golden.harness import tensors
from tests.golden.instrument import DrawnFrom
from tests.golden.losses import CASES as LOSSES
from tests.golden.omitted import OMITTED
from tests.golden.procedures.run import FILES as PROCEDURE_FILES

FOLDER = Path(__file__).parent
PATHS = [*sorted(FOLDER.glob("*.json")), *PROCEDURE_FILES]
FILES = {path.stem: read_cases(path) for path in PATHS}
CASES = [case for cases in FILES.values() for case in cases]
NAMES = [f"{stem}-{number}-{case['method']}" for stem, cases in FILES.items() for number, case in enumerate(cases)]


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_every_case_is_met_and_each_of_its_keys_could_fail(case: Case) -> None:
    suite = load_suite()
    result, omitted = suite.adapters[case["method"]](case), suite.omissions(case)
    verdict, note = judge(result, case, omitted)
    assert verdict, note
    for key, value in case["outputs"].items():
        if key not in omitted and _holds_numbers(value):
            changed: Case = {**case, "outputs": {**case["outputs"], key: _shifted(value)}}
            assert not judge(result, changed, omitted)[0], key


def _holds_numbers(value: object) -> bool:
    if isinstance(value, (list, dict)):
        return any(map(_holds_numbers, value.values() if isinstance(value, dict) else value))
    return isinstance(value, (int, float)) and math.isfinite(value)


def _shifted(value: object) -> object:
    """`value` with every number in it moved far, and every truth value negated."""
    if isinstance(value, dict):
        return {name: _shifted(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shifted(inner) for inner in value]
    if isinstance(value, bool):
        return not value
    return 2 * value + 1.7 if isinstance(value, (int, float)) else value


def test_every_declared_omission_is_of_a_key_that_some_case_has() -> None:
    outputs: dict[str, set[str]] = {}
    for case in CASES:
        outputs.setdefault(case["method"], set()).update(case["outputs"])
    unknown = [(entry.method, key) for entry in OMITTED for key in entry.keys if key not in outputs[entry.method]]
    assert not unknown


def test_a_key_that_is_undecided_in_some_cases_is_compared_in_the_others() -> None:
    always = {(entry.method, key) for entry in OMITTED if entry.when is Omitted.when for key in entry.keys}
    sometimes = {(entry.method, key) for entry in OMITTED for key in entry.keys} - always
    suite = load_suite()
    compared = {
        (case["method"], key) for case in CASES for key in case["outputs"].keys() - suite.omissions(case).keys()
    }
    assert sometimes <= compared


def test_a_small_change_of_a_number_is_noticed() -> None:
    case = read_cases(FOLDER / "losses_robust.json")[0]
    case["outputs"]["loss"] += 1e-4
    (result,) = run_cases([case], load_suite())
    assert not result.verdict
    assert "loss" in result.note


def test_losses_take_other_shapes_and_extreme_logits() -> None:
    logits = 3 * torch.randn(13, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    y = torch.arange(13) % 7
    logits[0], logits[1], logits[2] = 0.0, 40.0 * (2 * F.one_hot(y[1], 7) - 1), -40.0
    logits[2, (y[2] + 1) % 7] = 40.0
    for case in CASES:
        if case["method"] not in LOSSES or "logits" not in case["inputs"]:
            continue
        inputs: dict[str, Any] = {"logits": logits.tolist(), "labels": y.tolist()}
        for name in case["inputs"]:
            if name not in inputs:
                other = {"logits2": logits.flip(1), "peer_logits": logits.flip(0), "peer_labels": y.flip(0)}
                inputs[name] = other.get(name, torch.arange(13).roll(1)).tolist()
        priors = {name: [0.1] * 6 + [0.4] for name in ("noise_prior", "noisy_prior") if case["config"].get(name)}
        varied: Case = {**case, "inputs": inputs, "config": case["config"] | priors}
        result = LOSSES[case["method"]](varied)
        assert not list(not_finite(result.outputs)), case["method"]


# ---- the comparer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "golden"),
    [(1.0, 1.1), ([1.0], [1.0, 2.0]), ({"a": 1}, {"b": 1}), ({"a": 1}, {"a": 1, "b": 1}), (True, False), ("x", "y")],
)
def test_differences_are_found(ours: object, golden: object) -> None:
    assert list(compare(ours, golden, 1e-6))


def test_a_key_below_the_top_has_to_be_given_too() -> None:
    (difference,) = compare({"steps": [{"loss": 1.0}]}, {"steps": [{"loss": 1.0, "u": [2.0]}]}, 1e-6)
    assert "steps[0].u" in difference


def case_of(method: str, outputs: dict[str, Any], **inputs: Any) -> Case:
    return {"method": method, "config": {}, "inputs": inputs, "outputs": outputs}


def verdict(outputs: dict[str, Any], golden: dict[str, Any], *, omitted: Sequence[Omitted] = (), **forms: Any) -> str:
    suite = Suite({"m": lambda _: Result(outputs, **forms)}, omitted)
    (found,) = run_cases([case_of("m", golden)], suite)
    return found.verdict


PAPER = f"matches: {Form.PAPER}"


def test_a_case_without_adapter_fails() -> None:
    (result,) = run_cases([case_of("nobody", {})], Suite({}))
    assert not result.verdict


def test_a_key_may_be_missing_only_where_that_is_declared() -> None:
    golden, leave_b = {"a": 1.0, "b": 2.0}, (Omitted("m", ("b",), Reason.TRIAL),)
    assert not verdict({"a": 1.0}, golden)
    assert verdict({"a": 1.0}, golden, omitted=leave_b) == PAPER
    assert not verdict({"a": 9.0}, golden, omitted=leave_b)
    assert not verdict({"a": 1.0}, golden, omitted=(Omitted("m", ("b",), Reason.TRIAL, when=lambda case: False),))
    assert not verdict({"a": 1.0}, golden, omitted=(Omitted("other", ("b",), Reason.TRIAL),))


def test_a_case_of_which_nothing_is_compared_fails() -> None:
    assert not verdict({}, {"a": 1.0}, omitted=(Omitted("m", ("a",), Reason.NOT_IN_SUITE),))


@pytest.mark.parametrize(
    ("ours", "golden", "met"),
    [
        ([1.0, 80.0], [1.0, 80.0], True),
        ([1.0, 80.0], [1.1, 80.0], True),  # one value with clamps, the other without
        ([1.0, 80.0], [1.1, 16.0], True),
        ([1.0, 80.0], [1.1, 17.0], False),
        ([1.0, 81.0], [1.1, 16.0], False),  # the golden is met by the clamped formula, but the method is wrong
        ([1.0, math.inf], [1.1, 16.0], False),
    ],
)
def test_each_value_may_be_the_clamped_one_if_ours_is_the_exact_one(
    ours: list[float], golden: list[float], met: bool
) -> None:
    found = verdict({"rows": ours}, {"rows": golden}, clamped={"rows": [1.1, 16.0]}, exact={"rows": [1.0, 80.0]})
    assert bool(found) == met
    assert ("clamps" in found) == (met and golden != ours)


@pytest.mark.parametrize("golden", [math.nan, math.inf, "nan", "-inf"])
def test_where_the_reference_overflows_ours_has_to_be_finite(golden: float | str) -> None:
    assert verdict({"loss": 1.0}, {"loss": golden}) == PAPER
    assert not verdict({"loss": math.inf}, {"loss": golden})
    assert not verdict({"loss": math.nan}, {"loss": golden})


def test_a_value_may_be_as_loose_as_the_trials_of_the_reference() -> None:
    assert verdict({"p": Within([0.51, 1.0], 0.02)}, {"p": [0.5, 1.0]}) == PAPER
    assert verdict({"p": Within([0.51, 1.0], [0.02, 0.0])}, {"p": [0.5, 1.0]}) == PAPER
    assert not verdict({"p": Within([0.51, 1.0], [0.02, 0.0])}, {"p": [0.5, 1.001]})
    for wrong in ([0.5], 0.5, [0.5, "nan"], [0.5, math.nan]):
        assert not verdict({"p": Within([0.51, 1.0], 0.02)}, {"p": wrong})


def test_only_ties_may_be_ranked_otherwise() -> None:
    ours = {"kept": Ranked([0, 2, 3], torch.tensor([0.0, 2.0, 0.0, 1.0]))}
    assert verdict(ours, {"kept": [2, 0, 3]}) == PAPER
    for wrong in ([2, 0, 1], [0, 3, 2], [0, 0, 3], [0, 2], [0, 2, 3, 1]):
        assert not verdict(ours, {"kept": wrong})


def test_a_recorded_order_comes_first_and_every_position_once() -> None:
    assert in_front([2, 0], 4).tolist() == [2, 0, 1, 3]
    assert in_front([], 3).tolist() == [0, 1, 2]
    assert sorted(in_front([1, 1], 3).tolist()) == [0, 1, 2]


def test_drawn_labels_have_to_fit_their_probabilities() -> None:
    clean = torch.arange(2).repeat(500).numpy()
    expected = torch.tensor([[400.0, 100.0], [0.0, 500.0]]).numpy()
    drawn = DrawnFrom(expected, clean)
    assert not list(drawn.differences([[390, 110], [0, 500]], "counts"))
    for wrong in ([[300, 200], [0, 500]], [[400, 100], [1, 499]], [[500]], clean.tolist()):
        assert list(drawn.differences(wrong, "counts"))


def test_inputs_are_read_in_double_precision() -> None:
    (value,) = tensors(case_of("m", {}, logits=[36.278012]), "logits")
    assert value.item() == 36.278012


def test_a_file_that_is_no_golden_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(UsageError, match="not a golden file"):
        read_cases(tmp_path / "x.json")


def test_every_method_says_what_proves_it() -> None:
    for entry in METHODS.entries():
        assert METHODS.load(entry.name).card.proof in ("golden", "closed form", "worked example"), entry.origin


def test_there_are_at_least_40_methods() -> None:
    assert len(METHODS.entries()) >= 40
