"""The small grid that is disturbed, and what must be true of its results folder in the end."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from scripts._faults.processes import members

T = TypeVar("T")

PLUGIN = '''"""Cross entropy towards labels that follow the predictions: a method with state per sample."""

import torch
from methods import Method


class Follow(Method):
    def build(self):
        super().build()
        shape = (self.kit.num_samples, self.kit.num_classes)
        self.register_buffer("target", torch.zeros(shape, device=self.kit.device))

    def loss(self, logits, batch):
        with torch.no_grad():
            self.target[batch.index] = torch.lerp(logits.softmax(1), self.target[batch.index], 0.7)
        own = torch.nn.functional.cross_entropy(logits, batch.y)
        return own - 0.1 * (self.target[batch.index] * logits.log_softmax(1)).sum(1).mean()
'''
ARGUMENTS = (
    "run", "-d", "digits", "-m", "coteaching", "-m", "follow", "-n", "symmetric:0.4", "--plugin", "follow.py",
    "--seeds", "2", "--epochs", "3", "--subset", "300", "--checkpoint-seconds", "0", "--slots", "2",
    "--keep", "predictions", "--device", "cpu", "--no-table",
)  # fmt: skip
"""Four runs: a method of two networks that needs an estimate, and a plugin with a state for every sample."""
RUNS = 4


def prepare(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "follow.py").write_text(PLUGIN, encoding="utf-8")


@dataclass(frozen=True)
class Found:
    """What a results folder holds."""

    records: dict[str, Any]
    """Id -> record without what may differ between equal runs, and the digest of its kept predictions."""
    faults: list[str]
    """What is broken or should not be there."""


def inspect(results: Path) -> Found:
    """Reads everything, in a process of its own: this one must have no threads when it forks."""
    return apart(lambda: _inspect(results))


def _inspect(results: Path) -> Found:
    from benchmark.store import health, kept
    from benchmark.store.store import Store

    store = Store(results)
    records: dict[str, Any] = {}
    faults = []
    for found in store.records(("state",)).records:
        record = store.read(found["id"])
        assert record is not None
        own = {name: value for name, value in record.items() if name not in ("timing", "provenance", "digest")}
        predictions = {name: array.tolist() for name, array in kept.read_predictions(store, found["id"]).items()}
        records[found["id"]] = own, predictions
    report = health.examine(store)
    faults += [f"broken: {path.relative_to(results)} ({reason})" for path, reason in report.broken]
    faults += [f"damaged: {path.relative_to(results)} ({reason})" for path, reason in report.damaged_caches]
    faults += [f"not read: {message}" for message in report.unreadable]
    faults += [f"left over: {path.relative_to(results)}" for path in leftovers(results)]
    return Found(records, faults)


def leftovers(results: Path) -> list[Path]:
    """Temporary files, locks and claims."""
    return sorted({*results.rglob(".*.tmp"), *results.rglob(".*.lock*"), *results.glob("work/claims/*")})


def strays(session: int, seconds: float = 120.0) -> list[int]:
    """Processes of a grid that have not ended `seconds` after it: a fork server needs a second of a core to end."""
    until = time.monotonic() + seconds
    while (left := members(session)) and time.monotonic() < until:
        time.sleep(0.05)
    return left


def apart(function: Callable[[], T]) -> T:
    """The result of `function` in a forked process. Raises RuntimeError where that one failed."""
    receiver, sender = os.pipe()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.close(receiver)
            try:
                answer: Any = function()
            except Exception as error:
                answer = RuntimeError(f"{type(error).__name__}: {error}")
            with os.fdopen(sender, "wb") as pipe:
                pickle.dump(answer, pipe)
            code = 0
        finally:
            os._exit(code)
    os.close(sender)
    with os.fdopen(receiver, "rb") as pipe:
        content = pipe.read()
    os.waitpid(pid, 0)
    answer = pickle.loads(content)  # noqa: S301 - of a process that was forked here
    if isinstance(answer, RuntimeError):
        raise answer
    return answer
