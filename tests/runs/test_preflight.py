"""What would stop every run of a grid is told once, before the first one."""

import pytest
import torch

from backbones.base import BackboneError
from benchmark.grid import suite
from benchmark.grid.expand import expand
from benchmark.grid.job import Options
from benchmark.runs import preflight
from benchmark.runs.assemble import network_of


def grid(backbone, *more):
    return ("run", "-d", "digits", "-b", backbone, "-m", "ce", "-n", "none", "--seeds", "2", "--epochs", "1", *more)


@pytest.fixture
def foreign(tmp_path):
    """A weights file of some other network."""
    path = tmp_path / "foreign.pt"
    torch.save({"stem.weight": torch.zeros(3, 3)}, path)
    return path


@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_weights_of_another_network_are_told_before_any_run(noisybench, tmp_path, foreign, more):
    done = noisybench(*grid(f"resnet18:weights={foreign}", *more), code=2)
    assert done.stderr.count("do not fit this network") == 1
    assert "fault of noisybench" not in done.stderr
    assert not list(tmp_path.glob("results/failures/**/*.json"))


def test_every_backbone_is_built_once_for_every_shape_of_images(tmp_path, monkeypatch):
    built = []
    job_of = network_of

    def counted(job):
        built.append(job.spec.backbone.name)
        return job_of(job)

    monkeypatch.setattr(preflight, "network_of", counted)
    axes = {"datasets": ["digits"], "backbones": ["cnn", "resnet18"], "methods": ["ce", "gce"], "noise": ["none"]}
    jobs = expand(suite.build(axes), Options(results=str(tmp_path), data_root=str(tmp_path)))
    preflight.build_backbones(jobs, tmp_path)
    assert sorted(built) == ["cnn", "resnet18"]


def test_data_that_cannot_be_read_are_left_to_their_runs(tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    axes = {"datasets": [f"npz:{tmp_path}/broken.npz"], "methods": ["ce"], "noise": ["none"], "seeds": 1}
    jobs = expand(suite.build(axes), Options(results=str(tmp_path), data_root=str(tmp_path)))
    preflight.build_backbones(jobs, tmp_path)


def test_an_error_of_a_backbone_says_its_exit_code():
    assert BackboneError.exit_code == 2
