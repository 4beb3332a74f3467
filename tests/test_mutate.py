"""`scripts/mutate` plants the faults that it names, and the tests of correctness notice them."""

import csv
import subprocess
import sys

import pytest

from scripts._mutate.evidence import SETTINGS
from scripts._mutate.run import EACH, NOT_MUTATED, drawn, equivalents
from scripts._mutate.sites import mutants
from scripts._mutate.trial import is_plantable
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


@pytest.mark.slow
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


def test_a_fault_is_planted_into_a_loaded_module_only_where_a_call_reads_it():
    found = mutants("methods.pes", (ROOT / "methods" / "pes.py").read_bytes())
    by_text = {one.before: is_plantable(one) for one in found}
    assert by_text["self.renew(count)"], "in a function"
    assert by_text["count.sum() / (count > 0).sum().clamp(min=1)"], "in a function of the module"
    assert not by_text["8775"], "a length on the card"
    assert not by_text["1e-4"], "the default of an option"
    (dropped,) = [
        one
        for one in mutants("methods._ema", (ROOT / "methods" / "_ema.py").read_bytes())
        if one.before == "super().after_step(batch, logits)" and one.after == "pass"
    ]
    assert dropped.in_function
    assert not is_plantable(dropped), "without super() the function has no __class__ to look up"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["_selection", "_transition", "peer"])
def test_a_module_that_is_executed_anew_without_a_fault_passes_the_tests_of_its_settings(name):
    program = f"""
import pytest
from scripts._mutate.sites import Mutant
from scripts._mutate.trial import execute_anew
execute_anew(Mutant("methods.{name}", 1, "none", "", "", 0, 0, False))
raise SystemExit(pytest.main(["-q", "-p", "no:cacheprovider", "-n", "0", "{SETTINGS}"]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_of_a_sample_of_faults_in_formulas_procedures_and_settings_at_least_95_percent_are_noticed(tmp_path):
    """The whole score, of every method, is in results/published/mutation.md."""
    methods = ("phuber", "plc", "t_revision", "coteaching_plus")
    command = [sys.executable, "-m", "scripts._mutate.run", *methods, "--each", "5", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (tmp_path / "mutation.csv").exists(), done.stderr
    with (tmp_path / "mutation.csv").open(newline="") as file:
        tried = list(csv.DictReader(file))
    missed = [one for one in tried if not one["killed_by"]]
    assert len(tried) == 20
    assert len(missed) <= 1, missed
