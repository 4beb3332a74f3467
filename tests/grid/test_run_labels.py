"""Every run of a grid has a label of its own that says how it differs from the others."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.grid import suite as suites
from benchmark.grid.expand import expand
from benchmark.grid.job import Options

HERE = Options(results="results", data_root=str(Path("nowhere").absolute()))


def labels(**axes):
    grid = {"datasets": ["digits"], "methods": ["ce"], "noise": ["symmetric:0.2"], "seeds": 1}
    return [job.label for job in expand(suites.build({**grid, **axes}), HERE)]


@pytest.mark.parametrize("name", suites.names())
def test_labels_of_packaged_suites_are_unique(name):
    jobs = expand(suites.load(name), HERE)
    assert len({job.label for job in jobs}) == len(jobs)
    assert not any(job.label.endswith(job.spec.id[:8]) for job in jobs), "every difference can be told in words"


def some(*choices):
    return st.lists(st.sampled_from(choices), min_size=1, unique_by=str)


SEEDS = st.lists(st.integers(0, 3), min_size=1, max_size=2, unique=True)
SUITES = st.fixed_dictionaries(
    {
        "datasets": some("digits", {"name": "digits", "subset": 100}, {"name": "digits", "subset": 200, "epochs": 2}),
        "backbones": some("cnn", "cnn:frozen=true", "cnn:frozen=true,views=2", "resnet18"),
        "methods": some(
            "ce", "gce", "gce:q=0.5", "gce:q=0.7", "small_loss", {"name": "ce", "recipe": {"lr": 0.01}}, "forward"
        ),
        "noise": some("none", "symmetric:0.2,0.4", "pair:0.3", "instance:0.2", "symmetric:0.2000001"),
        "tracks": st.sampled_from([["blind"], ["blind", "oracle"]]),
        "seeds": st.integers(1, 3)
        | SEEDS
        | st.fixed_dictionaries(dict.fromkeys(("noise", "init", "order", "method"), SEEDS)),
    }
)


@settings(max_examples=60, deadline=None)
@given(SUITES)
def test_labels_of_any_grid_are_unique_and_one_line(grid):
    jobs = expand(suites.build(grid), HERE)
    told = [job.label for job in jobs]
    assert len(set(told)) == len(told)
    assert all(label.isprintable() for label in told)
    assert not any(job.label.endswith(job.spec.id[:8]) for job in jobs)


def test_a_label_names_data_set_backbone_method_noise_and_seed():
    assert labels() == ["digits/cnn/ce/symmetric:0.2/s0"]


def test_options_are_shown_where_they_differ():
    assert labels(methods=["gce:q=0.5"]) == ["digits/cnn/gce/symmetric:0.2/s0"]
    assert labels(methods=["gce:q=0.5", "gce", "ce"]) == [
        f"digits/cnn/{method}/symmetric:0.2/s0" for method in ("gce:q=0.5", "gce:q=0.7", "ce")
    ]
    assert labels(datasets=["digits", {"name": "digits", "subset": 200}]) == [
        "digits/cnn/ce/symmetric:0.2/s0",
        "digits:subset=200/cnn/ce/symmetric:0.2/s0",
    ]


def test_seeds_that_differ_are_shown_by_name():
    crossed = {"noise": [0, 1], "init": [0], "order": [0], "method": [0, 2]}
    assert labels(seeds=crossed) == [
        f"digits/cnn/ce/symmetric:0.2/s[noise={noise},method={method}]" for noise in (0, 1) for method in (0, 2)
    ]
