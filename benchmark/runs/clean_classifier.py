"""The clean classifier: a network trained on the CLEAN labels of a data set, for classifier-based noise.

A kind of noise may have it trained on labels of its own instead (CROWDLAB: on the raters' majority, so that no clean
label reaches the consensus).

It is cross-fitted under a fixed recipe, which the options of a run do not change, and its probabilities are stored
once. They depend on the processor and the number of threads, so their digest is part of the identity of every run
whose labels are made from them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backbones.settings import Settings
from benchmark.datasets.base import Data, DataError
from benchmark.grid.job import Job
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.resolve import resolve_backbone
from benchmark.grid.spec import PROTOCOL, Augment, DataPart, NoisePart, Recipe, Seeds
from benchmark.noise.base import NoiseKind, Split
from benchmark.registry import BACKBONES
from benchmark.runs.clean_probabilities import Probabilities, read, stored_digest, write
from benchmark.runs.prepare import DataSource, LabelNoise, Skipped
from benchmark.seeds import seed_everything, seed_for
from benchmark.store.atomic import StoreError
from benchmark.store.digests import canonical
from benchmark.store.once import once
from benchmark.store.store import Store

Say = Callable[[str], None]
"""Receives progress messages, one line each."""


class CleanClassifierSettings(Settings):
    """How every clean classifier is trained. A change here changes the labels that are made from it."""

    backbone: str = "cnn"
    folds: int = 4
    recipe: Recipe = Recipe(epochs=6, batch_size=64, schedule="cosine", precision="float32")
    """Augmentation is replaced by the data set's default; `sized` adapts the rest to the number of images."""
    batches: int = 60
    """Least number of batches per epoch, if there are enough images for batches of MIN_BATCH."""
    seed: int = 0


SETTINGS = CleanClassifierSettings()
MIN_BATCH = 8


def sized(recipe: Recipe, images: int) -> Recipe:
    """`recipe` adapted to the number of images: smaller batches and more epochs for few images, so that the
    network gets enough optimizer steps to learn."""
    batches = SETTINGS.batches
    batch = max(MIN_BATCH, min(recipe.batch_size, images // batches))
    epochs = max(recipe.epochs, math.ceil(recipe.epochs * batches * MIN_BATCH / images))
    return recipe.model_copy(update={"batch_size": batch, "epochs": epochs})


@dataclass(frozen=True)
class OwnLabels:
    """Labels that a kind of noise has the classifier trained on, instead of the clean ones."""

    noise: LabelNoise
    part: NoisePart
    """The noise in a run's identity."""

    def of(self, source: DataSource, data: Data) -> np.ndarray:
        """[n] of the training split; -1: left out. Raises Skipped."""
        split = source.split("train", data.train, data.num_classes, None)
        if reason := self.noise.kind.skip(split):
            raise Skipped(reason)
        return self.noise.kind.classifier_labels(split, self.noise.seed)


@dataclass(frozen=True)
class CleanClassifier:
    """The clean classifier of one data set, and the results folder that keeps it."""

    source: DataSource
    part: DataPart
    """The data set in a run's identity."""
    results: Path
    own: OwnLabels | None = None
    """None: it is trained on the clean labels."""
    device: str = "cpu"
    threads: int = 1
    say: Say = lambda text: None

    @property
    def recipe(self) -> Recipe:
        return SETTINGS.recipe.model_copy(update={"augment": Augment(**self.source.dataset.augment)})

    @property
    def path(self) -> Path:
        """File of its probabilities, named by a digest of what is known before training: data, settings, versions."""
        data = self.part.model_dump(mode="json", exclude={"subset", "extra_tests"})
        version = BACKBONES.load(SETTINGS.backbone).version
        settings = SETTINGS.model_dump(mode="json") | {"recipe": self.recipe.model_dump(mode="json")}
        parts = [PROTOCOL, data, settings, version]
        if self.own is not None:
            noise = self.own.part.model_dump(mode="json", exclude={"clean_classifier"})
            parts += [noise, self.own.noise.seed]
        key = hashlib.sha256(canonical(parts)).hexdigest()[:16]
        return self.results.resolve() / "references" / f"{key}.npz"

    def stored(self) -> str | None:
        """The digest of its probabilities; None if they are absent or damaged."""
        return stored_digest(self.path)

    def trained(self) -> str:
        """Trains it if its probabilities are not stored yet, and returns their digest. Raises DataError, Skipped.

        If several processes need it, one trains and the others wait.
        """
        path = self.path
        Store(self.results).prepare()
        once(
            path,
            "probabilities of the clean classifier",
            read=lambda: read(path),
            make=self._train,
            write=lambda probabilities: write(path, probabilities),
        )
        digest = self.stored()
        if digest is None:  # runs are separate processes and read the file
            raise StoreError(f"the clean classifier cannot be kept in {path}; make room there, then run again")
        self.say(f"kept in {path}")
        return digest

    def _train(self) -> Probabilities:
        """Out-of-fold probabilities of the training split; on the validation split the mean of the folds' networks."""
        import torch
        from sklearn.model_selection import StratifiedKFold

        from benchmark.runs.assemble import Network, open_backbone, pick_device
        from benchmark.training.samples import Images
        from benchmark.training.train_set import predict

        data = self.source.load(Store(self.results).cache("data"))
        recipe = sized(self.recipe, len(data.train))
        resolved = resolve_backbone(PluginRef(SETTINGS.backbone))
        network = Network(open_backbone(resolved.part, resolved.files), resolved.part)
        labels = data.train.labels if self.own is None else self.own.of(self.source, data)
        used = np.flatnonzero(labels >= 0)
        folds = max(2, min(SETTINGS.folds, int(np.bincount(labels[used]).max())))
        device = pick_device(self.device)
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            seed_everything(seed_for("reference", SETTINGS.seed))
            samples = Images(data.train.images, device)
            session = network.session(
                samples, np.maximum(labels, 0), data.num_classes, recipe, Seeds.equal(SETTINGS.seed)
            )
            kit = session.kit()
            shuffle = seed_for("folds", SETTINGS.seed) % 2**32
            splitter = StratifiedKFold(folds, shuffle=True, random_state=shuffle)
            # Images without a label keep equal probabilities: nobody reads them.
            shape = (len(labels), data.num_classes)
            probabilities = {"train": np.full(shape, 1 / data.num_classes, dtype=np.float32)}
            if data.val is not None:
                probabilities["val"] = np.zeros((len(data.val), data.num_classes), dtype=np.float32)
            what = "clean labels" if self.own is None else f"labels of {self.own.part.name}"
            for fold, places in enumerate(splitter.split(np.zeros(len(used)), labels[used])):
                fitted, held = (used[part] for part in places)
                self.say(f"{what} of {data.name}, fold {fold + 1} of {folds}, {recipe.epochs} epochs")
                net = kit.network(f"fold{fold}")
                kit.fit(net, torch.from_numpy(fitted).to(device))

                def classify(x: torch.Tensor, net: torch.nn.Module = net) -> torch.Tensor:
                    return net(x).softmax(1)

                probabilities["train"][held] = (
                    session.data.scan(classify, torch.from_numpy(held).to(device)).cpu().numpy()
                )
                if data.val is not None:
                    probabilities["val"] += predict(classify, Images(data.val.images, device)).cpu().numpy() / folds
        finally:
            torch.set_num_threads(threads)
        accuracy = float((probabilities["train"].argmax(1) == labels)[used].mean())
        self.say(f"out-of-fold accuracy {accuracy:.3f}")
        return probabilities


def needed(source: DataSource, kind: NoiseKind) -> bool:
    """Whether `kind` needs a clean classifier on this data set; decided by the data set's name, without loading it."""
    named = Split("train", np.arange(2), 2, source.dataset.label, source.digest, registered=source.dataset.name)
    return source.dataset.task == "multiclass" and kind.requires_clean_classifier(named)


def needing(jobs: Sequence[Job]) -> list[bool]:
    """Whether the noise of each job needs a clean classifier; asked once of what they share."""
    from benchmark.runs.assemble import noise_of, source_of

    known: dict[tuple[int, int], bool] = {}
    for job in jobs:
        key = _shared(job)
        if key not in known:
            known[key] = needed(source_of(job), noise_of(job).kind)
    return [known[_shared(job)] for job in jobs]


def _shared(job: Job) -> tuple[int, int]:
    return id(job.spec.dataset), id(job.spec.noise)


def own_labels(noise: LabelNoise, part: NoisePart) -> OwnLabels | None:
    """The labels that `noise` has its classifier trained on; None where these are the clean ones."""
    return OwnLabels(noise, part) if noise.kind.classifier_on_own_labels else None


def attach(job: Job, *, train: bool = True, say: Say = lambda text: None) -> Job:
    """`job` with the digest and path of the clean classifier's probabilities, if its noise needs them.

    A classifier that is not stored yet is trained first; with `train` false, `job` is returned unchanged instead.
    Unreadable data is not an error here: the affected runs fail individually.
    """
    from benchmark.runs.assemble import noise_of, source_of

    source = source_of(job)
    if not needed(source, noise_of(job).kind):
        return job
    options = job.options
    classifier = CleanClassifier(
        source,
        job.spec.dataset,
        Path(options.results),
        own_labels(noise_of(job), job.spec.noise),
        options.device,
        options.threads,
        say,
    )
    try:
        digest = classifier.trained() if train else classifier.stored()
    except DataError:
        return job
    if digest is None:
        return job
    noise = job.spec.noise.model_copy(update={"clean_classifier": digest})
    spec = job.spec.model_copy(update={"noise": noise})
    return job.model_copy(update={"spec": spec, "files": {**job.files, digest: str(classifier.path)}})
