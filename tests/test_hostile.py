"""Whatever a command is given, it ends by itself with one sentence, and writes nowhere else (SECURITY.md).

`scripts/hostile` tries 2,000 inputs, with the report in `results/published/hostile.md`; here is a sample of them, and
proof that its judge can say no.
"""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from scripts._hostile.case import Case
from scripts._hostile.material import CELLS, make_data
from scripts._hostile.run import FAMILIES, INPUTS, WHAT, drawn, places
from scripts._hostile.trial import MEMORY_MIB, Ending, judged, trials
from tests.conftest import ROOT

REFUSED = Ending(2, "", "error: bad.npz is empty; copy it again\n", 1.0, 500.0)
CASE = Case("npz", "empty", ("data", "info", "npz:bad.npz"), outcome="refused")
FROM_DATA = ("suites", "options", "npz", "T", "tables", "weights", "archives")
"""Families that need no command to be drawn."""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"code": 0, "stderr": ""}, "accepted"),
        ({"code": 3}, "exit code 3"),
        ({"code": -signal.SIGSEGV}, "exit code -11"),
        ({"code": -signal.SIGKILL}, "hung, or was killed"),
        ({"stderr": ""}, "0 sentences of error"),
        ({"stderr": REFUSED.stderr * 2}, "2 sentences of error"),
        ({"stderr": "Traceback (most recent call last)\nerror: x\n"}, "traceback"),
        ({"stderr": "error: KeyError: 3\nthis is a fault of noisybench itself: ...\n"}, "a fault of noisybench itself"),
        ({"stderr": "error: \x1b[31mred\n"}, "control character '\\x1b' printed"),
        ({"stdout": "\u202eabc\n"}, "control character '\\u202e' printed"),
        ({"memory_mib": MEMORY_MIB + 1.0}, f"{MEMORY_MIB + 1} MiB of memory"),
        ({"changed": ("outside/canary.txt",)}, "changed outside/canary.txt"),
    ],
)
def test_every_wrong_ending_is_told(change, told):
    assert judged(CASE, REFUSED).faults == ()
    assert told in judged(CASE, replace(REFUSED, **change)).faults


def test_the_full_run_has_2000_inputs_of_every_family():
    assert INPUTS >= 2000
    assert FAMILIES.keys() == WHAT.keys()


def test_a_seed_draws_the_same_inputs_and_few_of_them_twice(tmp_path):
    material = make_data(tmp_path / "material")
    numbers = places(FROM_DATA, 120)
    first, again, other = ([drawn(material, *place, seed).key for place in numbers] for seed in (0, 0, 1))
    assert first == again
    assert len({*first}) > 0.95 * len(numbers), "few draws are equal"
    assert len({*first} & {*other}) < len(first) // 2


def test_what_is_written_beside_the_results_folder_is_told(tmp_path):
    material = make_data(tmp_path / "material")
    arguments = ("noise", "export", "-d", "npz:cells.npz", "-n", "symmetric:0.4", "--out", "../outside/canary.txt")
    told = Case("options", "an output", arguments, base=CELLS)
    ((_, verdict),) = trials([(0, told)], material.folder, real_every=1)
    assert verdict.ending.code == 0, verdict.ending.stderr
    assert verdict.faults == ("changed outside/canary.txt",)


@pytest.mark.campaign
def test_200_hostile_inputs_end_in_one_sentence_and_write_nowhere_else(tmp_path):
    command = [sys.executable, "-m", "scripts._hostile.run", "--inputs", "200", "--seed", "20", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (tmp_path / "hostile.csv").exists(), done.stderr
    with (tmp_path / "hostile.csv").open(newline="", encoding="utf-8") as file:
        tried = list(csv.DictReader(file))
    assert len(tried) >= 200
    assert {one["family"] for one in tried} == FAMILIES.keys()
    assert [one for one in tried if one["passed"] != "1"] == [], done.stderr
    assert done.returncode == 0
