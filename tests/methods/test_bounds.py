"""The bounds, tolerances and first values at which a method takes another course, on both sides of each."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from methods._history import PredictionWindow
from methods._mixture import mixture_posterior, rescale
from methods._transition import check_transition
from methods.backward import Backward
from methods.batch_flip import BatchFlip
from methods.dividemix import DivideMix
from methods.elr import ELR
from methods.gjs import GJS
from methods.joint_optimization import JointOptimization
from methods.knn import KNN
from methods.peer import Peer
from methods.plc import PLC
from methods.sop import SOP
from methods.t_revision import TRevision
from tests.golden.harness import TinyData, batch_of, make
from tests.methods.loss_lab import build

# ---- mixtures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[0.3], [0.3, 0.3, 0.3]])
@pytest.mark.parametrize("clean", ["small", "large"])
def test_values_that_are_all_equal_are_all_taken_for_clean(values: list[float], clean: str) -> None:
    assert mixture_posterior(torch.tensor(values), clean=clean).tolist() == [1.0] * len(values)


def test_two_values_are_a_mixture_of_two() -> None:
    values = torch.tensor([0.1, 0.9], dtype=torch.float64)
    assert mixture_posterior(values, clean="small").tolist() == pytest.approx([1, 0], abs=1e-3)
    assert mixture_posterior(values, clean="large").tolist() == pytest.approx([0, 1], abs=1e-3)


def test_losses_are_moved_to_between_0_and_1() -> None:
    assert rescale(torch.tensor([2.0, 5.0, 3.0], dtype=torch.float64)).tolist() == pytest.approx([0, 1, 1 / 3])
    assert rescale(torch.tensor([2.0, 2.0])).tolist() == [0, 0]


# ---- transition matrices -----------------------------------------------------------------------------------


def test_rows_may_miss_a_sum_of_1_by_rounding_only() -> None:
    check_transition(torch.tensor([[0.9, 0.1 + 5e-5], [0.2, 0.8]], dtype=torch.float64), 2)
    with pytest.raises(ValueError, match="row 0 sums to 1.0005"):
        check_transition(torch.tensor([[0.9, 0.1 + 5e-4], [0.2, 0.8]], dtype=torch.float64), 2)


def test_backward_inverts_what_is_not_nearly_singular() -> None:
    def matrix(off: float) -> torch.Tensor:
        """Its singular values are 1 and about `off`."""
        return torch.tensor([[0.5 + off / 2, 0.5 - off / 2], [0.5 - off / 2, 0.5 + off / 2]], dtype=torch.float64)

    method = make(Backward, K=2)
    for off in (0.5, 5e-3):
        method.adopt(matrix(off))
        torch.testing.assert_close(method.inverse, torch.linalg.inv(matrix(off)))
    method.adopt(matrix(5e-4))
    torch.testing.assert_close(method.inverse, torch.full((2, 2), 0.5, dtype=torch.float64))


def test_t_revision_bounds_a_weight_whose_denominator_nearly_vanishes() -> None:
    method = make(TRevision, {"revision": 0.5}, K=2, N=2, epochs=10, epoch=9)
    method.T.copy_(torch.eye(2))
    logits = torch.zeros(2, 2, dtype=torch.float64)
    # (T'^t p)_0 / p_0 is 1e-5 for the first sample and -1e-5 for the second.
    method.correction.data.copy_(torch.tensor([[-1 + 1e-5, 0.0], [0.0, -1 - 1e-5]]))
    first = method.loss(logits[:1], batch_of(torch.tensor([0])))
    second = method.loss(logits[1:], batch_of(torch.tensor([1])))
    assert first.item() == pytest.approx(1e4 * math.log(2))
    assert second.item() == pytest.approx(-1e4 * math.log(2))


def test_t_revision_gives_no_weight_to_a_label_that_underflows() -> None:
    method = make(TRevision, {"estimate": "anchor"}, K=2, N=1, epoch=0)
    method.T.copy_(torch.tensor([[0.9, 0.1], [0.2, 0.8]]))
    for gap in (100.0, 700.0):
        logits = torch.tensor([[0.0, gap]], dtype=torch.float64)
        # 1 / b = 0.9 + 0.2 exp(80): odds above exp(80) are cut there.
        expected = gap / (0.9 + 0.2 * math.exp(80))
        assert method.loss(logits, batch_of(torch.tensor([0]))).item() == pytest.approx(expected, rel=1e-9)


# ---- lengths and first values ------------------------------------------------------------------------------


@pytest.mark.parametrize(("epochs", "std"), [(120, 1e-8), (240, 1e-8), (60, 1e-4), (12, 10**-0.8)])
def test_sop_starts_at_the_scale_from_which_its_epochs_suffice(epochs: int, std: float) -> None:
    torch.manual_seed(0)
    method = make(SOP, K=10, N=2000, epochs=epochs)
    assert method.u.shape == (2000, 1)
    assert method.v.shape == (2000, 10)
    assert method.u.std().item() == pytest.approx(std, rel=0.06)
    assert method.v.std().item() == pytest.approx(std, rel=0.02)
    assert method.v.mean().item() == pytest.approx(0, abs=0.03 * std)


@pytest.mark.parametrize(("count", "delta"), [(1000, 0.3), (1001, 0.4)])
def test_plc_widens_its_band_where_fewer_than_one_label_in_a_thousand_changes(count: int, delta: float) -> None:
    method = make(PLC, K=2, N=count)
    probabilities = torch.tensor([[0.9, 0.1]], dtype=torch.float64).repeat(count, 1)
    probabilities[7] = torch.tensor([0.1, 0.9])
    method.correct(probabilities)
    assert method.label.nonzero().tolist() == [[7]]
    assert method.delta.item() == pytest.approx(delta)


def test_plc_never_asks_for_more_than_nine_tenths_of_the_largest_probability() -> None:
    method = make(PLC, {"delta": 0.85}, K=2, N=4)
    method.correct(torch.tensor([[0.9, 0.1]], dtype=torch.float64).repeat(4, 1))
    assert method.delta.item() == pytest.approx(0.9)


def test_gjs_takes_weights_that_sum_to_1_up_to_rounding() -> None:
    assert GJS.Config(weights=(0.9, 0.05, 0.05 + 5e-7)).weights[0] == 0.9
    with pytest.raises(ValidationError, match="expected 1"):
        GJS.Config(weights=(0.9, 0.05, 0.05 + 5e-6))


def test_knn_leaves_a_thousandth_to_a_class_without_votes() -> None:
    x, y = torch.tensor([[0.0], [0.1], [0.2]]).double(), torch.tensor([0, 0, 0])
    method = make(KNN, K=2, N=3)
    list(method.plan(0, TinyData(x, y, 2)))
    assert method.predict(x).exp().tolist() == [pytest.approx([1.001, 0.001])] * 3


def test_a_sample_that_an_epoch_leaves_out_keeps_its_given_label_in_the_window() -> None:
    window = PredictionWindow(2, 3, 2, torch.device("cpu"))
    window.record(0, torch.arange(3), torch.full((3, 2), 0.5))
    window.fill(torch.tensor([1, 0, 1]))
    given = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    assert torch.equal(window.mean(2), given)
    window.record(2, torch.tensor([0, 2]), torch.tensor([[0.4, 0.6], [0.8, 0.2]]))
    torch.testing.assert_close(window.mean(2), torch.tensor([[0.2, 0.8], [1.0, 0.0], [0.4, 0.6]]))
    torch.testing.assert_close(window.mean(1), torch.tensor([[0.4, 0.6], [1.0, 0.0], [0.8, 0.2]]))
    assert torch.equal(window.mean(0), window.mean(1))


@pytest.mark.parametrize("name", ["plc", "joint_optimization"])
def test_the_given_label_stands_in_for_the_prediction_of_an_epoch_that_left_a_sample_out(name: str) -> None:
    """Two epochs are averaged: both saw sample 0, one saw sample 1, none saw sample 2."""
    warmup = {"plc": {"warmup": 0.1}, "joint_optimization": {"begin": 0.2}}[name]
    method = build(name, {"window": 0.2, **warmup}, K=2, N=3, epochs=10)
    data = TinyData(torch.zeros(3, 4, dtype=torch.float64), torch.tensor([0, 0, 1]), 2)
    list(method.plan(0, data))
    method.after_step(batch_of(data.y[:1]), torch.tensor([[0.1, 0.9]]).log())
    method.epoch = 1
    method.after_step(batch_of(data.y[:2]), torch.tensor([[0.1, 0.9], [0.2, 0.8]]).log())
    list(method.plan(2, data))
    # Sample 1: (1, 0) and (.2, .8) have the mean (.6, .4).
    if name == "plc":
        assert method.label.tolist() == [1, 0, 1]
    else:
        expected = torch.tensor([[0.1, 0.9], [0.6, 0.4], [0.0, 1.0]]).double()
        torch.testing.assert_close(method.label, expected)


def test_batch_flip_of_no_share_flips_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda *size, **_: torch.zeros(size))  # the smallest draw there is
    y = torch.tensor([0, 1, 2, 0])
    for mode in ("bernoulli", "exact"):
        assert torch.equal(make(BatchFlip, {"rho": 0.0, "mode": mode}, K=3).flip(y, 3), y)


def test_elr_keeps_its_predictions_away_from_0_and_1() -> None:
    method = make(ELR, {"beta": 0.7, "lam": 1}, K=2, N=1)
    loss = method.loss(torch.tensor([[40.0, 0.0]], dtype=torch.float64), batch_of(torch.tensor([0])))
    # The prediction counts as (1 - 1e-4, 1e-4), and the target is three tenths of it.
    assert loss.item() == pytest.approx(math.log(1 - 0.3 * ((1 - 1e-4) ** 2 + 1e-8)), rel=1e-9)


def test_dividemix_tells_the_accuracy_of_its_first_network_in_warm_up() -> None:
    method = make(DivideMix, K=2, N=4)
    with torch.no_grad():
        for net, bias in ((method.net, [9.0, -9.0]), (method.net2, [-9.0, 9.0])):
            net.classifier.bias.copy_(torch.tensor(bias))
    y = torch.tensor([0, 0, 0, 1])
    assert method.step(batch_of(y))["accuracy"].item() == 0.75


# ---- options that must stand in an order --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "lower", "upper", "value"),
    [
        (KNN.Config, "k_min", "k_max", 21),
        (JointOptimization.Config, "begin", "retrain", 0.5),
        (Peer.Config, "warmup", "ramp_end", 0.5),
    ],
)
def test_the_lower_of_two_options_is_not_above_the_upper(config: Any, lower: str, upper: str, value: float) -> None:
    for low in (value / 3, value):
        config(**{lower: low, upper: value})
    with pytest.raises(ValidationError, match=f"{lower} is .*; expected {lower} at most {upper}"):
        config(**{lower: value + value / 3, upper: value})
