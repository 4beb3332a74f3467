"""Mixup (Zhang et al., ICLR 2018)."""

from torch import Tensor

from methods import Batch, Field, Method, accuracy
from methods._mixup import mixup, one_hot, soft_cross_entropy


class Mixup(Method):
    """Loss: cross entropy of w x_i + (1 - w) x_j with the target w e_{y_i} + (1 - w) e_{y_j}.

    w ~ Beta(alpha, alpha), one draw per batch, j a random permutation. Official settings: alpha = 1 on
    CIFAR-10 (8 and more against label noise), SGD 0.1, weight decay 1e-4, 200 epochs.
    State: none. Needs: nothing. Cost: 1x. Deviations: none. Training accuracy is that on mixed images.
    """

    family = "control"
    proof = "worked example"

    class Config(Method.Config):
        alpha: float = Field(1.0, ge=0.01, le=100)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        x, targets = mixup(batch.x[0], one_hot(batch.y, self.kit.num_classes), self.cfg.alpha)
        logits = self.net(x)
        loss = soft_cross_entropy(logits, targets)
        self.kit.update(loss, self.optimizer)
        return {"loss": loss.detach(), "accuracy": accuracy(logits, batch.y)}
