"""The command that is printed for a run makes that run."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.checks.lab import images
from benchmark.cli.options import expand_grid
from benchmark.cli.run import run
from benchmark.grid import suite as suites
from benchmark.grid.expand import expand
from benchmark.grid.job import Options
from benchmark.grid.typed import UNKNOWN, run_command

HERE = Options(results="results", data_root=str(Path("nowhere").absolute()))
SUITES = [
    {"methods": ["ce", "gce:q=0.5", {"name": "ce", "recipe": {"lr": 0.01, "augment": {"flip": True}}}]},
    {"noise": ["symmetric:0.4", "pair:0.2", "none"], "backbones": ["cnn:frozen=true,head=mlp", "resnet18:stem=small"]},
    {"recipe": {"epochs": 3, "schedule": "multistep", "milestones": [0.3, 0.6], "augment": {"rotate": 5}}},
    {"tracks": ["oracle"], "methods": ["forward:estimate=oracle"], "subset": 50, "seeds": [2]},
    {"methods": ["meta_weight_net"], "clean_set": 30},
    {"extra_tests": {"again": "digits"}},
]


@pytest.fixture
def cells(tmp_path):
    path = tmp_path / "all cells, new.npz"
    pixels, labels = images(60, 3, 0)
    arrays: dict[str, Any] = {}
    for split in ("train", "test"):
        arrays |= {f"{split}_images": pixels, f"{split}_labels": labels}
    np.savez(path, **arrays)
    return path


def parsed(command):
    program, name, *arguments = shlex.split(command)
    assert (program, name) == ("noisybench", "run")
    options = run.make_context("run", arguments).params
    taken = {name: options[name] for name in options if name != "suite"}
    return {job.spec.id for job in expand_grid(options["suite"], taken)[1]}


@pytest.mark.parametrize("axes", SUITES)
def test_the_command_of_a_run_makes_that_run(axes, cells):
    grid = {"datasets": ["digits", f"npz:{cells}"], "methods": ["ce"], "noise": ["symmetric:0.2"], "seeds": 1}
    for job in expand(suites.build({**grid, **axes}), HERE):
        command = run_command(job.spec, job.files, "--keep", "model", "--data-root", HERE.data_root)
        assert job.spec.id in parsed(command), command


def test_a_file_that_is_not_known_has_a_stand_in(cells):
    (job,) = expand(
        suites.build({"datasets": [f"npz:{cells}"], "methods": ["ce"], "noise": ["none"], "seeds": 1}), HERE
    )
    assert f"-d npz:path={UNKNOWN} " in run_command(job.spec, {})
