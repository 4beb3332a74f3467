"""`scripts/mutate` plants the faults that it names, and the tests of correctness notice them."""

import re
import subprocess
import sys

import pytest

from scripts._mutate.run import EACH, NOT_MUTATED, drawn, equivalents
from scripts._mutate.sites import mutants
from tests.conftest import ROOT

SOURCE = b"""
class Two(Method):
    card = Card(cost=2.0, phases=(Phase("warm-up", epochs=10), Phase("rest")))

    def step(self, batch):
        self.net2 = self.net2
        self.net = self.net
        target = self.net(batch.x).detach()
        loss = (self.net(batch.x) - target).mean() * 0.5
        if self.epoch < self.start:
            self.kit.update(loss, self.optimizer, self.optimizer2)
        return loss
"""


def planted(fault: str) -> list[tuple[str, str]]:
    return [(one.before, one.after) for one in mutants("methods.two", SOURCE) if one.fault == fault]


def test_every_kind_of_fault_is_planted_where_it_belongs():
    assert ("self.net(batch.x).detach()", "(self.net(batch.x))") in planted("dropped detach")
    assert ("self.net(batch.x) - target", "(self.net(batch.x) + target)") in planted("sign")
    assert ("0.5", "5.0") in planted("constant")
    assert ("10", "100") in planted("constant")
    assert not any(before == "2.0" for before, _ in planted("constant")), "the cost on a card computes nothing"
    assert ("self.net", "self.net2") in planted("swapped networks")
    assert ("self.epoch < self.start", "(self.epoch <= self.start)") in planted("off by one")
    assert ("self.epoch < self.start", "(self.epoch >= self.start)") in planted("comparison")
    update = "self.kit.update(loss, self.optimizer, self.optimizer2)"
    assert (update, "self.kit.update(loss, self.optimizer)") in planted("dropped optimizer")
    assert (update, "pass") in planted("dropped statement")


def test_faults_change_one_place_and_stay_valid_python():
    for one in mutants("methods.two", SOURCE):
        faulty = one.applied(SOURCE)
        compile(faulty, "two.py", "exec")
        assert faulty != SOURCE
        assert faulty.startswith(SOURCE[: one.start])
        assert faulty.endswith(SOURCE[one.end :])


def test_the_draw_has_300_faults_and_four_in_every_method_with_a_procedure():
    names = sorted(path.stem for path in (ROOT / "methods").glob("*.py") if path.stem not in NOT_MUTATED)
    chosen = drawn([f"methods.{name}" for name in names], EACH, seed=0)
    assert chosen == drawn([f"methods.{name}" for name in names], EACH, seed=0)
    assert len(chosen) >= 300
    procedures = {path.stem for path in (ROOT / "tests" / "golden" / "procedures").glob("*.json")}
    assert procedures
    for name in procedures:
        # What forward correction is stands in `_transition`, which is drawn from too.
        sites = len(mutants(f"methods.{name}", (ROOT / "methods" / f"{name}.py").read_bytes()))
        assert sum(one.module == f"methods.{name}" for one in chosen) >= min(4, sites), name


def test_every_fault_that_is_called_equivalent_still_exists_and_says_why():
    for (module, before, after), why in equivalents().items():
        source = (ROOT / "methods" / f"{module.removeprefix('methods.')}.py").read_bytes()
        assert any((one.before, one.after) == (before, after) for one in mutants(module, source))
        assert why


@pytest.mark.slow
def test_faults_in_a_formula_and_in_a_procedure_are_noticed():
    """All but those in the official lengths on cards, which no reference checks yet."""
    command = [sys.executable, "-m", "scripts._mutate.run", "phuber", "plc", "--each", "6", "--processes", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    missed = re.findall(r"methods\.(\w+):(\d+) .*: NOT NOTICED", done.stderr)
    assert done.stderr.count(": noticed by") + len(missed) == 12, done.stderr
    for name, line in missed:
        assert "Phase(" in (ROOT / "methods" / f"{name}.py").read_text().splitlines()[int(line) - 1], (name, line)
