"""How far the steps have come, kept in one file that is written whole after every figure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class StepResult:
    name: str
    state: str
    """running, done, failed, stopped (its time was over) or "not run"."""
    reason: str = ""
    command: str = ""
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)
    """Figures (`what`, `value` or `error`) or tests (`what`, `outcome`)."""

    def known(self) -> list[str]:
        """The figures that need not be measured again."""
        return [row["what"] for row in self.rows if "value" in row]


@dataclass
class Results:
    path: Path
    steps: dict[str, StepResult]

    @classmethod
    def load(cls, path: Path) -> Results:
        """What an earlier call left; nothing where there was none, or where its file is damaged."""
        try:
            steps = {name: StepResult(**step) for name, step in json.loads(path.read_bytes()).items()}
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            steps = {}
        return cls(path, steps)

    def put(self, step: StepResult) -> None:
        self.steps[step.name] = step
        self.path.parent.mkdir(parents=True, exist_ok=True)
        written = self.path.with_suffix(".tmp")
        written.write_text(json.dumps({name: asdict(step) for name, step in self.steps.items()}, indent=1) + "\n")
        written.replace(self.path)
