"""`from benchmark import load_results, run_suite`: what a notebook needs, and importing costs nothing."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

import benchmark
from benchmark.errors import UsageError
from tests.conftest import ROOT


def python(folder, script: str) -> str:
    (folder / "script.py").write_text(textwrap.dedent(script))
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "HOME": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_script_runs_a_grid_and_loads_it(tmp_path):
    told = python(
        tmp_path,
        """
        import sys
        import benchmark
        heavy = {"torch", "pandas", "click", "pydantic", "numpy"} & set(sys.modules)
        assert not heavy, heavy
        from benchmark import load_results, run_suite
        grid = {"dataset": "digits", "method": ["ce", "gce:q=0.5"], "noise": ["none", "symmetric:0.4"]}
        made = run_suite(**grid, seeds=1, epochs=1, subset=100, results="out")
        assert made["state"].tolist() == ["ok"] * 4, made
        assert load_results("out").equals(made)
        part = run_suite(**grid | {"method": "ce"}, seeds=1, epochs=1, subset=100, results="out")
        assert set(part["id"]) < set(made["id"])
        assert made.groupby("method")["val_noisy.accuracy"].mean().between(0, 1).all()
        print("once")
        """,
    )
    assert told == "once\n", "workers do not run the script again"


def test_published_results_load_by_name_and_by_path():
    by_name = benchmark.load_results("digits")
    assert len(by_name) == 3900
    assert by_name.equals(benchmark.load_results(ROOT / "results" / "published" / "digits"))
    assert by_name["val_noisy.accuracy"].notna().all()
    joined = benchmark.load_results("digits", "human")
    assert len(joined) == len(by_name) + len(benchmark.load_results("human"))


def test_what_is_wrong_is_said(tmp_path):
    with pytest.raises(UsageError, match="does not exist; expected a results folder"):
        benchmark.load_results(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="No such option '--sedes'"):
        benchmark.run_suite("quick", sedes=3)
    with pytest.raises(UsageError, match="unknown suite 'quik'"):
        benchmark.run_suite("quik", results=tmp_path)
    with pytest.raises(UsageError, match="has no option dry_run"):
        benchmark.run_suite("quick", dry_run=True)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = benchmark.nothing  # type: ignore[attr-defined]
