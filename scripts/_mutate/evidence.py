"""Which tests of correctness execute which lines of `methods/`: a fault is shown only to those that can see it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
TESTS = ("tests/golden", "tests/methods")
"""Reference numbers, closed forms and worked examples."""
SETTINGS = "tests/methods/test_published_settings.py"
"""The published lengths and settings: what a fault outside of functions changes."""
CONTRACTS = "tests/checks/test_contracts.py"
"""What every method promises; asked last, as each takes seconds."""
NO_EVIDENCE = (
    "list_reads_without_importing",  # compares a loaded card with its file, in which no fault is planted
    "page_of_the_documentation",  # compares the cards with what was written down from them
    "changes_its_version",  # compares losses with those of an earlier day
)
"""Tests that fail because something has changed, whether it was right or not."""
NOT_THOSE = " and ".join(f"not {name}" for name in NO_EVIDENCE)


@dataclass(frozen=True)
class Evidence:
    """The tests that execute a line, and those that execute anything of a file."""

    lines: dict[str, dict[str, list[str]]]
    """Module -> line -> tests."""
    seconds: dict[str, float]
    """Of each test."""

    def of(self, module: str, first: int, last: int) -> list[str]:
        """Tests that execute the lines `first` to `last` of `module`, or all of its tests where none is known to; the
        quickest first."""
        lines = self.lines.get(module, {})
        chosen = {test for line in range(first, last + 1) for test in lines.get(str(line), [])}
        return sorted(chosen or {test for tests in lines.values() for test in tests}, key=self.seconds.__getitem__)

    def write(self, path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Evidence:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def digest() -> str:
    """Of the methods and of the tests: what was found with others is found anew."""
    sources = [
        path for folder in ("methods", *TESTS) for path in sorted((ROOT / folder).rglob("*")) if path.suffix != ".pyc"
    ]
    sources.append(ROOT / CONTRACTS)
    whole = hashlib.sha256()
    for path in filter(Path.is_file, sources):
        whole.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return whole.hexdigest()[:16]
