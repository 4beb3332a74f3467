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
        from timm.utils.model_ema import ModelEmaV3  # seconds of import that planning a grid does without

        super().build()

        self.average = ModelEmaV3(self.net, decay=self.cfg.decay, use_warmup=True)
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        # Read back once per epoch: the count must survive a resume, and steps must not wait for the device.
        self.done = int(self.updates)
        return super().plan(epoch, data)

    def after_step(self, batch: Batch, logits: Tensor) -> None:
        super().after_step(batch, logits)
        self.done += 1
        self.updates += 1
        self.average.update(self.net, self.done)

    def predict(self, x: Tensor) -> Tensor:
        return self.average(x)
