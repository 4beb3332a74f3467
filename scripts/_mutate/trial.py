"""Plants one fault in a process of its own and runs the tests that can see it.

A fault in the body of a function is planted into the loaded module, in a fork of a process that has collected the
tests: a trial then takes no longer than the tests until the first that fails. A fault elsewhere (a default, an official
length, a constant) is read when a module is imported. The published settings are asked in such a fork, too, with the
module executed anew; where they notice nothing, a fresh process imports the fault before anything of the project.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import io
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
import torch
from coverage import Coverage

from scripts._mutate.evidence import (
    CONTRACTS,
    NOT_THOSE,
    ROOT,
    SETTINGS,
    TESTS,
    Evidence,
    is_shared,
    path_of,
    source_of,
    witness,
)
from scripts._mutate.sites import Mutant

SECONDS = 90
"""A test that takes longer with a fault than this has noticed it."""
STOPS = ("TypeError", "NameError", "AttributeError", "UnboundLocalError", "ImportError", "CheckFailed: TypeError")
"""Errors of a program that cannot run at all."""
OPTIONS = (
    "-q",
    "-s",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "-p",
    "no:cov",
    f"--timeout={SECONDS}",
    "-W",
    "ignore::pytest.PytestAssertRewriteWarning",
)
"""The warning comes where a second session runs in one process."""


@dataclass(frozen=True)
class Outcome:
    mutant: Mutant
    tests: int
    """Number of tests that were asked."""
    killed_by: str
    """The first test that failed; empty where all passed."""
    message: str
    """The last line of its failure."""

    @property
    def stops(self) -> bool:
        """Whether the faulty program could not run at all."""
        return self.message.startswith(STOPS)


class _First:
    """Remembers the first failure of a session, and counts the tests."""

    test = message = ""
    count = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.count += report.when == "call"
        if report.failed and not self.test:
            self._keep(report.nodeid, report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.test:
            self._keep(report.nodeid, report)

    def _keep(self, test: str, report: Any) -> None:
        crash = getattr(report.longrepr, "reprcrash", None)
        lines = (crash.message if crash else str(report.longrepr)).strip().splitlines()
        self.test, self.message = test, lines[0] if crash and lines else (lines or [""])[-1].lstrip("E ")

    def outcome(self, mutant: Mutant) -> Outcome:
        return Outcome(mutant, self.count, self.test, self.message[:200])


# ---- faults outside of functions -----------------------------------------------------------------------------


class _Faulty(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module with a fault in it."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self.path = path_of(mutant.module)

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != self.mutant.module:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        source = self.mutant.applied(self.path.read_bytes())
        exec(compile(source, str(self.path), "exec"), vars(module))


def _imported(mutant: Mutant) -> Outcome:
    """Tries `mutant` in a process that has imported nothing of the project: by the published settings, then by the
    tests that name the method, or by all where it is a part of several."""
    if mutant.module in sys.modules:
        raise RuntimeError(f"{mutant.module} is loaded already, so a fault in it would not be seen")
    sys.meta_path.insert(0, _Faulty(mutant))
    first, stem, shared = _First(), mutant.module.rpartition(".")[2], is_shared(mutant.module)
    chosen = ("-k", NOT_THOSE if shared else f"{stem} and {NOT_THOSE}")
    stages = [(SETTINGS,), (*TESTS, *chosen), *([] if shared else [(CONTRACTS, *chosen)])]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for stage in stages:
            code = pytest.main([*OPTIONS, "-x", f"--rootdir={ROOT}", *stage], plugins=[first])
            if code not in (0, pytest.ExitCode.NO_TESTS_COLLECTED) and not first.test:
                first.test, first.message = "the session", f"pytest ended with {code}"
            if first.test:
                break
    return first.outcome(mutant)


# ---- faults in functions -------------------------------------------------------------------------------------


def codes(source: bytes, path: Path) -> dict[str, CodeType]:
    """The code of every function and class body in `source` by its qualified name."""
    found: dict[str, CodeType] = {}
    left = [compile(source, str(path), "exec")]
    while left:
        code = left.pop()
        inner = [const for const in code.co_consts if isinstance(const, CodeType)]
        found.update((one.co_qualname, one) for one in inner)
        left += inner
    return found


def is_plantable(mutant: Mutant) -> bool:
    """Whether the fault can be planted into a loaded module: it is in a function, which keeps its free variables."""
    source, path = path_of(mutant.module).read_bytes(), path_of(mutant.module)
    if not mutant.in_function:
        return False
    right, faulty = codes(source, path), codes(mutant.applied(source), path)
    return all(right[name].co_freevars == code.co_freevars for name, code in faulty.items() if name in right)


def functions(owner: ModuleType | type, module: str) -> Iterator[FunctionType]:
    """The functions that `module` defines, below the properties, class methods and decorators over them."""
    for value in list(vars(owner).values()):
        if isinstance(value, type) and value.__module__ == module and value.__qualname__.startswith(_prefix(owner)):
            yield from functions(value, module)
            continue
        parts = (value.fget, value.fset) if isinstance(value, property) else (value,)
        for part in parts:
            part = getattr(part, "__func__", part)
            forget = getattr(part, "cache_clear", None)
            if forget is not None:
                forget()
            inner = inspect.unwrap(part) if callable(part) else part
            if isinstance(inner, FunctionType) and inner.__module__ == module:
                yield inner


def _prefix(owner: ModuleType | type) -> str:
    return f"{owner.__qualname__}." if isinstance(owner, type) else ""


def plant(mutant: Mutant) -> None:
    """Plants `mutant`, which is in a function, into its loaded module."""
    path = path_of(mutant.module)
    faulty = codes(mutant.applied(path.read_bytes()), path)
    for function in functions(importlib.import_module(mutant.module), mutant.module):
        if function.__qualname__ in faulty:
            function.__code__ = faulty[function.__qualname__]


def execute_anew(mutant: Mutant) -> None:
    """Executes its module with the fault, and where that is a part of several methods theirs after it."""
    path = path_of(mutant.module)
    module = importlib.import_module(mutant.module)
    exec(compile(mutant.applied(path.read_bytes()), str(path), "exec"), vars(module))
    if is_shared(mutant.module):
        for other in sorted((ROOT / "methods").glob("[a-z]*.py")):
            if other.stem != "base":
                users = importlib.import_module(f"methods.{other.stem}")
                exec(compile(other.read_bytes(), str(other), "exec"), vars(users))


class Session:
    """A pytest session that collects the tests, and in place of running them tries faults."""

    def __init__(self, loop: Callable[[Session], None]) -> None:
        self.loop = loop
        self.items: dict[str, pytest.Item] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.items = {item.nodeid: item for item in session.items}
        self.loop(self)
        return True

    def in_question(self, names: Sequence[str]) -> list[str]:
        """The tests but for the contracts; those that have one of `names` in theirs, if any are given."""
        ids = [test for test in self.items if not test.startswith(CONTRACTS)]
        return [test for test in ids if any(name in test.lower() for name in names)] if names else ids

    def gather(self, ids: Sequence[str]) -> Evidence:
        """Runs the tests `ids` without any fault, in a process of its own.

        Raises SystemExit where one fails: nothing is proven then.
        """
        (found,) = self._forked(_gathered, [ids], 1)
        if isinstance(found, str):
            sys.exit(f"a test fails without any planted fault; mend that first: {found}")
        return found

    def trials(self, tasks: Sequence[tuple[Mutant, list[str]]], processes: int) -> Iterator[Outcome]:
        """The outcome of every task, as they end."""
        yield from self._forked(_planted, tasks, processes)

    def contracts(self, module: str) -> list[str]:
        """The contract checks of the method in `module`; none where it is a part of several."""
        name = module.rpartition(".")[2]
        return [test for test in self.items if test.startswith(f"{CONTRACTS}::test_method[{name}-")]

    def settings(self, module: str) -> list[str]:
        """The tests of the published settings of the method in `module`, or of all where it is a part of several."""
        name = f"[{module.rpartition('.')[2]}]"
        return [test for test in self.items if test.startswith(SETTINGS) and (is_shared(module) or test.endswith(name))]

    def _forked(self, function: Callable[[Any], Any], tasks: Sequence[Any], processes: int) -> Iterator[Any]:
        global _SESSION
        _SESSION = self
        with multiprocessing.get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
            yield from pool.imap_unordered(function, tasks, chunksize=1)

    def run(self, ids: Sequence[str]) -> Iterator[str]:
        """Runs the tests one by one, giving the id of each before it."""
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        for place, test in enumerate(ids):
            yield test
            item = self.items[test]
            following = self.items[ids[place + 1]] if place + 1 < len(ids) else None
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)


_SESSION: Session


def _watching(session: Session) -> _First:
    first = _First()
    next(iter(session.items.values())).config.pluginmanager.register(first)
    return first


def _planted(task: tuple[Mutant, list[str]]) -> Outcome:
    mutant, tests = task
    first = _watching(_SESSION)
    if is_plantable(mutant):
        plant(mutant)
    else:
        execute_anew(mutant)
    for _ in _SESSION.run(tests):
        if first.test:
            break
    return first.outcome(mutant)


def _gathered(ids: Sequence[str]) -> Evidence | str:
    """What the tests `ids` execute; or the first of them that fails."""
    first, seconds = _watching(_SESSION), {}
    coverage = Coverage(data_file=None, include=[str(ROOT / "methods" / "*")], config_file=False)
    coverage.start()
    before, last = time.perf_counter(), ""
    for test in _SESSION.run(ids):
        now = time.perf_counter()
        if last:
            seconds[last] = round(now - before, 3)
        before, last = now, test
        if first.test:
            break
        coverage.switch_context(test)
    seconds[last] = round(time.perf_counter() - before, 3)
    coverage.stop()
    if first.test:
        return f"{first.test}: {first.message}"
    data = coverage.get_data()
    lines = {
        ".".join(Path(file).relative_to(ROOT).with_suffix("").parts): {
            str(line): [test for test in tests if test] for line, tests in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    return Evidence(
        lines,
        seconds,
        {test: witness(test) for test in seconds},
        {module: source_of(module) for module in lines},
    )


def imported_trials(chosen: Sequence[Mutant], processes: int) -> Iterator[Outcome]:
    """The outcome of every fault outside of functions, as they end."""
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(_imported, chosen, chunksize=1)


def collected(loop: Callable[[Session], None]) -> None:
    """Collects the tests of correctness and calls `loop` with the session."""
    torch.set_num_threads(1)
    code = pytest.main([*OPTIONS, f"--rootdir={ROOT}", *TESTS, CONTRACTS, "-k", NOT_THOSE], plugins=[Session(loop)])
    if code not in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        sys.exit(f"pytest ended with {code} when the tests were collected")
