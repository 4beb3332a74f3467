"""Records of several machines are joined: equal ones count once, and none is lost where they differ."""

import numpy as np
import pytest

from benchmark.store import kept
from benchmark.store.atomic import StoreError
from benchmark.store.compaction import compact
from benchmark.store.joining import join
from benchmark.store.store import Store
from tests.store.test_store import record


def store_of(folder, *records):
    store = Store(folder)
    store.prepare()
    for one in records:
        (store.write_failure if one["state"] == "failed" else store.write)(one)
    return store


@pytest.fixture
def machines(tmp_path):
    one = store_of(tmp_path / "a" / "results", record("ab0"), record("ab1"))
    other = store_of(
        tmp_path / "b" / "results",
        record("ab1", provenance={"commit": "other"}),
        record("ab2"),
        record("ab3", state="failed", error={"class": "E", "message": "m", "log": ""}),
    )
    compact(other)
    return one, other


def ids(store):
    return [found["id"] for found in store.records().records]


def test_equal_records_count_once_and_the_call_can_be_repeated(machines, tmp_path):
    joint = store_of(tmp_path / "joint")
    places = [machine.folder for machine in machines]
    done = join(places, joint)
    assert (done.new, done.same, done.failed, done.aside) == (3, 1, 1, [])
    assert ids(joint) == ["ab0", "ab1", "ab2"]
    again = join(places, joint)
    assert (again.new, again.same) == (0, 4)


def test_a_record_that_differs_is_set_aside_and_named(machines, tmp_path, here):
    third = store_of(tmp_path / "c" / "results", record("ab0", metrics={"last": {"accuracy": 0.1}}), record("cd4"))
    told = here("merge", *(machine.folder for machine in (*machines, third)), "--results", "joint", code=1).stdout
    joint = Store(tmp_path / "joint")
    assert ids(joint) == ["ab0", "ab1", "ab2", "cd4"]
    assert joint.read("ab0") == machines[0].read("ab0")
    aside = tmp_path / "joint" / "conflicts" / "results.3" / "ab0.json"
    assert aside.read_bytes() == third.read_bytes("ab0")
    assert "run ab0 is there with another result" in told
    assert "conflicts/results.3/ab0.json" in told
    here("merge", machines[0].folder, "--results", "joint")


def test_kept_files_come_along_and_damaged_ones_are_named(machines, tmp_path):
    kept.write_predictions(machines[1], "ab2", {"test/last": np.eye(2)})
    joint = store_of(tmp_path / "joint")
    assert join([machines[1].folder], joint).kept == 1
    assert kept.read_predictions(joint, "ab2")["test/last"].tolist() == np.eye(2).tolist()
    path = kept.path_of(machines[1], "ab2", kept.PREDICTIONS)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StoreError, match="predictions"):
        join([machines[1].folder], store_of(tmp_path / "another"))


def test_a_folder_without_records_is_refused(here):
    assert "does not exist" in here("merge", "nowhere", "--results", "joint", code=2).stderr
