"""Which tests of correctness execute which lines of `methods/`: a fault is shown only to those that can see it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
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

    lines: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    """Module -> line -> tests."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Of each test."""
    witnesses: dict[str, str] = field(default_factory=dict)
    """Of each test, as `witness` gave it then."""
    sources: dict[str, str] = field(default_factory=dict)
    """Of each module, as `source_of` gave it then."""

    def of(self, module: str, first: int, last: int) -> list[str]:
        """Tests that execute the lines `first` to `last` of `module`, or all of its tests where none is known to; the
        quickest first."""
        lines = self.lines.get(module, {})
        chosen = {test for line in range(first, last + 1) for test in lines.get(str(line), [])}
        return sorted(chosen or {test for tests in lines.values() for test in tests}, key=self.seconds.__getitem__)

    def joined(self, other: Evidence) -> Evidence:
        lines: dict[str, dict[str, list[str]]] = {}
        for module, by_line in [*self.lines.items(), *other.lines.items()]:
            for line, tests in by_line.items():
                lines.setdefault(module, {}).setdefault(line, []).extend(tests)
        return Evidence(
            lines,
            self.seconds | other.seconds,
            self.witnesses | other.witnesses,
            self.sources | other.sources,
        )

    def still_true(self) -> Evidence:
        """Without the tests that have changed, and those that execute a module which has."""
        changed = {test for test, then in self.witnesses.items() if witness(test) != then}
        for module, by_line in self.lines.items():
            if source_of(module) != self.sources[module]:
                changed.update(*by_line.values())
        same = self.seconds.keys() - changed
        lines = {
            module: {line: [test for test in tests if test in same] for line, tests in by_line.items()}
            for module, by_line in self.lines.items()
            if source_of(module) == self.sources[module]
        }
        seconds = {test: self.seconds[test] for test in same}
        return Evidence(lines, seconds, {test: self.witnesses[test] for test in same}, self.sources)

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Evidence:
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def digest(paths: Iterable[Path]) -> str:
    """Of the names and contents of files."""
    whole = hashlib.sha256()
    for path in sorted(paths):
        whole.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return whole.hexdigest()[:16]


def path_of(module: str) -> Path:
    return ROOT / Path(*module.split(".")).with_suffix(".py")


def is_shared(module: str) -> bool:
    """Whether it is a part of several methods."""
    return module.startswith("methods._") or module == "methods.base"


@cache
def source_of(module: str) -> str:
    """Of its file; empty where it is gone."""
    return digest([path_of(module)]) if path_of(module).exists() else ""


@cache
def sources_of(module: str) -> str:
    """What the outcome of a fault in `module` depends on: its file and the shared ones, or all for a shared one."""
    files = list((ROOT / "methods").glob("*.py"))
    if not is_shared(module):
        files = [path for path in files if is_shared(f"methods.{path.stem}")] + [path_of(module)]
    return digest(files)


@cache
def witness(test: str) -> str:
    """Of the file of `test` and of what the tests share; of all of them for what no test did."""
    files = [path for folder in TESTS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".json")]
    own = ROOT / test.partition("::")[0]
    if own.is_file():
        files = [path for path in files if not path.name.startswith("test_")] + [own]
    return digest(files)
