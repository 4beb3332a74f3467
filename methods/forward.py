"""Forward loss correction (Patrini et al., CVPR 2017)."""

from torch import Tensor

from methods import Batch, Card, Search
from methods._transition import TransitionMethod, forward_nll


class Forward(TransitionMethod):
    """Loss: -log (T^t p)_y, the cross entropy of the noisy posterior that T makes of the clean one.

    T is estimated at anchor points: row i is the noisy posterior of the training sample surest of class i
    (of those below the 97th percentile), of a network trained on the noisy labels before. With
    `estimate = "oracle"` it is given.
    """

    version = 2
    card = Card(
        title="Making Deep Neural Networks Robust to Label Noise: A Loss Correction Approach",
        authors="Giorgio Patrini, Alessandro Rozza, Aditya Krishna Menon, Richard Nock, Lizhen Qu",
        venue="CVPR",
        year=2017,
        arxiv="1609.03683",
        code="https://github.com/giorgiop/loss-correction",
        family="loss correction",
        cost=1.5,
        cost_note="the network that T is estimated with; 1x with the oracle's T",
        search=(Search("percentile", 80.0, 99.5),),
        official=(
            "MNIST, CIFAR-10, CIFAR-100: the 97th percentile on CIFAR-10, the maximum on CIFAR-100; the "
            "estimating network is trained in full, and so is the final one"
        ),
        state="[K, K] T",
        deviations=(
            "log space instead of p clipped at 1e-7; the estimating network is that of the epoch which agrees best "
            "with a held-out tenth of the noisy labels, as in T-Revision and Dual T (in the code that of the smallest "
            "loss on such a tenth), and it stops after two epochs without gain: one that memorizes the labels "
            "shows T as the identity, one that has hardly learned as the class frequencies"
        ),
        proof="golden",
        reproduction="paired: 3e-3 over 20 epochs (version 2)",
        equals_ce="with the identity for T (oracle, no noise)",
    )

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return forward_nll(logits.log_softmax(1), self.T, batch.y).mean()
