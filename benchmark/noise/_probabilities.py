"""Probabilities of a clean classifier, checked before noise is drawn from them."""

from __future__ import annotations

import numpy as np

from benchmark.noise.base import NoiseError, Split


def without_probabilities(split: Split) -> str | None:
    """The reason to skip a kind that needs a clean classifier, where the split comes without one."""
    if split.probabilities is not None:
        return None
    return (
        f"{split.dataset!r} ({split.name}) comes without probabilities of a clean classifier; "
        "expected out-of-fold probabilities of a classifier that was trained on the clean labels"
    )


def checked_probabilities(split: Split) -> np.ndarray:
    """[n, K] float64 probabilities of the clean classifier. Raises NoiseError where they are missing or malformed."""
    expected = (len(split.labels), split.num_classes)
    if split.probabilities is None:
        raise NoiseError(without_probabilities(split))
    probabilities = np.asarray(split.probabilities, dtype=np.float64)
    if probabilities.shape != expected:
        raise NoiseError(
            f"the clean classifier's probabilities have shape {probabilities.shape}; expected {expected}: "
            "one row per sample, one column per class"
        )
    if not np.isfinite(probabilities).all() or (probabilities < 0).any():
        raise NoiseError(
            "the clean classifier's probabilities hold negative or non-finite numbers; train the classifier anew"
        )
    if not np.allclose(probabilities.sum(1), 1.0, atol=1e-3):
        raise NoiseError("the rows of the clean classifier's probabilities do not sum to 1; expected softmax outputs")
    return probabilities
