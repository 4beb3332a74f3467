"""Which tests of correctness execute which lines of `methods/`: a fault is shown only to those that can see it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from coverage import CoverageData

ROOT = Path(__file__).resolve().parent.parent.parent
TESTS = ("tests/golden", "tests/methods", "tests/checks/test_contracts.py")
"""Reference numbers, closed forms and worked examples, and promises; in the order in which they are asked."""
EXCLUDED = "changes_its_version"
"""The stored losses tell that numbers changed, and nothing of which are right."""


@dataclass(frozen=True)
class Evidence:
    """The tests that execute a line, and those that execute anything of a file."""

    by_line: dict[str, dict[int, frozenset[str]]]
    """Module -> line -> tests."""

    def of(self, module: str, first: int, last: int) -> list[str]:
        """Tests that execute the lines `first` to `last` of `module`, or all of its tests where the lines are executed
        at import only; in the order of `TESTS`."""
        lines = self.by_line.get(module, {})
        chosen: set[str] = set().union(*(lines.get(line, frozenset()) for line in range(first, last + 1)))
        return sorted(chosen or set().union(*lines.values()), key=_rank)


def _rank(test: str) -> tuple[int, str]:
    return next(at for at, place in enumerate(TESTS) if test.startswith(place)), test


def gather(only: str | None = None) -> Evidence:
    """Runs the tests once, those whose names hold `only`. Raises SystemExit where one fails: nothing is proven then."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "coverage"
        configuration = Path(folder) / "coveragerc"
        configuration.write_text(f"[run]\ndata_file = {data}\nsource = methods\n")
        command = [sys.executable, "-m", "pytest", *TESTS, "-q", "-x", "-p", "no:cacheprovider", "-n", "0"]
        command += ["--cov=methods", f"--cov-config={configuration}", "--cov-context=test", "--cov-report="]
        command += ["-k", f"not {EXCLUDED}" + (f" and ({only})" if only else "")]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"the tests fail without any planted fault; mend that first:\n{done.stdout[-2000:]}")
        return _read(data)


def _read(path: Path) -> Evidence:
    data = CoverageData(str(path))
    data.read()
    by_line: dict[str, dict[int, frozenset[str]]] = {}
    for file in data.measured_files():
        lines = data.contexts_by_lineno(file)
        module = ".".join(Path(file).relative_to(ROOT).with_suffix("").parts)
        by_line[module] = {line: frozenset(_tests(contexts)) for line, contexts in lines.items()}
    return Evidence(by_line)


def _tests(contexts: Iterable[str]) -> set[str]:
    """The ids of tests; the empty context is that of an import."""
    return {context.rpartition("|")[0] for context in contexts if context.endswith("|run")}
