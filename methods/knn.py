"""Nearest neighbours on frozen features: WANN (Di Salvo et al., TMLR 2025), SimiFeat (Zhu et al., ICML 2022)."""

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from methods import Batch, Card, Field, Method, TrainSet, accuracy
from methods._losses import pick
from methods._options import ordered
from methods._selection import keep_or_all, report_all

FLOOR = 1e-3
"""Added to every share of the votes, so that a class without votes keeps a probability."""
CHUNK = 512
"""Samples whose distances to all others are held in memory together."""
VOTERS = ("bank", "labels", "size")
"""Buffers: features, labels and neighbourhoods of the training samples that vote."""


class KNN(Method):
    """Votes of the nearest training samples in the features of a frozen backbone; nothing is trained.

    `vote = "reliability"` (WANN): label i weighs 1 / k_i, where k_i is the smallest of k_min, k_min + 2, ... below
    k_max for which the majority of its k nearest others is the label, or `k_max` if there is none. The k_t nearest
    training samples vote on an image t, k_t being that of the very nearest one. Euclidean distance.

    `vote = "similarity"` (SimiFeat's vote): labels weigh by their cosine similarity. A training label that its
    `k` - 1 nearest others and itself outvote is dropped; itself it counts with 2 s_1 - s_2, where s_1 and s_2 are the
    similarities of the two nearest others. The `k` nearest of those that are left vote on an image.

    Probabilities are the shares of the votes.
    """

    card = Card(
        title="An Embedding is Worth a Thousand Noisy Labels",
        authors="Francesco Di Salvo, Sebastian Doerrich, Ines Rieger, Christian Ledig",
        venue="TMLR",
        year=2025,
        arxiv="2408.14358",
        code="https://github.com/francescodisalvo05/wann-noisy-labels",
        family="control",
        cost=1.0,
        cost_note="nothing is trained; a search through all training features for every image, twice in a run",
        frozen=True,
        trains=False,
        official=(
            "WANN: k from 11 to 51, features of DINOv2 Large; SimiFeat: k = 10, features of CLIP or of a ResNet "
            "trained on ImageNet"
        ),
        deviations=(
            "the features are standardized, as for all methods here; equal votes go to the lower class (in WANN's "
            "code to the one that a nearer neighbour has); SimiFeat detects wrong labels, repeats that on augmented "
            "images and then trains a network: here the labels that are left vote"
        ),
        fidelity="standardized features; SimiFeat's labels vote instead of training a network",
        proof="golden",
    )

    class Config(Method.Config):
        vote: Literal["reliability", "similarity"] = "reliability"
        k: int = Field(10, ge=3, le=1000, description="neighbours of `similarity`, itself counted")
        k_min: int = Field(11, ge=1, le=999, description="fewest neighbours of `reliability`")
        k_max: int = Field(51, ge=2, le=1000, description="most neighbours of `reliability`")
        _sizes = ordered("k_min", "k_max")

    bank: Tensor | None
    labels: Tensor
    size: Tensor

    def build(self) -> None:
        """Makes nothing: what votes is read from the training set at the start of an epoch."""
        for name in VOTERS:
            self.register_buffer(name, None)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in VOTERS:  # an epoch gives them their sizes
            if prefix + name in state:
                setattr(self, name, state[prefix + name].to(self.kit.device))
        super()._load_from_state_dict(state, prefix, *rest)

    def plan(self, epoch: int, data: TrainSet) -> Iterator[Batch]:
        features = data.scan(lambda x: x.flatten(1))
        if self.cfg.vote == "reliability":
            self.weigh_by_reliability(features, data.y)
        else:
            self.drop_the_outvoted(features, data.y)
        return data.batches(augment=False)

    def weigh_by_reliability(self, features: Tensor, y: Tensor) -> None:
        self.bank, self.labels = features, y
        _, index = self.others(min(self.cfg.k_max, len(y) - 1))
        self.size = smallest_explaining(y[index], y, self.cfg.k_min, self.cfg.k_max, self.kit.num_classes)
        self.known = self.shares(torch.ones_like(index, dtype=features.dtype), index)
        report_all(self.kit, score=1 / self.size, label=self.known.argmax(1))

    def drop_the_outvoted(self, features: Tensor, y: Tensor) -> None:
        self.bank, self.labels = F.normalize(features, dim=1), y
        similarity, index = self.others(min(self.cfg.k, len(y)) - 1)
        itself = 2 * similarity[:, 0] - similarity[:, min(1, similarity.shape[1] - 1)]
        everyone = torch.arange(len(y), device=y.device)
        self.known = self.shares(torch.cat([itself[:, None], similarity], 1), torch.cat([everyone[:, None], index], 1))
        kept = keep_or_all(self.known.argmax(1) == y)
        report_all(self.kit, kept=kept, score=pick(self.known, y), label=self.known.argmax(1))
        self.bank, self.labels = self.bank[kept], y[kept]

    def closeness(self, x: Tensor) -> Tensor:
        """[B, M] how near the features `x` [B, D] are to the M samples that vote; larger is nearer."""
        assert self.bank is not None
        if self.cfg.vote == "reliability":
            return -torch.cdist(x, self.bank)
        return F.normalize(x, dim=1) @ self.bank.T

    def others(self, count: int) -> tuple[Tensor, Tensor]:
        """Closeness and positions, both [M, count], of the nearest others of every sample that votes."""
        assert self.bank is not None
        found = []
        for rows in torch.arange(len(self.bank), device=self.bank.device).split(CHUNK):
            closeness = self.closeness(self.bank[rows])
            closeness[torch.arange(len(rows), device=rows.device), rows] = -torch.inf
            found.append(closeness.topk(count, dim=1))
        return torch.cat([top.values for top in found]), torch.cat([top.indices for top in found])

    def shares(self, closeness: Tensor, index: Tensor) -> Tensor:
        """[B, K] shares of the votes of the neighbours `index` [B, k], nearest first, `closeness` [B, k] away."""
        if self.cfg.vote == "reliability":
            rank = torch.arange(index.shape[1], device=index.device)
            votes = (rank < self.size[index[:, :1]]).to(closeness.dtype) / self.size[index]
        else:
            votes = closeness
        total = votes.new_zeros(len(index), self.kit.num_classes).scatter_add(1, self.labels[index], votes)
        total = total.clamp(min=0)
        return total / total.sum(1, keepdim=True).clamp(min=1e-12)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Trains nothing; scores the votes of the others on every sample."""
        logits = as_logits(self.known[batch.index])
        return {"loss": F.cross_entropy(logits, batch.y), "accuracy": accuracy(logits, batch.y)}

    def predict(self, x: Tensor) -> Tensor:
        if self.bank is None:  # before the first epoch
            return as_logits(x.new_zeros(len(x), self.kit.num_classes))
        count = self.cfg.k_max if self.cfg.vote == "reliability" else self.cfg.k
        return as_logits(self.shares(*self.closeness(x.flatten(1)).topk(min(count, len(self.bank)), dim=1)))


def smallest_explaining(neighbours: Tensor, y: Tensor, k_min: int, k_max: int, num_classes: int) -> Tensor:
    """[N] the smallest k = k_min, k_min + 2, ... < k_max for which most of a sample's k nearest have its label.

    `neighbours` [N, k] are the labels of the nearest others of each sample, nearest first, `y` [N] its own. It is
    `k_max` where there is no such k. Of equally frequent labels the lowest counts.
    """
    size = torch.full_like(y, k_max)
    for k in reversed(range(k_min, min(k_max, neighbours.shape[1] + 1), 2)):
        counts = torch.zeros(len(y), num_classes, device=y.device).scatter_add(
            1, neighbours[:, :k], torch.ones(len(y), k, device=y.device)
        )
        size = torch.where(counts.argmax(1) == y, k, size)
    return size


def as_logits(shares: Tensor) -> Tensor:
    """[B, K] logits of `shares` [B, K] of votes."""
    return (shares + FLOOR).log()
