"""What the methods around MixMatch (Berthelot et al., NeurIPS 2019) share: labelled and unlabelled batches, guesses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from methods import Batch, TrainSet


@dataclass(frozen=True)
class SemiBatch(Batch):
    """A labelled batch with an unlabelled one beside it."""

    unlabelled: Tensor | None
    """[views, U, ...] views of unlabelled samples; None where there are none."""
    ramp: float
    """Factor of the unlabelled loss, in [0, 1]."""


def forever(data: TrainSet, index: Tensor, *, views: int = 2, size: int | None = None) -> Iterator[Batch]:
    """`views` views of the samples `index` (at least two), over and over; `size` as in `sized`."""
    while True:
        batches = data.batches(index, views=views)
        yield from batches if size is None else sized(batches, size)


def sized(batches: Iterator[Batch], size: int) -> Iterator[Batch]:
    """Cuts and joins `batches` to batches of `size` samples.

    The rest at the end is dropped, unless all of them together are fewer than `size` samples.
    """
    held: Batch | None = None
    full = False
    for batch in batches:
        held = batch if held is None else joined(held, batch)
        while len(held.index) >= size:
            yield cut(held, slice(size))
            held, full = cut(held, slice(size, None)), True
    if held is not None and not full:
        yield held


def joined(first: Batch, second: Batch) -> Batch:
    """The samples of both."""
    return Batch(
        x=torch.cat([first.x, second.x], 1),
        y=torch.cat([first.y, second.y]),
        index=torch.cat([first.index, second.index]),
    )


def cut(batch: Batch, part: slice) -> Batch:
    """The samples at the positions `part`."""
    return Batch(x=batch.x[:, part], y=batch.y[part], index=batch.index[part])


def sharpen(p: Tensor, temperature: float) -> Tensor:
    """p^(1/T) / sum, of probabilities [B, K]."""
    return (p.clamp(min=1e-30).log() / temperature).softmax(1)


def squared_error(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over samples and classes of the squared error of probabilities, [B, K] both; 0 without rows."""
    squares = (logits.softmax(1) - targets).square()
    return squares.sum() / max(1, squares.numel())
