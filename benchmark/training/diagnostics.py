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
        for name, value in (("kept", kept), ("score", score), ("label", label)):
            if value is not None:
                target = getattr(self, name)
                target[index] = value.detach().to(target.dtype)
                self._used.add(name)

    def summary(
        self, clean: np.ndarray | None, noisy: np.ndarray, true_transition: np.ndarray | None
    ) -> dict[str, Any]:
        """The epoch's diagnostics; {} where nothing was reported or the truth is unknown."""
        result: dict[str, Any] = {}
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

    def _array(self, name: str) -> np.ndarray | None:
        return getattr(self, name).cpu().numpy() if name in self._used else None
