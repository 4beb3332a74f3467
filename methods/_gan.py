"""A small class-conditional GAN that learns from noisy labels (rcGAN, Thekumparampil et al., NeurIPS 2018).

The labels that the generator is given pass through T before the discriminator sees them. What it compares are
images with noisy labels, real and generated; where it cannot tell them apart, the generator was given clean ones.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from methods.base import Batch

SIDES = (8, 16, 32)
"""Pixels a side that a generator can make."""
LATENT = 64
"""Random numbers behind an image."""
LABEL_SIZE = 3.0
"""Of the label's indicator beside the random numbers, whose standard deviation is 1."""
CLASS_WEIGHT = 6.0
"""Of the label in the discriminator's score; with 1 the classes are learned twice as late."""
SLOPE = 0.1
"""Of the leaky ReLUs."""
RATE, BETAS = 5e-3, (0.0, 0.9)
"""Adam of both networks. Published: 2e-4 and (0, 0.9) for 100,000 iterations; here there are hundreds."""
FIRST_MEMORY, MEMORY_SHARE = 10, 0.2
"""The average of the generator's weights reaches back so many steps, and that share of the steps so far."""


def side_of(height: int, width: int, largest: int) -> int:
    """The smallest of `SIDES` that holds an image of `height` times `width` pixels, but at most `largest`."""
    return min(largest, next((side for side in SIDES if side >= max(height, width)), largest))


def widths(side: int, width: int) -> list[int]:
    """Channels of the maps with `side`, `side` / 2, ... 4 pixels a side."""
    return [width * min(2**place, 4) for place in range(side.bit_length() - 2)]


class Generator(nn.Module):
    """Classes y [B] to images [B, C, side, side] in [0, 1]; it draws the rest from torch's generator.

    Random numbers and class scale and shift the normalized maps of every stage (self-modulation, Chen et al., ICLR
    2019).
    """

    def __init__(self, num_classes: int, channels: int, side: int, width: int) -> None:
        """`width`: channels of the largest maps."""
        super().__init__()
        self.num_classes = num_classes
        self.widths = widths(side, width)[::-1]
        code = LATENT + num_classes
        self.start = nn.Linear(code, self.widths[0] * 16)
        self.growing = nn.ModuleList(nn.ConvTranspose2d(a, b, 4, stride=2, padding=1) for a, b in pairwise(self.widths))
        self.style = nn.Linear(code, 2 * sum(self.widths))
        self.last = nn.Conv2d(self.widths[-1], channels, 3, padding=1)
        nn.init.normal_(self.style.weight, std=0.1)

    def forward(self, y: Tensor) -> Tensor:
        like = self.start.weight
        z = torch.randn(len(y), LATENT, dtype=like.dtype, device=like.device)
        code = torch.cat([z, LABEL_SIZE * F.one_hot(y, self.num_classes).to(z.dtype)], 1)
        styles = self.style(code)[:, :, None, None].split([2 * count for count in self.widths], 1)
        x = _styled(self.start(code).unflatten(1, (-1, 4, 4)), styles[0])
        for grow, style in zip(self.growing, styles[1:], strict=True):
            x = _styled(grow(x), style)
        return self.last(x).sigmoid()


def _styled(x: Tensor, style: Tensor) -> Tensor:
    """Maps `x` [B, D, h, w], normalized per image, then scaled and shifted by `style` [B, 2 D, 1, 1]."""
    scale, shift = style.chunk(2, 1)
    return F.leaky_relu(F.group_norm(x, max(1, x.shape[1] // 8)) * (1 + scale) + shift, SLOPE)


class Discriminator(nn.Module):
    """How real images [B, C, side, side] with the labels y [B] look: [B], larger is more real.

    A projection discriminator (Miyato & Koyama, ICLR 2018); black counts as -1, white as 1. `normalize`, called after
    every step, keeps the largest singular value of every weight near 1 (Miyato et al., ICLR 2018).
    """

    def __init__(self, num_classes: int, channels: int, side: int, width: int) -> None:
        """`width`: as of the generator."""
        super().__init__()
        inner = widths(side, width)
        self.shrinking = nn.ModuleList(
            nn.Conv2d(a, b, 4, stride=2, padding=1) for a, b in pairwise((channels, *inner[1:]))
        )
        self.inner = nn.Conv2d(inner[-1], inner[-1], 3, padding=1)
        self.real = nn.Linear(inner[-1], 1)
        self.classes = nn.Embedding(num_classes, inner[-1])
        self.directions: list[Tensor] = []

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        h = 2 * x - 1
        for layer in (*self.shrinking, self.inner):
            h = F.leaky_relu(layer(h), SLOPE)
        h = h.sum((2, 3))
        return self.real(h)[:, 0] + CLASS_WEIGHT * (self.classes(y) * h).sum(1)

    @torch.no_grad()
    def normalize(self, iterations: int = 1) -> None:
        """Divides every weight by its largest singular value, found by power iteration that goes on over the calls."""
        weights = [value for name, value in self.named_parameters() if name.endswith("weight")]
        self.directions = self.directions or [torch.randn_like(weight.flatten(1)[:, 0]) for weight in weights]
        for place, weight in enumerate(weights):
            matrix, left = weight.flatten(1), self.directions[place]
            for _ in range(iterations):
                right = F.normalize(matrix.T @ left, dim=0)
                left = F.normalize(matrix @ right, dim=0)
            weight.div_(left @ matrix @ right)
            self.directions[place] = left


def shown(x: Tensor) -> Tensor:
    """`x` [B, C, side, side] moved by up to an eighth of its side, all images alike, over black.

    The discriminator is shown real and generated images so: it learns few real ones by heart less easily
    (DiffAugment, Zhao et al., NeurIPS 2020, which moves each image on its own).
    """
    side = x.shape[-1]
    reach = side // 8
    down, right = torch.randint(2 * reach + 1, (2,)).tolist()
    return F.pad(x, (reach,) * 4)[:, :, down : down + side, right : right + side]


def adversarial_losses(real: Tensor, generated: Tensor) -> Tensor:
    """Hinge loss of a discriminator that gives these scores, [B] each, to real and to generated images."""
    return F.relu(1 - real).mean() + F.relu(1 + generated).mean()


def train(
    average: Generator,
    batches: Iterator[Batch],
    fit: Callable[[Tensor], Tensor],
    clean_of: Tensor,
    steps: int,
    width: int,
) -> None:
    """Trains a copy of `average`, whose weights become the moving average of its own, against a new discriminator.

    `batches`: real images [1, B, C, H, W] with noisy labels, of which the first `steps` are taken; `fit` resizes them
    to those of the generator. clean_of[j, i] = P(clean = i | noisy = j), [K, K]: the generator is given a class drawn
    for each noisy label, and the discriminator the noisy label itself. Draws from torch's generator.
    """
    generator = copy.deepcopy(average).requires_grad_()
    channels, side = generator.last.out_channels, 4 * 2 ** len(generator.growing)
    discriminator = Discriminator(generator.num_classes, channels, side, width).to(generator.start.weight)
    discriminator.normalize(iterations=10)
    optimizer, adversary = (
        Adam(network.parameters(), lr=RATE, betas=BETAS, fused=True) for network in (generator, discriminator)
    )
    for step, batch in zip(range(steps), batches, strict=False):
        generated = generator(clean_of[batch.y].multinomial(1)[:, 0])
        both = shown(torch.cat([fit(batch.x[0]), generated.detach()]))
        real, unreal = discriminator(both, batch.y.repeat(2)).chunk(2)
        adversary.zero_grad()
        adversarial_losses(real, unreal).backward()
        adversary.step()
        discriminator.normalize()
        discriminator.requires_grad_(False)
        optimizer.zero_grad()
        (-discriminator(shown(generated), batch.y).mean()).backward()
        optimizer.step()
        discriminator.requires_grad_()
        with torch.no_grad():
            share = 1 / (FIRST_MEMORY + MEMORY_SHARE * step)
            torch._foreach_lerp_(list(average.parameters()), list(generator.parameters()), share)
