"""A run's id depends on what may change its numbers, and on nothing else."""

import pytest
from pydantic import ValidationError

from benchmark.grid.job import Job, Options
from benchmark.grid.spec import Augment, DataPart, MethodPart, NoisePart, Part, Recipe, RunSpec, Seeds

GOLDEN_ID = "1eb3d148461a4160"


def spec(**changes) -> RunSpec:
    parts = {
        "dataset": DataPart(name="digits", version=1, digest="sha256:ab"),
        "noise": NoisePart(name="symmetric", version=1, config={"rate": 0.4, "inclusive": False}),
        "backbone": Part(name="cnn", version=1),
        "method": MethodPart(name="gce", version=1, config={"q": 0.7}),
        "recipe": Recipe(epochs=3, augment=Augment()),
        "seeds": Seeds.equal(1),
    }
    return RunSpec(**{**parts, **changes})


def test_the_id_of_a_known_run_never_changes():
    assert spec().id == GOLDEN_ID


def test_a_new_field_is_a_decision():
    """Whoever adds a field changes every id: this list, the golden id and PROTOCOL are then looked at again."""
    assert set(RunSpec.model_fields) == {
        "protocol", "track", "dataset", "noise", "backbone", "method", "recipe", "seeds",
    }  # fmt: skip
    assert set(Part.model_fields) == {"name", "version", "config", "source"}
    assert set(MethodPart.model_fields) - set(Part.model_fields) == {"recipe", "tuned", "clean_set"}
    assert set(DataPart.model_fields) - set(Part.model_fields) == {"digest", "subset", "extra_tests", "labels"}
    assert set(NoisePart.model_fields) - set(Part.model_fields) == {"clean_classifier", "outside"}
    assert set(Recipe.model_fields) == {
        "epochs", "batch_size", "optimizer", "lr", "weight_decay", "momentum", "schedule", "milestones",
        "gamma", "clip", "augment", "precision",
    }  # fmt: skip
    assert set(Options.model_fields) == {
        "results", "data_root", "device", "threads", "keep", "allow_unidentifiable", "checkpoint_seconds",
    }  # fmt: skip


def test_the_order_of_keys_does_not_matter():
    one = spec(method=MethodPart(name="m", version=1, config={"a": 1, "b": 2}))
    other = spec(method=MethodPart(name="m", version=1, config={"b": 2, "a": 1}))
    assert one.id == other.id


@pytest.mark.parametrize(
    "change",
    [
        {"track": "oracle"},
        {"protocol": 99},
        {"dataset": DataPart(name="digits", version=1, digest="sha256:cd")},
        {"dataset": DataPart(name="digits", version=1, digest="sha256:ab", subset=100)},
        {"noise": NoisePart(name="symmetric", version=2, config={"rate": 0.4, "inclusive": False})},
        {"method": MethodPart(name="gce", version=1, config={"q": 0.8})},
        {"recipe": Recipe(epochs=3, augment=Augment(flip=True))},
        {"seeds": Seeds(noise=1, init=1, order=1, method=2)},
    ],
)
def test_every_choice_changes_the_id(change):
    assert spec(**change).id != spec().id


def test_how_a_run_is_carried_out_does_not_change_its_id():
    here = Job(spec=spec(), options=Options(results="a", data_root="b"), files={"sha256:ab": "one/file"})
    there = Job(spec=spec(), options=Options(results="c", data_root="d", device="cuda", threads=4))
    assert here.spec.id == there.spec.id


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"lr": 0}, {"batch_size": 1}, {"lr": float("nan")}, {"typo": 1}])
def test_a_recipe_out_of_bounds_is_refused(wrong):
    with pytest.raises(ValidationError):
        Recipe(**wrong)


def test_a_job_survives_its_journey_to_a_worker():
    job = Job(spec=spec(), options=Options(results="a", data_root="b"), provenance={"commit": None})
    assert Job.model_validate_json(job.model_dump_json()) == job
