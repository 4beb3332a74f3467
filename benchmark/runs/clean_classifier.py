"""The clean classifier: a network trained on the CLEAN labels of a data set, for classifier-based noise.

It is cross-fitted under a fixed recipe, which the options of a run do not change, and its probabilities are stored
once. They depend on the processor and the number of threads, so their digest is part of the identity of every run
whose labels are made from them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backbones.settings import Settings
from benchmark.datasets.base import DataError
from benchmark.grid.job import Job
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.resolve import resolve_backbone
from benchmark.grid.spec import PROTOCOL, Augment, DataPart, Recipe, Seeds
from benchmark.noise.base import NoiseKind, Split
from benchmark.registry import BACKBONES
from benchmark.runs.clean_probabilities import Probabilities, read, stored_digest, write
from benchmark.runs.prepare import DataSource
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
class CleanClassifier:
    """The clean classifier of one data set, and the results folder that keeps it."""

    source: DataSource
    part: DataPart
    """The data set in a run's identity."""
    results: Path
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
        key = hashlib.sha256(canonical([PROTOCOL, data, settings, version])).hexdigest()[:16]
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
        labels = data.train.labels
        folds = max(2, min(SETTINGS.folds, int(np.bincount(labels).max())))
        device = pick_device(self.device)
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            seed_everything(seed_for("reference", SETTINGS.seed))
            samples = Images(data.train.images, device)
            session = network.session(samples, labels, data.num_classes, recipe, Seeds.equal(SETTINGS.seed))
            kit = session.kit()
            shuffle = seed_for("folds", SETTINGS.seed) % 2**32
            splitter = StratifiedKFold(folds, shuffle=True, random_state=shuffle)
            probabilities = {"train": np.zeros((len(labels), data.num_classes), dtype=np.float32)}
            if data.val is not None:
                probabilities["val"] = np.zeros((len(data.val), data.num_classes), dtype=np.float32)
            for fold, (fitted, held) in enumerate(splitter.split(np.zeros(len(labels)), labels)):
                self.say(f"clean labels of {data.name}, fold {fold + 1} of {folds}, {recipe.epochs} epochs")
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
        accuracy = float((probabilities["train"].argmax(1) == labels).mean())
        self.say(f"out-of-fold accuracy {accuracy:.3f}")
        return probabilities


def needed(source: DataSource, kind: NoiseKind) -> bool:
    """Whether `kind` needs a clean classifier on this data set; decided by the data set's name, without loading it."""
    named = Split("train", np.arange(2), 2, source.dataset.label, source.digest, registered=source.dataset.name)
    return source.dataset.task == "multiclass" and kind.requires_clean_classifier(named)


def attach(job: Job, *, train: bool = True, say: Say = lambda text: None) -> Job:
    """`job` with the digest and path of the clean classifier's probabilities, if its noise needs them.

    A classifier that is not stored yet is trained first; with `train` false, `job` is returned unchanged instead.
    Unreadable data is not an error here: the affected runs fail individually.
    """
    from benchmark.runs.assemble import open_noise, source_of

    source = source_of(job)
    if not needed(source, open_noise(job.spec.noise, job.files)):
        return job
    options = job.options
    classifier = CleanClassifier(source, job.spec.dataset, Path(options.results), options.device, options.threads, say)
    try:
        digest = classifier.trained() if train else classifier.stored()
    except DataError:
        return job
    if digest is None:
        return job
    noise = job.spec.noise.model_copy(update={"clean_classifier": digest})
    spec = job.spec.model_copy(update={"noise": noise})
    return job.model_copy(update={"spec": spec, "files": {**job.files, digest: str(classifier.path)}})
