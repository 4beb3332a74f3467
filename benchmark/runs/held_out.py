"""Held-out predictions for the estimate of the noise rate: by heads on pretrained features, or by networks."""

from __future__ import annotations

import torch

from benchmark.noise import linear_heads
from benchmark.noise.rate_estimate import FOLDS, HeldOut
from benchmark.seeds import seed_everything, seed_for
from benchmark.training.kit import EngineKit
from benchmark.training.samples import Samples
from benchmark.training.session import Session


def held_out(session: Session, features: Samples | None, seed: int) -> HeldOut:
    """For the training set of `session`: by linear heads on its plain pretrained `features`, where there are any,
    or else by its networks, trained with its recipe. `seed` draws the folds."""
    if features is None:
        return by_networks(session.kit(), FOLDS, "estimate", seed)
    labels, data = session.data.y.cpu().numpy(), features.data.float().cpu().numpy()
    shuffle = seed_for("folds", seed)
    return linear_heads.held_out(data, labels, session.data.num_classes, folds=FOLDS, seed=shuffle)


def by_networks(kit: EngineKit, folds: int, purpose: str, seed: int) -> HeldOut:
    """By networks trained with the recipe of `kit`, one per fold and a second one for the first fold."""
    seed_everything(seed_for(purpose, seed))
    probabilities = kit.held_out(folds)
    index, twin = kit.twin(folds)
    twins = torch.stack([probabilities[index].argmax(1), twin.argmax(1)])
    return HeldOut(probabilities.double().cpu().numpy(), twins.cpu().numpy())
