"""Collects what a method reports of its samples during an epoch, on the device; scores it when the epoch ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark import metrics


class Reports:
    """The last report on every training sample of the current epoch. Adding never waits for the device."""

    def __init__(self, num_samples: int, num_classes: int, device: torch.device) -> None:
        self.num_classes = num_classes
        self.kept = torch.full((num_samples,), -1, dtype=torch.int8, device=device)
        self.score = torch.full((num_samples,), torch.nan, device=device)
        self.label = torch.full((num_samples,), -1, dtype=torch.int64, device=device)
        self.transition: Tensor | None = None
        self._used: set[str] = set()

    def clear(self) -> None:
        for name, empty in (("kept", -1), ("score", torch.nan), ("label", -1)):
            if name in self._used:
                getattr(self, name).fill_(empty)
        self._used.clear()
        self.transition = None

    def add(self, index: Tensor, kept: Tensor | None, score: Tensor | None, label: Tensor | None) -> None:
        """Raises ValueError where a report is not one value per sample, or of another type than it says."""
        for name, value in (("kept", kept), ("score", score), ("label", label)):
            if value is not None:
                _check(name, value, index)
                target = getattr(self, name)
                target[index] = value.detach().to(target.dtype)
                self._used.add(name)

    def add_transition(self, transition: Tensor) -> None:
        """Raises ValueError where it is no matrix of the classes."""
        expected = (self.num_classes, self.num_classes)
        if tuple(transition.shape) != expected:
            raise ValueError(f"report_transition was given shape {tuple(transition.shape)}; expected {expected}")
        self.transition = transition.detach().double()

    def summary(
        self, clean: np.ndarray | None, noisy: np.ndarray, true_transition: np.ndarray | None
    ) -> dict[str, Any]:
        """The epoch's diagnostics; {} where nothing was reported or the truth is unknown.

        Raises ValueError where a reported label is no class.
        """
        result: dict[str, Any] = {}
        self._check_labels()
        if clean is not None and self._used:
            kept, score, label = (self._array(name) for name in ("kept", "score", "label"))
            result |= metrics.selection_scores(kept, score, label, clean, noisy, self.num_classes)
        if self.transition is not None:
            estimate = self.transition.cpu().numpy()
            result["transition"] = estimate.tolist()
            if true_transition is not None:
                result |= metrics.transition_error(estimate, true_transition)
        return result

    def arrays(self) -> dict[str, np.ndarray]:
        """The last reports on all samples, [n] each, of the kinds that were used in this epoch.

        "kept" int8 (1, 0; -1: not reported), "score" (higher is cleaner; NaN: not reported), "label" (-1: none).
        """
        return {name: getattr(self, name).cpu().numpy() for name in sorted(self._used)}

    def _check_labels(self) -> None:
        """The values of labels are looked at once an epoch: that waits for the device."""
        label = self._array("label")
        if label is not None and not (label.min() >= -1 and label.max() < self.num_classes):
            raise ValueError(
                f"the method reported labels from {label.min()} to {label.max()}; expected classes from 0 to "
                f"{self.num_classes - 1}, or -1 for none"
            )

    def _array(self, name: str) -> np.ndarray | None:
        return getattr(self, name).cpu().numpy() if name in self._used else None


KINDS = {"kept": "bool", "score": "floating-point", "label": "integer"}
"""Of the values that a method reports."""


def _check(name: str, value: Tensor, index: Tensor) -> None:
    """Asks for shapes and types only, for which nothing waits for the device."""
    if index.dtype not in (torch.int64, torch.int32) or index.dim() != 1:
        raise ValueError(
            f"report was given an index of type {index.dtype} and shape {tuple(index.shape)}; expected positions of "
            "samples, such as batch.index"
        )
    if value.shape != index.shape:
        raise ValueError(
            f"report({name}=...) was given shape {tuple(value.shape)} for {len(index)} samples; expected one value each"
        )
    kind = "floating-point" if value.is_floating_point() else "bool" if value.dtype == torch.bool else "integer"
    if kind != KINDS[name]:
        raise ValueError(f"report({name}=...) was given {value.dtype} values; expected {KINDS[name]} ones")
