"""Forward loss correction (Patrini et al., CVPR 2017)."""

from torch import Tensor

from methods import Batch
from methods._transition import TransitionMethod, forward_nll


class Forward(TransitionMethod):
    """Loss: -log (T^t p)_y, the cross entropy of the noisy posterior that T makes of the clean one.

    T is estimated at anchor points: row i is the noisy posterior of the training sample surest of class i
    (of those below the 97th percentile), of a network trained on the noisy labels before.
    Official settings: MNIST, CIFAR-10, CIFAR-100: the 97th percentile on CIFAR-10, the maximum on
    CIFAR-100; the estimating network is trained in full.
    State: [K, K] T. Needs: nothing; T with `estimate = "oracle"`. Cost: 1.5x (1x with the oracle's T).
    Deviations: log space instead of p clipped at 1e-7; the estimating network stops where it agrees best with
    a held-out tenth of the noisy labels, as in T-Revision and Dual T: one that memorizes the labels shows T
    as the identity, one that has hardly learned as the class frequencies.
    """

    version = 2
    family = "loss correction"
    cost = "1.5x"
    equals_ce = "with the identity for T (oracle, no noise)"
    proof = "golden"

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return forward_nll(logits.log_softmax(1), self.T, batch.y).mean()
