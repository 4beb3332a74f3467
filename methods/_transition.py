"""Noise transition matrices: T[i, j] = P(noisy = j | clean = i), estimated at anchor points or given."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from methods import Batch, Field, Method, Settings, TrainSet


def check_transition(transition: Tensor, num_classes: int) -> None:
    """Raises ValueError unless `transition` is [K, K], not negative, and its rows sum to 1 (within 1e-4)."""
    shape = tuple(transition.shape)
    if shape != (num_classes, num_classes):
        raise ValueError(f"the transition matrix has shape {shape}; expected ({num_classes}, {num_classes})")
    if not torch.isfinite(transition).all() or (transition < 0).any():
        raise ValueError("the transition matrix holds a negative or non-finite entry; expected probabilities")
    off = (transition.sum(1) - 1).abs()
    if off.max() > 1e-4:
        row = int(off.argmax())
        raise ValueError(
            f"the transition matrix is not row-stochastic: row {row} sums to "
            f"{float(transition[row].sum()):.4f}, expected 1; T[i, j] is P(noisy = j | clean = i), "
            "so transpose it if its columns sum to 1"
        )


def row_normalize(matrix: Tensor) -> Tensor:
    """`matrix` [K, K] with rows that sum to 1; an empty row becomes the row of the identity."""
    total = matrix.sum(1, keepdim=True)
    identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
    return torch.where(total > 0, matrix / total.clamp(min=1e-30), identity)


def anchor_rows(probabilities: Tensor, percentile: float | None = None, *, in_place: bool = False) -> Tensor:
    """[K, K] noisy posteriors at the anchor points: row i is that of the sample surest of class i.

    probabilities: [N, K]. With a percentile, the samples at or above it in column i (linear position
    rounded up) are outliers and passed over. `in_place` is the published code's form of that: outliers are
    set to 0 for good, so that later rows may show zeros in earlier columns.
    """
    n = len(probabilities)
    if percentile is None:
        return probabilities[probabilities.argmax(0)]
    position = math.ceil(percentile / 100 * (n - 1))
    threshold = probabilities.sort(0).values[position]
    inliers = probabilities.masked_fill(probabilities >= threshold, 0)
    rows = probabilities[inliers.argmax(0)]
    if in_place:
        # Column j was cleared by the time that row i > j was read.
        rows = torch.where(torch.ones_like(rows).tril(-1) > 0, inliers[inliers.argmax(0)], rows)
    return rows


def forward_nll(log_p: Tensor, transition: Tensor, y: Tensor) -> Tensor:
    """-log (T^t p)_y per sample [B], of log-probabilities [B, K], in log space."""
    log_t = transition.to(log_p.dtype).clamp(min=torch.finfo(log_p.dtype).tiny).log()
    return -(log_p + log_t.T[y]).logsumexp(1)


def clean_prior(transition: Tensor, counts: Tensor, iterations: int = 200) -> Tensor:
    """[K] the frequencies of clean classes under which the counts [K] of noisy labels are likeliest, given T [K, K].

    Found by expectation maximization from equal frequencies; T^-1 times the noisy frequencies may be negative.
    """
    noisy = counts.to(transition.dtype) / counts.sum()
    prior = torch.full_like(noisy, 1 / len(noisy))
    for _ in range(iterations):
        prior = clean_given_noisy(transition, prior).T @ noisy
    return prior


def clean_given_noisy(transition: Tensor, prior: Tensor) -> Tensor:
    """[K, K] P(clean = i | noisy = j) in row j, of T [K, K] and clean class frequencies [K].

    A noisy label that cannot come about stands for its own class.
    """
    return row_normalize((prior[:, None] * transition).T)


class TransitionMethod(Method):
    """Holds T: the given one, or an estimate made before the first epoch by a network fitted for that."""

    T: Tensor

    class Config(Settings):
        estimate: Literal["anchor", "oracle"] = Field(
            "anchor", description="where T comes from: anchor points, or the true T (oracle track)"
        )
        percentile: float | None = Field(
            97.0, ge=50, lt=100, description="samples at or above it are no anchors; null: take the surest"
        )
        in_place_filter: bool = Field(False, description="filter outliers as the published codes do")
        held_share: float = Field(
            0.1,
            gt=0,
            le=0.5,
            description="held-out noisy labels on which the estimating network stops early: a share of every class, or "
            "of all samples at random where a class is too small for that",
        )

    @classmethod
    def requires(cls, cfg: Settings) -> frozenset[str]:
        """T in the oracle form."""
        oracle = isinstance(cfg, TransitionMethod.Config) and cfg.estimate == "oracle"
        return frozenset({"transition"}) if oracle else frozenset()

    def build(self) -> None:
        super().build()
        self.register_buffer("T", torch.eye(self.kit.num_classes, device=self.kit.device))
        if self.cfg.estimate == "oracle":
            self.adopt(self.kit.hints.transition)

    def adopt(self, transition: Tensor) -> None:
        """Checks `transition` [K, K] and makes it the T of the loss."""
        check_transition(transition, self.kit.num_classes)
        self.T.copy_(transition)

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        if epoch == 0 and self.cfg.estimate == "anchor":
            self.adopt(self.estimate(self.kit.posterior(self.cfg.held_share).double(), data.y))
        self.kit.report_transition(self.T)
        return data.batches()

    def estimate(self, probabilities: Tensor, y: Tensor) -> Tensor:
        """[K, K] row-stochastic, of noisy posteriors [N, K] and labels [N]."""
        return row_normalize(self.anchors(probabilities))

    def anchors(self, probabilities: Tensor) -> Tensor:
        """`anchor_rows` as configured."""
        return anchor_rows(probabilities, self.cfg.percentile, in_place=self.cfg.in_place_filter)
