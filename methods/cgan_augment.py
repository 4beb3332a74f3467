"""Images of a conditional GAN trained on noisy labels join the training set (Thekumparampil et al., NeurIPS 2018)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Field, Length, Method, Search, Settings, TrainSet
from methods._gan import Generator, side_of, train
from methods._transition import check_transition, clean_given_noisy, clean_prior, row_normalize
from methods.dual_t import count_matrix


@dataclass(frozen=True)
class _Joined(Batch):
    """A batch with generated images."""

    made: Tensor
    """[M, C, H, W] in [0, 1]."""
    classes: Tensor
    """[M] classes that they were made for."""


class CGANAugment(Method):
    """Loss: cross entropy of real images with their noisy labels and of generated ones with the class asked for.

    A class-conditional GAN is trained before the first epoch. The labels given to its generator pass through T before
    the discriminator sees them (rcGAN), so that it learns the images of the clean classes. T is estimated as
    P(noisy = j | predicted = i), counted over the predictions of a network fitted to the noisy labels and stopped
    early; with `transition = "oracle"` it is given, with "none" the generator learns what the noisy labels say. Every
    batch is then joined by new generated images, the share `share` of all; their classes are drawn from the clean class
    frequencies that T makes of the noisy ones. For images only.
    """

    card = Card(
        title="Robustness of Conditional GANs to Noisy Labels",
        authors="Kiran Koshy Thekumparampil, Ashish Khetan, Zinan Lin, Sewoong Oh",
        venue="NeurIPS",
        year=2018,
        arxiv="1811.03205",
        code="https://github.com/tkkiran/Robust-Conditional-GAN",
        family="augmentation",
        cost=10,
        cost_note="the GAN, two steps for each of the run; the network that T is estimated with; generated images",
        images_only=True,
        lengths=(Length("gan", epochs=640, largest=2.0),),
        search=(Search("share", 0.1, 0.8),),
        official=(
            "generates CIFAR-10 images and trains no classifier with them; here the lengths of rGAN (Kaneko et al., "
            "CVPR 2019; ResNets with 256 and 128 channels): 100,000 iterations of five discriminator steps of 64 "
            "images, 640 epochs, Adam 2e-4 falling to 0"
        ),
        state="the generator's averaged weights; [K, K] T, [K] clean class frequencies",
        deviations=(
            "small networks without residual blocks, one discriminator step per generator step, Adam 5e-3, images "
            "shifted before the discriminator, averaged generator weights; T is counted where the paper is given it or "
            "trains it with a permutation regularizer; training a classifier with the images is this suite's"
        ),
        fidelity="rcGAN's labels through T; small GAN, few steps",
        proof="worked example",
    )

    T: Tensor
    prior: Tensor

    class Config(Method.Config):
        transition: Literal["predicted", "oracle", "none"] = Field(
            "predicted", description="T: counted over predictions, the true one (oracle track), or none"
        )
        held_share: float = Field(
            0.1, gt=0, le=0.5, description="held-out noisy labels on which the predicting network stops early"
        )
        share: float = Field(0.5, gt=0, le=0.9, description="of generated images in the training batches")
        gan: float | None = Field(
            None, gt=0, le=1000, description="length of the GAN's training, in run lengths; null: by the schedule rule"
        )
        side: Literal[8, 16, 32] = Field(32, description="largest side of generated images; larger ones are enlarged")
        width: int = Field(16, ge=4, le=256, description="channels of the GAN's largest maps")

    @classmethod
    def requires(cls, cfg: Settings) -> frozenset[str]:
        """T in the oracle form."""
        oracle = isinstance(cfg, CGANAugment.Config) and cfg.transition == "oracle"
        return frozenset({"transition"}) if oracle else frozenset()

    def build(self) -> None:
        super().build()
        classes, device = self.kit.num_classes, self.kit.device
        channels, height, width = self.kit.input_shape
        self.side = side_of(height, width, self.cfg.side)
        self.average = Generator(classes, channels, self.side, self.cfg.width).requires_grad_(False)
        self.register_buffer("T", torch.eye(classes, device=device))
        self.register_buffer("prior", torch.full((classes,), 1 / classes, device=device))
        if self.cfg.transition == "oracle":
            check_transition(self.kit.hints.transition, classes)
            self.T.copy_(self.kit.hints.transition)

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        batches = data.batches()
        if epoch == 0:
            if self.cfg.transition == "predicted":
                predicted = self.kit.posterior(self.cfg.held_share).argmax(1)
                self.T.copy_(row_normalize(count_matrix(predicted, data.y, self.kit.num_classes)))
            self.learn_images(data)
        if self.cfg.transition != "none":
            self.kit.report_transition(self.T)
        return self.joined(batches)

    def learn_images(self, data: TrainSet) -> None:
        """Trains the generator, as many steps as its length in epochs has in this run."""
        counts = torch.bincount(data.y, minlength=self.kit.num_classes)
        prior = clean_prior(self.T, counts)
        self.prior.copy_(prior)
        steps = self.schedule.length("gan", self.cfg.gan) * self.kit.steps_per_epoch
        train(self.average, endless(data), self.fit, clean_given_noisy(self.T, prior), steps, self.cfg.width)

    def fit(self, x: Tensor) -> Tensor:
        """Images [B, C, H, W] of the data in the generator's size."""
        return resized(x, (self.side, self.side))

    def joined(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """`batches` with generated images."""
        for batch in batches:
            count = max(1, round(len(batch.y) * self.cfg.share / (1 - self.cfg.share)))
            classes = self.prior.multinomial(count, replacement=True)
            yield _Joined(batch.x, batch.y, batch.index, self.generate(classes), classes)

    @torch.no_grad()
    def generate(self, y: Tensor) -> Tensor:
        """Images [B, C, H, W] in [0, 1] of the classes `y` [B]."""
        _, *size = self.kit.input_shape
        return resized(self.average(y), size)

    def logits(self, batch: Batch) -> Tensor:
        """[B + M, K], those of the generated images behind."""
        assert isinstance(batch, _Joined)
        return self.net(torch.cat([batch.x[0], batch.made.to(batch.x.dtype)]))

    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        assert isinstance(batch, _Joined)
        return F.cross_entropy(logits, torch.cat([batch.y, batch.classes]))


def endless(data: TrainSet) -> Iterator[Batch]:
    """Batches of plain images, pass after pass; none of a set too small for one."""
    while len(data) > 1:
        yield from data.batches(augment=False)


def resized(x: Tensor, size: Sequence[int]) -> Tensor:
    """Images `x` [B, C, H, W] in the `size` (height, width)."""
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return F.interpolate(x, list(size), mode="bilinear", align_corners=False, antialias=True)
