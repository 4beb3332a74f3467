"""One training: epochs, evaluation, checkpoints. It knows methods only through their base class."""

from __future__ import annotations

import io
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark import metrics
from benchmark.seeds import seed_everything, seed_for
from benchmark.store.atomic import write_atomically
from benchmark.store.digests import seal, unseal
from benchmark.training.kit import EngineKit
from benchmark.training.samples import Samples
from benchmark.training.train_set import DeviceTrainSet, predict
from methods.base import Method

MEMORIZATION_SAMPLE = 10_000


@dataclass(frozen=True)
class Evaluation:
    """A labelled set to score after every epoch; `clean` is None where the truth is unknown."""

    images: Samples
    noisy: np.ndarray | None
    clean: np.ndarray | None


@dataclass(frozen=True)
class Watched:
    """The training labels that the engine compares a method with; the method sees `noisy` only."""

    noisy: np.ndarray
    clean: np.ndarray | None
    transition: np.ndarray | None


@dataclass
class Progress:
    """What a checkpoint holds besides weights."""

    curve: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    test_probabilities: dict[str, np.ndarray] = field(default_factory=dict)
    """Of the best epoch on noisy validation labels, and of the last."""
    diverged: str = ""


class Trainer:
    """Trains `method` and evaluates it after every epoch."""

    def __init__(
        self,
        method: Method,
        kit: EngineKit,
        data: DeviceTrainSet,
        watched: Watched,
        evaluations: dict[str, Evaluation],
        *,
        main_metric: str,
        method_seed: int,
        checkpoint: Path,
        checkpoint_seconds: float = 30.0,
        keep_predictions: bool = False,
        on_epoch: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """`evaluations` holds "val", "test" and further test sets by name."""
        self.method = method
        self.kit = kit
        self.data = data
        self.watched = watched
        self.evaluations = evaluations
        self.main_metric = main_metric
        self.method_seed = method_seed
        self.checkpoint = checkpoint
        self.checkpoint_seconds = checkpoint_seconds
        self.keep_predictions = keep_predictions
        self.on_epoch = on_epoch
        self.progress = Progress()
        data.model = method
        generator = np.random.default_rng(seed_for("memorization-sample", len(data)))
        size = min(len(data), MEMORIZATION_SAMPLE)
        self.sample = np.sort(generator.choice(len(data), size, replace=False))
        self.sampled = data.images.take(torch.from_numpy(self.sample).to(kit.device))

    def run(self) -> Progress:
        """Trains from the last checkpoint, or the start, to the last epoch or to divergence."""
        self._resume()
        saved = time.monotonic()
        for epoch in range(len(self.progress.curve), self.kit.epochs):
            started = time.perf_counter()
            entry = self._train_epoch(epoch)
            loss = entry["train"].get("loss", 0.0)
            if not math.isfinite(loss):
                self.progress.diverged = f"the training loss became {loss} in epoch {epoch + 1}"
            else:
                trained = time.perf_counter()
                self._evaluate(entry)
                entry["seconds"] = {"train": trained - started, "evaluate": time.perf_counter() - trained}
                self.progress.curve.append(entry)
            self.progress.seconds += time.perf_counter() - started
            if self.progress.diverged:
                break
            self.on_epoch(epoch + 1, self.kit.epochs)
            last = epoch + 1 == self.kit.epochs
            if not last and time.monotonic() - saved >= self.checkpoint_seconds:
                self._save()
                saved = time.monotonic()
        return self.progress

    def _train_epoch(self, epoch: int) -> dict[str, Any]:
        seed_everything(seed_for("epoch", self.method_seed, epoch))
        self.kit.start_epoch(epoch)
        self.method.epoch = epoch
        self.method.train()
        totals: dict[str, Tensor] = {}
        count = 0
        for batch in self.method.plan(epoch, self.data):
            size = len(batch.index)
            for name, value in self.method.step(batch).items():
                weighted = value * size
                totals[name] = totals[name] + weighted if name in totals else weighted
            count += size
        # The only wait for the device in an epoch's training.
        train = {name: float(total) / count for name, total in totals.items()}
        return {"epoch": epoch + 1, "lr": self.kit.lr, "phase": self.method.phase(epoch), "train": train}

    def _evaluate(self, entry: dict[str, Any]) -> None:
        self.method.eval()
        for name, evaluation in self.evaluations.items():
            probabilities = predict(self._probabilities, evaluation.images).double().cpu().numpy()
            if not np.isfinite(probabilities).all():
                self.progress.diverged = f"the predictions became NaN in epoch {entry['epoch']}"
                return
            if name == "val":
                entry["val_noisy"] = self._score(probabilities, evaluation.noisy)
                entry["val_clean"] = self._score(probabilities, evaluation.clean)
            elif name == "test":
                entry["test"] = self._score(probabilities, evaluation.clean)
                self._keep(entry, probabilities)
            else:
                entry.setdefault("extra", {})[name] = self._score(probabilities, evaluation.clean)
        entry["memorization"] = self._memorization()
        entry["diagnostics"] = self.kit.reports.summary(self.watched.clean, self.watched.noisy, self.watched.transition)

    def _probabilities(self, x: Tensor) -> Tensor:
        return self.method.predict(x).softmax(1)

    def _score(self, probabilities: np.ndarray, labels: np.ndarray | None) -> dict[str, Any] | None:
        return None if labels is None else metrics.score(probabilities, labels, self.data.num_classes)

    def _memorization(self) -> dict[str, Any] | None:
        if self.watched.clean is None:
            return None
        predictions = predict(lambda x: self.method.predict(x).argmax(1), self.sampled).cpu().numpy()
        return metrics.memorization(predictions, self.watched.clean[self.sample], self.watched.noisy[self.sample])

    def _keep(self, entry: dict[str, Any], probabilities: np.ndarray) -> None:
        if not self.keep_predictions:
            return
        earlier = [e["val_noisy"][self.main_metric] for e in self.progress.curve]
        if not earlier or entry["val_noisy"][self.main_metric] > max(earlier):
            self.progress.test_probabilities["val_noisy"] = probabilities
        self.progress.test_probabilities["last"] = probabilities

    def _save(self) -> None:
        state = {
            "method": self.method.state_dict(),
            "kit": self.kit.state_dict(),
            "curve": self.progress.curve,
            "seconds": self.progress.seconds,
            "test_probabilities": {k: torch.from_numpy(v) for k, v in self.progress.test_probabilities.items()},
        }
        content = io.BytesIO()
        torch.save(state, content)
        write_atomically(self.checkpoint, seal(content.getvalue()))

    def _resume(self) -> None:
        if not self.checkpoint.exists():
            return
        try:
            content = io.BytesIO(unseal(self.checkpoint.read_bytes()))
            state = torch.load(content, map_location=self.kit.device, weights_only=True)
            self.method.load_state_dict(state["method"])
        except (RuntimeError, OSError, EOFError, KeyError, ValueError) as error:
            # Torn, damaged or foreign: the run starts over and ends in the same numbers.
            warnings.warn(f"{self.checkpoint} is thrown away, the run starts over: {error}", stacklevel=2)
            self.checkpoint.unlink()
            return
        self.kit.load_state_dict(state["kit"])
        self.progress = Progress(
            state["curve"],
            state["seconds"],
            {name: tensor.cpu().numpy() for name, tensor in state["test_probabilities"].items()},
        )
