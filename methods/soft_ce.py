"""Cross entropy with the soft labels of several raters (Peterson et al., ICCV 2019)."""

from torch import Tensor

from methods import Batch, Card, Method


class SoftCE(Method):
    """Loss: -sum_k q_k log p_k, mean over the batch; q: the probabilities that the raters of an image give the classes.

    q are the shares of the raters, or the posteriors of Dawid-Skene (`raters:dawid_skene`). Where all raters of an
    image agree it is cross entropy.
    """

    card = Card(
        title="Human Uncertainty Makes Classification More Robust",
        authors="Joshua C. Peterson, Ruairidh M. Battleday, Thomas L. Griffiths, Olga Russakovsky",
        venue="ICCV",
        year=2019,
        arxiv="1908.07086",
        code="https://github.com/jcpeterson/cifar-10h",
        family="raters",
        needs=("soft_labels",),
        official="fine-tuning of trained networks on the 10,000 test images of CIFAR-10, 51 raters each (CIFAR-10H)",
        deviations="trains from the start, on the labels of the raters at hand",
        fidelity="trains from the start",
        proof="closed form",
    )

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        return -(self.kit.hints.soft_labels[batch.index] * logits.log_softmax(1)).sum(1).mean()
