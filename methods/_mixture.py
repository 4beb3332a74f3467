"""Two-component Gaussian mixtures over per-sample scores, by scikit-learn."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor


def mixture_posterior(
    values: Tensor,
    *,
    clean: str,
    max_iter: int = 100,
    tol: float = 1e-6,
    reg_covar: float = 1e-6,
) -> Tensor:
    """Posterior [N] that `values` [N] belong to the clean component: of the "small" or the "large" mean.

    Fewer than two distinct values hold no mixture: all are taken for clean. Waits for the device.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    column = values.detach().double().cpu().numpy().reshape(-1, 1)
    if len(column) < 2 or column.min() == column.max():
        return torch.ones_like(values)
    mixture = GaussianMixture(2, max_iter=max_iter, tol=tol, reg_covar=reg_covar, random_state=0)
    with warnings.catch_warnings():
        # The published settings stop after a few iterations on purpose.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(column)
    means = mixture.means_.ravel()
    component = means.argmin() if clean == "small" else means.argmax()
    return torch.from_numpy(mixture.predict_proba(column)[:, component]).to(values)


def rescale(values: Tensor) -> Tensor:
    """`values` [N] moved to [0, 1] by their smallest and largest; all 0 where they are equal."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low).clamp(min=1e-12)
