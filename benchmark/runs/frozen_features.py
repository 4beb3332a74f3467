"""Features of a frozen network: computed once, kept as memory-mapped arrays, shared by all runs and processes.

An array is stored under a digest of everything that determines it: the images' content, the network and its
weights, the size of its input, the stored augmentation. A damaged array is computed again. Arrays are stored
unscaled: each run standardizes what it reads by the statistics of its own training images.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backbones.base import Backbone, Freezable, Network, paths_on
from benchmark.errors import NoisybenchError
from benchmark.grid.spec import Augment, Part, Recipe
from benchmark.runs.prepare import LabelledSet
from benchmark.seeds import seed_for
from benchmark.store import digests
from benchmark.store.arrays import UNREADABLE, save
from benchmark.store.atomic import write_folder
from benchmark.store.digests import canonical, intact
from benchmark.store.once import once
from benchmark.training.augment import augment
from benchmark.training.samples import Features, Images

FORMAT = 3
BATCH = 128
WORTH_SAYING = 90
"""Seconds from which the time that features take is told."""
TINY = 1e-6
"""A feature whose deviation is below this fraction of its magnitude is constant: it is centered, not scaled."""


class FeatureError(NoisybenchError):
    """Features cannot be computed with these options, weights or images."""


@dataclass(frozen=True)
class Scale:
    """Standardization by the statistics of training features: `mean` and `deviation` [D], on the CPU."""

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, features: Tensor) -> Scale:
        """Of the training features [n, D]."""
        deviation, mean = torch.std_mean(features, dim=0, correction=0)
        varies = deviation > TINY * (mean.abs() + deviation + 1e-30)
        return cls(mean, torch.where(varies & (deviation > 0), deviation, 1.0))

    def apply_(self, features: Tensor) -> Tensor:
        """`features` [..., D], changed in place."""
        return features.sub_(self.mean).div_(self.deviation)


class FrozenNetwork:
    """The network below the head of a frozen backbone."""

    def __init__(self, backbone: Backbone, part: Part, channels: int, side: int, device: torch.device) -> None:
        """For images with `channels` channels and `side` px; `part` is the backbone in the run's identity."""
        self.backbone = backbone
        self.part = part
        self.channels = channels
        self.side = side
        self.device = device

    @property
    def weights(self) -> list[str] | str:
        """Digests of the weights files that the configuration names; if there are none, that of the tensors."""
        return self._pinned or digest_of(self.network)

    @property
    def _pinned(self) -> list[str]:
        config = self.part.config
        paths = {name for name, value in dict(self.backbone.cfg).items() if isinstance(value, Path)}
        return [config[name] for name in sorted(paths)]

    @cached_property
    def network(self) -> Network:
        """The frozen network, in eval mode. Without pretrained weights, all seeds share one random network."""
        for value in dict(self.backbone.cfg).values():
            if isinstance(value, Path) and digests.digest(value) not in self._pinned:
                raise FeatureError(f"{value} has changed since the grid was started; put the former file back")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_for("frozen", self.part.name))
            # Never in half precision: stored features must not depend on the device.
            network = self.backbone.build(self.channels, 2, self.side, amp=False)
        return network.to(self.device).eval()


class FeatureSource(FrozenNetwork):
    """Turns the labelled sets of one run into features, standardized by those of its training set."""

    def __init__(
        self,
        backbone: Backbone,
        part: Part,
        recipe: Recipe,
        train: LabelledSet,
        folder: Path,
        device: torch.device,
        on_phase: Callable[[str], None] = lambda what: None,
    ) -> None:
        """`part` is the backbone in the run's identity, `folder` the cache; `train` gives the statistics.

        Computes the training features if they are not stored yet, which may take minutes; `on_phase` receives
        a message then.
        Raises FeatureError, BackboneError.
        """
        super().__init__(backbone, part, train.whole.shape[3], train.whole.shape[1], device)
        self.recipe = recipe
        self.folder = folder
        self.on_phase = on_phase
        self.notes: dict[str, Any] = {}
        """For the record: digest of every array that was read, by split, kind ("plain", "view0") and data set."""
        plain = self._rows(train, "plain")
        self.scale = Scale.of(plain)
        self.train = Features(self._ready(plain), self._views(train))

    def trained_on(self, part: LabelledSet) -> Features:
        """Standardized features of further samples to train on, with stored views where the training set has them."""
        return Features(self._ready(self._rows(part, "plain")), self._views(part))

    def features(self, part: LabelledSet) -> Features:
        """Standardized features of a set that is only evaluated."""
        return Features(self._ready(self._rows(part, "plain")))

    def made_features(self, key: str, images: Callable[[], np.ndarray]) -> Features:
        """Standardized features of images that are evaluated only, and are made where their features are not stored."""
        array, _ = stored(self.folder, self._identity(key, "plain"), lambda: self._compute(images(), "plain"))
        return Features(self._ready(torch.from_numpy(np.array(array))))

    def _views(self, train: LabelledSet) -> Tensor | None:
        count = self.backbone.cfg.views
        if count == 1:
            return None
        check_views(self.backbone, self.recipe)
        return torch.stack([self._ready(self._rows(train, f"view{view}")) for view in range(count)])

    def _ready(self, features: Tensor) -> Tensor:
        return self.scale.apply_(features).to(self.device)

    def _rows(self, part: LabelledSet, kind: str) -> Tensor:
        """Features of the samples of `part`, a copy that may be changed in place."""
        array = self._array(part.key, lambda: part.whole, kind)
        rows = torch.from_numpy(np.array(array) if part.index is None else array[part.index])
        if part.replaced is not None:
            pool = part.replaced.pool
            others = self._array(pool.key, lambda: pool.whole, kind)
            rows[part.replaced.at] = torch.from_numpy(others[pool.places(part.replaced.index)])
        return rows

    @property
    def policy(self) -> Augment:
        return self.recipe.augment or Augment()

    @cached_property
    def body(self) -> dict[str, Any]:
        """Identity of the network below the head and of its input."""
        part = self.part
        options = {name: value for name, value in part.config.items() if name not in Freezable.model_fields}
        return {
            "network": [part.name, part.version, part.source, options],
            "images": [self.channels, self.side],
            "fast": paths_on(),
            "weights": self.weights,
        }

    def _array(self, key: str, images: Callable[[], np.ndarray], kind: str) -> np.ndarray:
        """Features [m, D] float32 of the images that `key` identifies; `kind`: "plain", or a stored augmentation,
        "view0"."""
        if not key:
            return self._compute(images(), kind)
        identity = self._identity(key, kind)
        if kind != "plain":
            identity["augment"] = self.policy.model_dump(mode="json")
        array, facts = stored(self.folder, identity, lambda: self._compute(images(), kind))
        self.notes[f"{key.rpartition('/')[2]}/{kind}/{key.partition('/')[0]}"] = facts
        return array

    def _identity(self, key: str, kind: str) -> dict[str, Any]:
        return {"format": FORMAT, **self.body, "data": key, "kind": kind}

    @torch.no_grad()
    def _compute(self, images: np.ndarray, kind: str) -> np.ndarray:
        self.on_phase(f"computes the features of {len(images):,} images")
        network, blocks, started = self.network, [], time.monotonic()
        for start in range(0, len(images), BATCH):
            batch = Images(images[start : start + BATCH], self.device)
            x = batch.slice(0, len(batch))
            if kind != "plain":
                index = torch.arange(start, start + len(batch), device=self.device)
                view = int(kind.removeprefix("view"))
                x = augment(x, index, self.policy, seed_for("stored-views"), 0, view)
            blocks.append(network.features(x).float().cpu().numpy())
            if start == 0:
                self._say_how_long((time.monotonic() - started) * len(images) / len(batch), len(images))
        features = np.concatenate(blocks)
        if not np.isfinite(features).all():
            raise FeatureError(
                f"the features of {self.part.name} are not finite; its weights are damaged or "
                "do not fit this input size"
            )
        return features

    def _say_how_long(self, seconds: float, images: int) -> None:
        """After the first of the batches, `seconds` by its time for all of them."""
        if seconds >= WORTH_SAYING:
            self.on_phase(f"computes the features of {images:,} images: about {seconds / 60:.0f} min, kept afterwards")


def check_views(backbone: Backbone, recipe: Recipe) -> None:
    """Raises FeatureError where a frozen `backbone` stores augmented copies and `recipe` augments nothing."""
    count = backbone.cfg.views if backbone.frozen else 1
    if count > 1 and not (recipe.augment or Augment()).active:
        raise FeatureError(
            f"views = {count} stores augmented copies, but the recipe augments nothing, so all would be equal; "
            "set augment.flip, rotate, crop or strong in the recipe, or views = 1"
        )


def digest_of(network: Network) -> str:
    """ "sha256:..." of the names, shapes and values of a network's state."""
    total = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        total.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\0".encode())
        total.update(tensor.detach().cpu().contiguous().numpy().data)
    return "sha256:" + total.hexdigest()


def stored(folder: Path, identity: dict[str, Any], compute: Callable[[], np.ndarray]) -> tuple[np.ndarray, str]:
    """The array of `identity`, memory-mapped from `folder`, and its digest; `compute` makes it if it is absent."""
    place = folder / hashlib.sha256(canonical(identity)).hexdigest()[:20]

    def make() -> tuple[np.ndarray, str]:
        array = compute()
        return array, _digest_of_array(array)

    def write(scratch: Path, array: np.ndarray, digest: str) -> None:
        save(scratch / "features.npy", array)
        manifest = {"identity": identity, "array": digest}
        (scratch / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")

    return once(
        place,
        "features",
        read=lambda: _read(place, identity),
        make=make,
        write=lambda result: write_folder(place, lambda scratch: write(scratch, *result)),
    )


def _read(place: Path, identity: dict[str, Any]) -> tuple[np.ndarray, str] | None:
    """The stored array and its digest; None where it is absent, incomplete, damaged, or of another identity."""
    if not intact(place):
        return None
    try:
        manifest = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
        if canonical(manifest["identity"]) != canonical(identity):
            return None
        return np.load(place / "features.npy", mmap_mode="r", allow_pickle=False), manifest["array"]
    except UNREADABLE:
        return None


def _digest_of_array(array: np.ndarray) -> str:
    return "sha256:" + hashlib.sha256(np.ascontiguousarray(array, dtype="<f4").data).hexdigest()


def stand_in(backbone: Backbone, train: LabelledSet) -> Features:
    """Random features of the right shape: enough to time a training without computing the real ones."""
    _, side, _, channels = train.whole.shape
    network = backbone.build(channels, 2, side, amp=False).eval()
    with torch.no_grad():
        width = network.features(torch.zeros(1, channels, side, side)).shape[1]
    return Features(torch.randn(len(train.noisy), width))
