"""Moving average of weights, as a layer over any method with one network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from methods import Batch, Field, Method, TrainSet


class AveragedMethod(Method):
    """Trains as the next class in the resolution order does, and predicts with averaged weights.

    The decay of update n is min(decay, 1 - (1 + n)^(-2/3)), so that a short run forgets its start as well.
    """

    updates: Tensor
    done: int

    class Config(Method.Config):
        decay: float = Field(0.999, ge=0, lt=1, description="limit of the decay per step")

    def build(self) -> None:
        super().build()
        self.start_average()

    def start_average(self) -> None:
        """Begins the average at the weights of `net`."""
        from timm.utils.model_ema import ModelEmaV3  # seconds of import that planning a grid does without

        self.average = ModelEmaV3(self.net, decay=self.cfg.decay, use_warmup=True)
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        self.read_updates()
        return super().plan(epoch, data)

    def read_updates(self) -> None:
        """Reads the number of updates back, once per epoch: it must survive a resume, and steps must not wait."""
        self.done = int(self.updates)

    def after_step(self, batch: Batch, logits: Tensor) -> None:
        super().after_step(batch, logits)
        self.done += 1
        self.updates += 1
        self.average.update(self.net, self.done)

    def predict(self, x: Tensor) -> Tensor:
        return self.average(x)
