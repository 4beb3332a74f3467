"""Suites and plugin strings expand to the runs that they name."""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmark.grid import suite as suites
from benchmark.grid.expand import expand
from benchmark.grid.faults import SuiteError
from benchmark.grid.job import Options
from benchmark.grid.plugin_ref import PluginRef
from benchmark.grid.spec import Augment, Recipe
from benchmark.grid.suite import Suite, build
from benchmark.option_text import quote
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


def test_paths_in_a_suite_begin_in_its_folder_and_those_of_overrides_where_one_is(tmp_path, monkeypatch):
    inner = tmp_path / "inner"
    inner.mkdir()
    for folder, value in ((tmp_path, 1), (inner, 2)):
        labels = np.arange(40) % 2
        images = np.full((40, 8, 8), value, dtype=np.uint8)
        np.savez(folder / "c.npz", train_images=images, train_labels=labels, test_images=images, test_labels=labels)
    np.savetxt(inner / "T.csv", [[0.9, 0.1], [0.2, 0.8]], delimiter=",")
    (inner / "s.toml").write_text(
        'datasets = ["npz:c.npz", {name = "npz", path = "c.npz"}]\nmethods = "ce"\n'
        'noise = ["transition:T.csv", {name = "long_tail", rho = 2, noise = "transition:T.csv"}]\n'
        'seeds = 1\n[extra_tests]\nother = "npz:c.npz"\n',
        encoding="utf-8-sig",  # as editors on Windows write it
    )
    monkeypatch.chdir(tmp_path)
    jobs = expand(suites.load("inner/s.toml"), HERE)
    assert len(jobs) == 2
    assert {Path(file).parent for job in jobs for file in job.files.values()} == {inner}
    over = expand(suites.load("inner/s.toml", {"datasets": [PluginRef.of("npz:c.npz")], "extra_tests": {}}), HERE)
    assert str(tmp_path / "c.npz") in over[0].files.values()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand(suites.load("~/inner/s.toml"), HERE)


NAMES_THAT_LOOK_LIKE_VALUES = [
    "2024-01-01",
    "123",
    "true",
    "[x]",
    "a,b",
    "a=b",
    "size=32",
    "1e3",
    "x 'y",
    '"q"',
    "é",
    "-",
]


@pytest.mark.parametrize("name", NAMES_THAT_LOOK_LIKE_VALUES)
def test_a_file_or_folder_may_have_any_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number in range(2):
        (tmp_path / name / f"class{number}").mkdir(parents=True)
        pixels = np.random.default_rng(number).integers(0, 255, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / name / f"class{number}" / "i.png")
    np.savetxt(tmp_path / f"{name}.CSV", [[0.9, 0.1], [0.2, 0.8]], delimiter=",", encoding="utf-8")
    plain = runs(datasets=[f"folder:{name}"], noise=[f"transition:{name}.CSV"])
    quoted = runs(datasets=[f"folder:{quote(name)},size=64"], noise=[f"transition:file={quote(name + '.CSV')}"])
    table = runs(datasets=[{"name": "folder", "path": name}], noise=[{"name": "transition", "file": f"{name}.CSV"}])
    assert [job.spec.id for job in plain] == [job.spec.id for job in quoted] == [job.spec.id for job in table]
    assert set(plain[0].files.values()) == {str(tmp_path / name), str(tmp_path / f"{name}.CSV")}
    (job,) = runs(noise=[f"given:{quote(name)}"])
    assert job.spec.noise.config["labels"] == name


def test_a_method_may_have_a_recipe_of_its_own(tmp_path):
    plain, own = runs(methods=["gce", {"name": "gce", "recipe": {"lr": 0.01, "augment": {"crop": True}}}])
    (typed,) = runs(methods=["gce:recipe.lr=0.01,recipe.augment.crop=true"])
    assert own.spec.id == typed.spec.id != plain.spec.id
    assert own.spec.recipe == plain.spec.recipe, "both stand in one block"
    assert own.spec.method.recipe == {"lr": 0.01, "augment": {"crop": True}}
    assert own.spec.training.lr == 0.01
    assert own.spec.training.augment == Augment(crop=True)
    (equal,) = runs(methods=["gce:recipe.lr=0.001,recipe.epochs=10"])
    assert equal.spec.id == plain.spec.id, "a value that equals the recipe's is no deviation"
    (shared,) = runs(methods=["gce:recipe.lr=0.5"], recipe={"lr": 0.5})
    assert shared.spec.method.recipe == {}


def test_a_data_set_may_have_epochs_and_a_subset_of_its_own():
    jobs = runs(datasets=["digits", {"name": "digits", "subset": 200, "epochs": 3}], subset=300)
    assert [(job.spec.dataset.subset, job.spec.recipe.epochs) for job in jobs] == [(300, 10), (200, 3)]
    (typed,) = runs(datasets=["digits:subset=200,epochs=3"])
    assert typed.spec.id == jobs[1].spec.id


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        ({"methods": [{"name": "gce", "lr": 0.01}]}, 'name = "gce", recipe = {lr = 0.01}} (gce:recipe.lr=0.01)'),
        ({"methods": ["gce:flip=true"]}, "(gce:recipe.augment.flip=true)"),
        ({"methods": ["gce:subset=3"]}, "-d NAME:subset=N"),
        ({"methods": ["gce:recipe.lr=-1"]}, "recipe.lr: Input should be greater than 0"),
        ({"methods": ["gce:recipe.lrr=1"]}, "did you mean 'lr'"),
        ({"datasets": ["digits:lr=0.1"]}, "it belongs to the recipe: [recipe] lr = 0.1 (--recipe lr=0.1)"),
        ({"datasets": ["digits:subsets=3"]}, "did you mean 'subset'?"),
        ({"datasets": ["digits:subset=1"]}, "subset: Input should be greater than or equal to 2"),
        ({"noise": ["pair:0.2,epochs=3"]}, "it belongs to the recipe"),
        ({"backbones": ["cnn:lr=3"]}, "it belongs to the recipe"),
        ({"lr": 0.1}, "it belongs to the recipe: [recipe] lr = 0.1"),
        ({"methods": ["l2rw:clean_set=9"]}, "it belongs to the suite: clean_set = 9 (--clean-set N)"),
        ({"recipe": {"subset": 3}}, "it belongs to the top of the suite: subset = 3"),
        ({"recipe": {"flip": True}}, "augment = {flip = true}"),
        ({"init": [0]}, "it belongs to the seeds"),
        ({"extra_tests": {"other": "digits:subset=3"}}, "subset would have no effect here; leave it out"),
        ({"methods": [{"q": 0.5}]}, "names no plugin; expected a string such as"),
        ({"noise": ["pair:0.2,rate=0.3"]}, "rate is given twice, as 0.2 too"),
        ({"methods": ["gce:q=0.2,q=0.3"]}, "q has been given a value already"),
        ({"methods": [""]}, "the name of a plugin is missing"),
        ({"backbones": ["resnet18:frozen=true,views=2"], "methods": ["ce:recipe.augment.crop=true"]}, "views = 1"),
    ],
)
def test_a_key_in_the_wrong_place_is_answered_with_what_to_type(axes, told):
    with pytest.raises(SuiteError) as refused:
        runs(**axes)
    assert told in str(refused.value)


KEYS = sorted({*Suite.model_fields, *Recipe.model_fields, *Augment.model_fields, "q", "lrr", "epoch", "sub"})


@given(st.sampled_from(KEYS), st.sampled_from(["suite", "recipe", "augment", "methods", "datasets", "noise"]))
def test_no_message_suggests_the_key_that_was_given(key, where):
    at: dict[str, dict[str, Any]] = {
        "suite": {key: object()},
        "recipe": {"recipe": {key: object()}},
        "augment": {"recipe": {"augment": {key: object()}}},
    }
    names = {"methods": "gce", "datasets": "digits", "noise": "none"}
    axes = at.get(where) or {where: [{"name": names[where], key: object()}]}
    with pytest.raises(SuiteError) as refused:
        runs(**axes)
    assert f"mean {key!r}" not in str(refused.value)
