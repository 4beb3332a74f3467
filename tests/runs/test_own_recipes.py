"""A method with a recipe of its own trains with it, says so, and is compared under the recipe of the others."""

from typing import Any

import pytest

from benchmark.grid import suite
from benchmark.grid.expand import expand
from benchmark.grid.job import Options
from benchmark.runs.worker import run_one
from benchmark.store import provenance
from benchmark.store.store import Store


def records(folder, methods, recipe, **axes):
    """By method string; every run is carried out here."""
    store = Store(folder)
    store.prepare()
    grid = {"datasets": ["digits:subset=300"], "noise": ["symmetric:0.4"], "seeds": 1, "methods": methods, **axes}
    jobs = expand(suite.build({**grid, "recipe": recipe}), Options(results=str(folder), data_root=str(folder)))
    for job in jobs:
        outcome = run_one(job.model_copy(update={"provenance": provenance.collect()}), store)
        assert outcome.state == "ok", outcome
    found = {record["id"]: record for record in store.records().records}
    return [found[job.spec.id] for job in jobs]


RECIPES: dict[str, dict[str, Any]] = {
    "lr": {"lr": 0.01},
    "optimizer": {"optimizer": "sgd", "lr": 0.05, "weight_decay": 0.01},
    "epochs": {"epochs": 3},
    "batch size and schedule": {"batch_size": 32, "schedule": "cosine"},
    "augmentation": {"augment": {"crop": True, "strong": True, "flip": True}},
}


@pytest.mark.parametrize("kind", RECIPES)
def test_an_own_recipe_gives_the_numbers_of_a_comparison_under_it(kind, tmp_path):
    own = RECIPES[kind]
    common: dict[str, Any] = {"epochs": 2, "augment": {"rotate": 10.0}}
    wanted = {**common, **own, "augment": {**common["augment"], **own.get("augment", {})}}
    (deviating,) = records(tmp_path / "own", [{"name": "gce", "recipe": own}], common)
    (usual,) = records(tmp_path / "usual", ["gce"], wanted)
    assert deviating["metrics"] == usual["metrics"]
    assert deviating["metrics"]["last"]["epoch"] == wanted["epochs"]
    assert usual["deviations"] == {}
    named = {f"augment.{key}" for key in own.get("augment", {})} | own.keys() - {"augment"}
    assert deviating["deviations"].keys() == {"training"}
    assert deviating["deviations"]["training"].keys() == named
    if "lr" in own:
        assert deviating["deviations"]["training"]["lr"] == [own["lr"], 0.001]


def test_all_methods_get_one_estimate_whatever_their_recipes(tmp_path):
    """It is stored once and made with the recipe of the comparison, even if a deviating method comes first."""
    methods = [{"name": "small_loss", "recipe": {"lr": 0.01, "epochs": 3}}, "small_loss"]
    deviating, usual = records(tmp_path / "first", methods, {"epochs": 2})
    (alone,) = records(tmp_path / "alone", ["small_loss"], {"epochs": 2})
    rates = [record["noise"]["estimated_rate"] for record in (deviating, usual, alone)]
    assert rates[0] is not None
    assert len(set(rates)) == 1
    assert alone["metrics"] == usual["metrics"]
