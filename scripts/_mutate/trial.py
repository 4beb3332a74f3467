"""Tries one fault: imports the faulty module in a process of its own and runs the tests that can see it."""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import multiprocessing
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from scripts._mutate.evidence import ROOT
from scripts._mutate.sites import Mutant

SECONDS = 90
"""A test that takes longer with a fault than this has noticed it."""
STOPS = ("TypeError", "NameError", "AttributeError", "UnboundLocalError", "ImportError", "CheckFailed: TypeError")
"""Errors of a program that cannot run at all."""


@dataclass(frozen=True)
class Outcome:
    mutant: Mutant
    tests: int
    """Number of tests that could see the fault."""
    killed_by: str
    """The first test that failed; empty where all passed."""
    message: str
    """The last line of its failure."""

    @property
    def stops(self) -> bool:
        """Whether the faulty program could not run at all."""
        return self.message.startswith(STOPS)


class _Faulty(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module with a fault in it."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.path = ROOT / Path(*mutant.module.split(".")).with_suffix(".py")

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != self.mutant.module:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        source = self.mutant.applied(self.path.read_bytes())
        exec(compile(source, str(self.path), "exec"), vars(module))


class _First:
    """Remembers the first failure of a session."""

    test = message = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.test:
            self._keep(report.nodeid, report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.test:
            self._keep(report.nodeid, report)

    def _keep(self, test: str, report: Any) -> None:
        crash = getattr(report.longrepr, "reprcrash", None)
        lines = (crash.message if crash else str(report.longrepr)).strip().splitlines()
        self.test, self.message = test, lines[0] if crash and lines else (lines or [""])[-1].lstrip("E ")


HEAVY = ("scipy.stats", "sklearn.mixture", "sklearn.model_selection", "cleanlab.rank", "benchmark.checks.methods")
"""Imported before the processes are forked, so that each has them."""


def _try(task: tuple[Mutant, list[str]]) -> Outcome:
    mutant, tests = task
    if mutant.module in sys.modules:
        raise RuntimeError(f"{mutant.module} is loaded already, so a fault in it would not be seen")
    sys.meta_path.insert(0, _Faulty(mutant))
    first = _First()
    options = [
        "-x",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "--override-ini=addopts=",
        f"--timeout={SECONDS}",
    ]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        code = pytest.main([*options, f"--rootdir={ROOT}", *tests], plugins=[first])
    if code != 0 and not first.test:
        first.test, first.message = "the session", f"pytest ended with {code}"
    return Outcome(mutant, len(tests), first.test, first.message[:200])


def trials(tasks: Sequence[tuple[Mutant, list[str]]], processes: int) -> Iterator[Outcome]:
    """The outcome of every task, as they end; each in a process of its own, forked from this one."""
    for name in HEAVY:
        importlib.import_module(name)
    torch.set_num_threads(1)
    with multiprocessing.get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(_try, tasks, chunksize=1)
