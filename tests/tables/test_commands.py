"""A spec becomes a command line that plans the same run: its id is the same."""

import re
import shlex

import pytest

from benchmark.grid import suite
from benchmark.grid.expand import expand
from benchmark.grid.job import Options
from benchmark.tables.commands import grid_text, method_text, noise_text

GRIDS = {
    "as it is": {},
    "options": {
        "backbones": ["cnn:frozen=true,head=mlp"],
        "methods": ["gce:q=0.5"],
        "noise": ["asymmetric:0.3,map=[[0,1],[3,8]]"],
    },
    "recipe": {"recipe": {"epochs": 3, "milestones": [0.3, 0.6], "clip": 1.5, "augment": {"flip": True, "rotate": 10}}},
    "own recipe": {"methods": ["dividemix:recipe.lr=0.01"], "noise": ["pair:0.3"]},
    "subset": {"datasets": ["digits:subset=200"]},
    "oracle": {"methods": ["forward:estimate=oracle"], "tracks": ["oracle"]},
    "clean set": {"methods": ["l2rw"], "clean_set": 50},
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_the_command_plans_the_run_of_the_spec(grid, here, tmp_path):
    usual = {"datasets": ["digits"], "backbones": ["cnn"], "methods": ["ce"], "noise": ["symmetric:0.2"], "seeds": 1}
    (job,) = expand(suite.build({**usual, **grid}), Options(results=str(tmp_path), data_root=str(tmp_path)))
    spec = job.spec.model_dump(mode="json")
    command = f"{grid_text(spec)} {method_text(spec)} {noise_text(spec)} --seeds 1 --dry-run"
    planned = here(*shlex.split(command)[1:])
    assert re.findall(r"^([0-9a-f]{16}) ", planned.stdout + planned.stderr, re.MULTILINE) == [job.spec.id], command
