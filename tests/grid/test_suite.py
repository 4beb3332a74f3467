"""Suites and plugin strings expand to the runs that they name."""

import tomllib
from pathlib import Path

import pytest

from benchmark.grid import suite as suites
from benchmark.grid.expand import expand
from benchmark.grid.faults import SuiteError
from benchmark.grid.job import Options
from benchmark.grid.suite import build
from benchmark.registry import METHODS, add_plugin_file

HERE = Options(results="results", data_root="nowhere")


def runs(**axes):
    grid = {"datasets": ["digits"], "methods": ["ce"], "noise": ["none"], "seeds": 1}
    return expand(build({**grid, **axes}), HERE)


def test_a_grid_is_the_product_of_its_axes():
    jobs = runs(methods=["ce", "gce:q=0.5", "gce"], noise=["symmetric:0.2,0.4", "pair:0.3"], seeds=2)
    assert len(jobs) == len({job.spec.id for job in jobs}) == 3 * 3 * 2


def test_every_kind_at_rate_0_is_the_one_clean_run():
    jobs = runs(noise=["none", "symmetric:0,0.2", "pair:0"])
    assert [job.spec.noise.name for job in jobs] == ["none", "symmetric"]


def test_toml_and_command_line_name_the_same_runs():
    typed = runs(methods=["gce:q=0.5"], noise=["symmetric:0.2,0.4"])
    written = runs(methods=[{"name": "gce", "q": 0.5}], noise=[{"name": "symmetric", "rate": [0.2, 0.4]}])
    assert [job.spec.id for job in typed] == [job.spec.id for job in written]


def test_a_method_without_hints_is_one_run_for_both_tracks():
    jobs = runs(methods=["ce", "small_loss"], tracks=["blind", "oracle"])
    assert sorted((job.spec.method.name, job.spec.track) for job in jobs) == [
        ("ce", "blind"),
        ("small_loss", "blind"),
        ("small_loss", "oracle"),
    ]


def test_a_hint_that_the_blind_track_does_not_give_is_refused_before_training():
    with pytest.raises(SuiteError, match="needs transition, which the blind track does not give"):
        runs(methods=["forward:estimate=oracle"])


def test_crossed_seeds_are_every_combination():
    axes = {"noise": [0, 1], "init": [0], "order": [0, 1, 2], "method": [0]}
    assert len(runs(seeds=axes)) == 6


def test_the_data_sets_own_augmentation_is_written_into_the_run():
    augment = runs()[0].spec.recipe.augment
    assert augment is not None
    assert not augment.active


def test_where_a_file_lies_does_not_change_the_id(tmp_path, real_data):
    source = real_data / "pneumoniamnist.npz"
    copy = tmp_path / "renamed.npz"
    copy.write_bytes(source.read_bytes())
    (here,), (there,) = runs(datasets=[f"npz:{source}"]), runs(datasets=[f"npz:{copy}"])
    assert here.spec.id == there.spec.id
    assert there.label.startswith("renamed/")


def test_a_plugin_from_outside_counts_by_its_content(tmp_path):
    ids = []
    for number in (1, 2):
        path = tmp_path / f"outside{number}.py"
        path.write_text(f'"""An outsider."""\nfrom methods import Method\nclass A(Method):\n    x = {number}\n')
        add_plugin_file(path)
        part = runs(methods=[path.stem])[0].spec.method
        ids.append(part.source)
        METHODS._added.pop(path.stem)
    assert ids[0] != ids[1]
    assert all(source.startswith("sha256:") for source in ids)


@pytest.mark.parametrize("name", suites.names())
def test_every_packaged_suite_is_valid_and_says_what_it_is(name):
    grid = suites.load(name)
    assert grid.title
    assert grid.name == name
    raw = tomllib.loads((suites.SUITES / f"{name}.toml").read_text())
    assert "epochs" in raw["recipe"], "every number is in the file"
    assert expand(grid, HERE.model_copy(update={"data_root": str(Path.home() / "nowhere")}))


def test_quick_is_the_grid_that_the_readme_promises():
    grid = suites.load("quick")
    assert len(grid.methods) >= 6
    assert grid.seeds == 3
    jobs = expand(grid, HERE)
    cells = {(job.spec.noise.name, job.spec.noise.config.get("rate")) for job in jobs}
    assert cells == {("none", None), ("symmetric", 0.2), ("symmetric", 0.4), ("pair", 0.3)}


def test_the_seed_report_names_every_assumption():
    grid = suites.load("seed-report")
    assert {"batch_size", "lr", "rotate", "input_size"} <= grid.assumptions.keys()
    assert [m.name for m in grid.methods] == ["batch_flip", "ce"]
    assert grid.backbones[0].options["weights"] == "imagenet"
    assert grid.recipe.epochs == 5
    assert grid.recipe.optimizer == "adam"
