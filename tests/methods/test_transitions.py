"""Transition matrices: what is refused, how anchors are found, what the corrected loss is."""

from __future__ import annotations

import pytest
import torch

from benchmark.checks.lab import Lab
from benchmark.registry import METHODS
from methods import Hints
from methods._transition import anchor_rows, check_transition, row_normalize
from methods.backward import Backward
from methods.coteaching import Coteaching
from methods.forward import Forward
from tests.golden.harness import batch_of, make, recorded


def test_forward_equals_the_exact_loss_on_extreme_logits() -> None:
    method = make(Forward, K=3)
    matrix = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.1, 0.6]], dtype=torch.float64)
    method.adopt(matrix)
    logits = torch.tensor([[60.0, -60.0, 0.0], [-60.0, 60.0, 60.0]], dtype=torch.float64)
    expected = -(logits.softmax(1) @ matrix)[[0, 1], [1, 0]].log().mean()
    torch.testing.assert_close(method.loss(logits, batch_of(torch.tensor([1, 0]))), expected)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.9, 0.2], [0.1, 0.8]], "not row-stochastic"),
        ([[1.1, -0.1], [0.0, 1.0]], "negative"),
        ([[1.0]], "shape"),
    ],
)
def test_a_matrix_that_is_not_a_transition_is_refused(matrix: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_transition(torch.tensor(matrix), 2)


def test_backward_is_unbiased_over_the_noisy_labels_of_every_class() -> None:
    matrix = torch.tensor([[0.7, 0.2, 0.1], [0.05, 0.8, 0.15], [0.3, 0.02, 0.68]], dtype=torch.float64)
    method = make(Backward, {"estimate": "oracle"}, K=3, hints=Hints(given_transition=matrix))
    logits = torch.tensor([[1.5, -0.5, 0.2]], dtype=torch.float64)
    by_label = torch.stack([method.loss(logits, batch_of(torch.tensor([label]))) for label in range(3)])
    # Theorem 1 of the paper: sum_j T[i, j] l_j(backward) is the loss with the clean label i.
    torch.testing.assert_close(matrix @ by_label, -logits.log_softmax(1)[0])


def test_backward_refuses_a_given_matrix_without_inverse() -> None:
    hints = Hints(given_transition=torch.full((2, 2), 0.5))
    with pytest.raises(ValueError, match="singular"):
        make(Backward, {"estimate": "oracle"}, K=2, hints=hints)


def test_oracle_estimates_are_declared_as_privileged() -> None:
    assert Forward.requires(Forward.Config(estimate="oracle")) == {"transition"}
    assert Forward.requires(Forward.Config()) == frozenset()
    assert Coteaching.requires(Coteaching.Config(forget_rate=0.2)) == frozenset()
    assert Coteaching.requires(Coteaching.Config()) == {"noise_rate"}


def test_anchor_rows_pass_over_outliers_without_touching_other_columns() -> None:
    p = torch.tensor([[0.99, 0.01], [0.9, 0.1], [0.2, 0.8], [0.05, 0.95]], dtype=torch.float64)
    assert anchor_rows(p).tolist() == [[0.99, 0.01], [0.05, 0.95]]
    assert anchor_rows(p, 97).tolist() == [[0.9, 0.1], [0.2, 0.8]]


def test_an_empty_row_becomes_the_identity() -> None:
    assert row_normalize(torch.tensor([[0.0, 0.0], [1.0, 3.0]])).tolist() == [[1.0, 0.0], [0.25, 0.75]]


ESTIMATING = [entry.name for entry in METHODS.entries() if "held_share" in METHODS.load(entry.name).Config.model_fields]


@pytest.mark.parametrize("name", ESTIMATING)
def test_the_network_behind_t_stops_early_on_the_share_that_the_option_holds_out(name: str) -> None:
    options = {"held_share": 0.3, **({"gan": 0.1} if name == "cgan_augment" else {})}
    lab = Lab(name, options, epochs=1, num_samples=90)
    lab.start(0)
    with recorded(lab.kit, "_fit_early") as calls:
        next(iter(lab.instance.plan(0, lab.data)))
    (call,) = calls
    _, fitted, held, *_ = call.args
    assert (len(fitted), len(held)) == (63, 27)
    assert sorted(torch.cat([fitted, held]).tolist()) == list(range(90))
