"""One training: epochs, evaluation, checkpoints. It knows methods only through their base class."""

from __future__ import annotations

import io
import math
import pickle
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark import metrics, model_selection
from benchmark.metrics import Outcome
from benchmark.model_selection import Rule
from benchmark.seeds import seed_everything, seed_for
from benchmark.store.atomic import write_atomically
from benchmark.store.digests import SLOT, check_seal, seal
from benchmark.store.once import CacheWarning
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
class Evaluations:
    """The sets that a training is scored on after every epoch."""

    val: Evaluation
    """Chooses the epoch: by its noisy labels, and by its clean ones for comparison."""
    test: Evaluation
    extra: Mapping[str, Evaluation] = field(default_factory=dict)
    """Extra test sets by name, in a mapping of their own so that no name can clash with `val` or `test`."""
    at_end: Sequence[Callable[[], Evaluation]] = ()
    """Further test sets, which are made one after the other and scored after the last epoch, by the rules
    "val_noisy" and "last" alone: they would be too many for the memory, and for every epoch."""


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
    probabilities: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    """By set ("val" and "test") and rule ("val_noisy", the best epoch so far, and "last"): [n, K] each. Empty unless
    they are to be kept."""
    extra_probabilities: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    """The same by extra test set, which may have any name."""
    outcomes: dict[Rule, Outcome | None] = field(default_factory=dict)
    """On the test set, for each rule: of the epoch that it chooses so far; "last" only after the last epoch."""
    extra_outcomes: dict[str, dict[Rule, Outcome | None]] = field(default_factory=dict)
    """The same by extra test set."""
    predictions: np.ndarray | None = None
    """[m] classes of the watched training samples, as predicted after the last finished epoch."""
    train: dict[str, np.ndarray] = field(default_factory=dict)
    """Of the n training samples after the last epoch: "last" [n, K] probabilities, and what the method reported of each
    in that epoch (see `Reports`). Empty unless predictions are to be kept."""
    best: dict[str, Tensor] = field(default_factory=dict)
    """State of the method after the epoch that `val_noisy` chooses so far, on the CPU; empty unless it is to be kept,
    or sets are scored at the end."""
    at_end: list[dict[Rule, dict[str, Any] | None]] = field(default_factory=list)
    """Figures of the sets that are scored at the end, in their order."""
    diverged: str = ""


class Trainer:
    """Trains `method` and evaluates it after every epoch."""

    def __init__(
        self,
        method: Method,
        kit: EngineKit,
        data: DeviceTrainSet,
        watched: Watched,
        evaluations: Evaluations,
        *,
        main_metric: str,
        method_seed: int,
        checkpoint: Path,
        checkpoint_seconds: float = 30.0,
        keep_predictions: bool = False,
        keep_model: bool = False,
        on_epoch: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
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
        self.keeps_best = keep_model or bool(evaluations.at_end)
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
            last = epoch + 1 == self.kit.epochs
            if self.method.card.trains or epoch == 0 or last:
                self._run_epoch(epoch)
            else:
                self._repeat_epoch()
            if self.progress.diverged:
                break
            self.on_epoch(epoch + 1, self.kit.epochs)
            if not last and time.monotonic() - saved >= self.checkpoint_seconds:
                self._save()
                saved = time.monotonic()
        if not self.progress.diverged:
            self.progress.at_end = self._score_at_end()
        return self.progress

    def _score_at_end(self) -> list[dict[Rule, dict[str, Any] | None]]:
        """The figures of `Evaluations.at_end`. The method keeps the state that it has."""
        if not self.evaluations.at_end:
            return []
        self._save()  # scoring them may take longer than an epoch
        curve = self.progress.curve
        best = model_selection.chosen_epochs(curve, self.main_metric)["val_noisy"]
        last = _state(self.method)
        states = {len(curve) - 1: last}
        if best is not None:
            states.setdefault(best, self.progress.best)
        self.method.eval()
        figures: list[dict[Rule, dict[str, Any] | None]] = []
        for make in self.evaluations.at_end:
            evaluation = make()
            by_epoch = {}
            for position, state in states.items():
                self.method.load_state_dict(state)
                self.method.epoch = position
                probabilities = self._probabilities(evaluation)
                finite = bool(np.isfinite(probabilities).all())
                scored = self._score(probabilities, evaluation.clean) if finite else None
                entry = curve[position]
                by_epoch[position] = scored and {**scored, "epoch": entry["epoch"], "phase": entry["phase"]}
            of_best = None if best is None else by_epoch[best]
            figures.append({"val_noisy": of_best, "last": by_epoch[len(curve) - 1]})
        self.method.load_state_dict(last)
        self.method.epoch = len(curve) - 1
        return figures

    def _run_epoch(self, epoch: int) -> None:
        started = time.perf_counter()
        entry = self._train_epoch(epoch)
        trained = time.perf_counter()
        if not self.progress.diverged:
            self._evaluate(entry)
        entry["seconds"] = {"train": trained - started, "evaluate": time.perf_counter() - trained}
        self.progress.seconds += time.perf_counter() - started

    def _repeat_epoch(self) -> None:
        """Adds an epoch to the curve that equals the one before: of a method that trains nothing."""
        before = self.progress.curve[-1]
        seconds = {"train": 0.0, "evaluate": 0.0}
        self.progress.curve.append({**before, "epoch": before["epoch"] + 1, "changed": 0.0, "seconds": seconds})

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
        entry: dict[str, Any] = {"epoch": epoch + 1, "lr": self.kit.lr, "phase": self._phase(epoch), "train": {}}
        if not count:
            self.progress.diverged = (
                f"the method's plan gave no batch in epoch {epoch + 1}: of {len(self.data)} samples it took none, "
                "or a single one, of which no batch is made"
            )
            return entry
        # The only wait for the device in an epoch's training.
        entry["train"] = {name: float(total) / count for name, total in totals.items()}
        loss = entry["train"].get("loss", 0.0)
        if not math.isfinite(loss):
            self.progress.diverged = f"the training loss became {loss} in epoch {epoch + 1}"
        return entry

    def _phase(self, epoch: int) -> str:
        """Raises ValueError where the method is in a phase that its card does not name: tables look it up there."""
        phase, named = self.method.phase(epoch), self.method.card.phase_names
        if phase not in named:
            raise ValueError(
                f"the method's phase of epoch {epoch + 1} is {phase!r}, and its card names {', '.join(named)}; give "
                f'one of these, or name it: `card = Card(phases=(Phase("{phase}"), ...))`'
            )
        return phase

    def _evaluate(self, entry: dict[str, Any]) -> None:
        """Scores the epoch that just ended and adds it to the curve, unless the predictions show divergence."""
        self.method.eval()
        sets = self.evaluations
        val = self._probabilities(sets.val)
        test = self._probabilities(sets.test)
        extra = {name: self._probabilities(evaluation) for name, evaluation in sets.extra.items()}
        if not all(np.isfinite(probabilities).all() for probabilities in (val, test, *extra.values())):
            self.progress.diverged = f"the predictions became NaN in epoch {entry['epoch']}"
            return
        entry["val_noisy"] = self._score(val, sets.val.noisy)
        entry["val_clean"] = self._score(val, sets.val.clean)
        entry["test"] = self._score(test, sets.test.clean)
        entry["extra"] = {name: self._score(extra[name], sets.extra[name].clean) for name in extra}
        entry |= self._watch()
        entry["diagnostics"] = self.kit.reports.summary(self.watched.clean, self.watched.noisy, self.watched.transition)
        self.progress.curve.append(entry)
        self._keep(val, test, extra)

    def _probabilities(self, evaluation: Evaluation) -> np.ndarray:
        """[n, K] float64 of all samples in order."""
        return predict(lambda x: self.method.predict(x).softmax(1), evaluation.images).double().cpu().numpy()

    def _score(self, probabilities: np.ndarray, labels: np.ndarray | None) -> dict[str, Any] | None:
        if labels is None:
            return None
        known = labels >= 0  # a validation image of no class of the task has no true label
        return metrics.score(probabilities[known], labels[known], self.data.num_classes) if known.any() else None

    def _watch(self) -> dict[str, Any]:
        """Memorization, and the share of changed predictions, on the watched training samples."""
        now = predict(lambda x: self.method.predict(x).argmax(1), self.sampled).cpu().numpy()
        before, self.progress.predictions = self.progress.predictions, now
        clean, noisy = self.watched.clean, self.watched.noisy[self.sample]
        return {
            "memorization": None if clean is None else metrics.memorization(now, clean[self.sample], noisy),
            "changed": None if before is None else float((now != before).mean()),
        }

    def _keep(self, val: np.ndarray, test: np.ndarray, extra: dict[str, np.ndarray]) -> None:
        """Stores what the epoch that just ended gave, for the rules that choose it."""
        curve, outcomes, sets = self.progress.curve, self.progress.outcomes, self.evaluations
        chosen = model_selection.chosen_epochs(curve, self.main_metric)
        new = [rule for rule, position in chosen.items() if position == len(curve) - 1]
        if len(curve) < self.kit.epochs:
            new.remove("last")
        if "val_noisy" in new and self.keeps_best:
            self.progress.best = _state(self.method)
        if new:
            outcomes |= dict.fromkeys(new, self._outcome(test, sets.test.clean))
            for name, evaluation in sets.extra.items():
                extra_outcome = self._outcome(extra[name], evaluation.clean)
                self.progress.extra_outcomes.setdefault(name, {}).update(dict.fromkeys(new, extra_outcome))
        if self.keep_predictions:
            if len(curve) == self.kit.epochs:
                own = predict(lambda x: self.method.predict(x).softmax(1), self.data.images).cpu().numpy()
                self.progress.train = {"last": own, **self.kit.reports.arrays()}
            rules = ["last", *(rule for rule in new if rule == "val_noisy")]
            for kept, found in (
                (self.progress.probabilities, {"val": val, "test": test}),
                (self.progress.extra_probabilities, extra),
            ):
                for name, probabilities in found.items():
                    kept.setdefault(name, {}).update(dict.fromkeys(rules, probabilities))

    def _outcome(self, probabilities: np.ndarray, labels: np.ndarray | None) -> Outcome | None:
        return None if labels is None else metrics.outcome(probabilities, labels, self.data.num_classes)

    def _save(self) -> None:
        state = {
            "method": self.method.state_dict(),
            "kit": self.kit.state_dict(),
            "curve": self.progress.curve,
            "seconds": self.progress.seconds,
            "probabilities": {name: _tensors(arrays) for name, arrays in self.progress.probabilities.items()},
            "extra_probabilities": {n: _tensors(arrays) for n, arrays in self.progress.extra_probabilities.items()},
            "outcomes": self.progress.outcomes,
            "extra_outcomes": self.progress.extra_outcomes,
            "predictions": torch.from_numpy(self.progress.predictions),
            "train": _tensors(self.progress.train),
            "best": self.progress.best,
        }
        content = io.BytesIO()
        torch.save(state, content)
        write_atomically(self.checkpoint, seal(content.getvalue() + SLOT, self.checkpoint.parent.name))

    def _resume(self) -> None:
        try:
            content = self.checkpoint.read_bytes()  # one that cannot be read now may be whole: the run fails for now
        except FileNotFoundError:
            return
        try:
            check_seal(content, self.checkpoint.parent.name)
            state = torch.load(io.BytesIO(content[: -len(SLOT)]), map_location=self.kit.device, weights_only=True)
            progress = Progress(
                state["curve"],
                state["seconds"],
                {name: _arrays(tensors) for name, tensors in state["probabilities"].items()},
                {name: _arrays(tensors) for name, tensors in state["extra_probabilities"].items()},
                state["outcomes"],
                state["extra_outcomes"],
                state["predictions"].cpu().numpy(),
                _arrays(state["train"]),
                {name: tensor.cpu() for name, tensor in state["best"].items()},
            )
            if (self.keep_predictions and not progress.probabilities) or (self.keeps_best and not progress.best):
                raise ValueError("it was made without what is to be kept now")
            self.method.load_state_dict(state["method"])
        except (RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
            # Torn, damaged or foreign: the run starts over and ends in the same numbers.
            warnings.warn(f"{self.checkpoint} is thrown away, the run starts over: {error}", CacheWarning, stacklevel=2)
            self.checkpoint.unlink()
            return
        self.kit.load_state_dict(state["kit"])
        self.progress = progress


def _state(method: Method) -> dict[str, Tensor]:
    """A copy of the method's state, on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in method.state_dict().items()}


def _tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
