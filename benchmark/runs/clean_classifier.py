"""The reference classifier: what a network that learned the CLEAN labels of a data set thinks of each image.

Some kinds of noise follow its doubts. The suite trains it itself, cross-fitted, under a recipe of its own that
no run's options reach, and stores its probabilities once. They depend on processor and threads, so their digest
is a part of the identity of every run whose labels are made from them.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import sys
from pathlib import Path

import numpy as np

from backbones.settings import Settings
from benchmark.datasets.base import DataError
from benchmark.grid.spec import PROTOCOL, Augment, Job, NoisePart, Part, Recipe, Seeds, canonical
from benchmark.grid.suite import Reference, resolve_backbone
from benchmark.noise.base import Split
from benchmark.registry import BACKBONES
from benchmark.runs.clean_probabilities import Probabilities, stored_digest, write
from benchmark.runs.prepare import LabelledSet, load_data, make_dataset_of, make_noise
from benchmark.seeds import seed_for
from benchmark.store.store import Store


class ReferenceSettings(Settings):
    """How every reference classifier is trained. A change here changes the labels that are made from it."""

    backbone: str = "cnn"
    folds: int = 4
    recipe: Recipe = Recipe(epochs=6, batch_size=64, schedule="cosine", precision="float32")
    """Its augmentation is the data set's own; `sized` fits it to the number of images."""
    batches: int = 60
    """Batches that an epoch has at least, where there are enough images for so many of MIN_BATCH."""
    seed: int = 0


SETTINGS = ReferenceSettings()
MIN_BATCH = 8


def sized(recipe: Recipe, images: int) -> Recipe:
    """`recipe` for a set of so many images: on few of them smaller batches and more epochs, so that the number
    of steps does not fall below what a network needs to learn anything."""
    batches = SETTINGS.batches
    batch = max(MIN_BATCH, min(recipe.batch_size, images // batches))
    epochs = max(recipe.epochs, math.ceil(recipe.epochs * batches * MIN_BATCH / images))
    return recipe.model_copy(update={"batch_size": batch, "epochs": epochs})


def attach(job: Job, *, train: bool = True) -> Job:
    """`job` with the digest and the place of the reference that its noise is made from, if it needs one.

    One that is not stored yet is trained first, or left out where `train` is false. Data that cannot be read
    leave the job as it is: its run will fail with the reason, and stop no other.
    """
    if not needed(job):
        return job
    recipe = SETTINGS.recipe.model_copy(update={"augment": Augment(**make_dataset_of(job).augment)})
    path = Path(job.options.results) / "references" / f"{_key(job, recipe)}.npz"
    digest = stored_digest(path)
    if digest is None and train:
        try:
            digest = _train_once(job, recipe, path)
        except DataError:
            return job
    if digest is None:
        return job
    noise = job.spec.noise.model_copy(update={"reference": digest})
    spec = job.spec.model_copy(update={"noise": noise})
    return job.model_copy(update={"spec": spec, "sources": {**job.sources, digest: str(path.resolve())}})


def needed(job: Job) -> bool:
    """Whether the job's noise is made from a reference: asked by the data's name, before any data is loaded."""
    dataset = make_dataset_of(job)
    named = Split("train", np.arange(2), 2, dataset.label, job.spec.dataset.digest)
    return dataset.task == "multiclass" and make_noise(job).requires_reference(named)


def _key(job: Job, recipe: Recipe) -> str:
    """Name of the file: from all that decides the probabilities, as far as it is known beforehand."""
    data = job.spec.dataset.model_dump(mode="json", exclude={"subset", "extra_tests"})
    version = BACKBONES.load(SETTINGS.backbone).version
    settings = SETTINGS.model_dump(mode="json") | {"recipe": recipe.model_dump(mode="json")}
    return hashlib.sha256(canonical([PROTOCOL, data, settings, version])).hexdigest()[:16]


def _train_once(job: Job, recipe: Recipe, path: Path) -> str:
    """Trains, stores, and returns the digest. Of several processes one trains and the others wait."""
    Store(Path(job.options.results)).prepare()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.stem}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        digest = stored_digest(path)
        if digest is not None:
            return digest
        _say(f"{path} is damaged: it is made again" if path.exists() else f"kept in {path}")
        return write(path, _train(job, recipe))


def _train(job: Job, recipe: Recipe) -> Probabilities:
    """Out-of-fold probabilities of the training part; for the validation part the mean of the folds' networks."""
    import torch
    from sklearn.model_selection import StratifiedKFold

    from benchmark.runs.worker import make_kit, make_train_set, pick_device
    from benchmark.training.train_set import Images, predict
    from benchmark.training.trainer import seed_everything
    from methods.base import Hints

    source = load_data(job, Store(Path(job.options.results)).cache("data"))
    recipe = sized(recipe, len(source.train))
    own = job.model_copy(update={"spec": job.spec.model_copy(update={
        "noise": NoisePart(name="none", version=1),
        "backbone": resolve_backbone(Reference(name=SETTINGS.backbone)).part,
        "method": Part(name="reference", version=1),
        "recipe": recipe,
        "seeds": Seeds.equal(SETTINGS.seed),
    })})  # fmt: skip
    labels = source.train.labels
    folds = max(2, min(SETTINGS.folds, int(np.bincount(labels).max())))
    device = pick_device(job.options.device)
    threads = torch.get_num_threads()
    torch.set_num_threads(job.options.threads)
    try:
        seed_everything(seed_for("reference", SETTINGS.seed))
        data = make_train_set(own, LabelledSet(source.train.images, labels, labels), source.num_classes, device)
        kit = make_kit(own, data, Hints(), device)
        shuffle = seed_for("folds", SETTINGS.seed) % 2**32
        splitter = StratifiedKFold(folds, shuffle=True, random_state=shuffle)
        found = {"train": np.zeros((len(labels), source.num_classes), dtype=np.float32)}
        if source.val is not None:
            found["val"] = np.zeros((len(source.val), source.num_classes), dtype=np.float32)
        for fold, (fitted, held) in enumerate(splitter.split(np.zeros(len(labels)), labels)):
            _say(f"clean labels of {source.name}, fold {fold + 1} of {folds}, {recipe.epochs} epochs")
            network = kit.network(f"fold{fold}")
            kit.fit(network, torch.from_numpy(fitted).to(device))

            def classify(x: torch.Tensor, network: torch.nn.Module = network) -> torch.Tensor:
                return network(x).softmax(1)

            found["train"][held] = data.scan(classify, torch.from_numpy(held).to(device)).cpu().numpy()
            if source.val is not None:
                found["val"] += predict(classify, Images(source.val.images, device)).cpu().numpy() / folds
    finally:
        torch.set_num_threads(threads)
    accuracy = float((found["train"].argmax(1) == labels).mean())
    _say(f"out-of-fold accuracy {accuracy:.3f}")
    return found


def _say(text: str) -> None:
    print(f"reference classifier: {text}", file=sys.stderr, flush=True)  # noqa: T201 - progress
