"""Purpose-named child seeds: one seed per use, derived by SHA-256, so that no two uses share a stream."""

from __future__ import annotations

import hashlib
import json

TUNING_SEED = 1_000_000
"""Configurations are chosen on this seed; it and larger ones are never reported."""


def seed_for(purpose: str, *keys: str | int | float) -> int:
    """A 63-bit seed for `purpose`, a function of its arguments only (not of PYTHONHASHSEED or platform)."""
    text = json.dumps([purpose, *keys], separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_everything(seed: int) -> None:
    """Seeds the generators of torch (all devices), numpy and python."""
    import random

    import numpy as np
    import torch

    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
