"""Runs that share data and backbone start together, the longest first, and the order changes no record."""

import pytest

from benchmark.grid import suite
from benchmark.grid.expand import expand
from benchmark.grid.job import Options
from benchmark.runs import order
from benchmark.runs.executors.local import Local
from benchmark.runs.executors.packing import Device, Packing
from benchmark.store import provenance
from benchmark.store.store import Store
from tests.cli.test_run import records


def jobs(results, **axes):
    grid = {"datasets": ["digits"], "methods": ["ce", "dividemix", "coteaching"], "noise": ["symmetric:0.4"], **axes}
    options = Options(results=str(results), data_root=str(results))
    return expand(suite.build({"seeds": 2, "recipe": {"epochs": 2}, **grid}), options)


def names(placed):
    return [(job.spec.dataset.subset, job.spec.backbone.name, job.spec.method.name) for job in placed]


def test_runs_that_share_data_and_backbone_start_together_longest_first(tmp_path):
    small = jobs(tmp_path, subset=200, seeds=1, methods=["ce", "coteaching"])
    large = jobs(tmp_path, seeds=1)
    mixed = [job for pair in zip(small, large[:2], strict=True) for job in pair] + large[2:]
    assert names(order.ordered(mixed, Store(tmp_path))) == [
        (None, "cnn", "dividemix"),
        (None, "cnn", "coteaching"),
        (None, "cnn", "ce"),
        (200, "cnn", "coteaching"),
        (200, "cnn", "ce"),
    ]


def test_what_was_measured_counts_more_than_what_is_declared(tmp_path):
    (ce, *others) = jobs(tmp_path, seeds=1)
    store = Store(tmp_path)
    spec = ce.spec.model_copy(update={"seeds": ce.spec.seeds.equal(7)})
    store.write(
        {
            "schema": 1,
            "id": spec.id,
            "spec": spec.model_dump(mode="json"),
            "state": "ok",
            "timing": {"total_seconds": 60.0},
        }
    )
    names_in_order = [name for _, _, name in names(order.ordered([*others, ce], store))]
    assert names_in_order == ["dividemix", "coteaching", "ce"], "the measured run scales the others of its group"
    store.write(
        {
            "schema": 1,
            "id": "ab12",
            "spec": others[0].spec.model_dump(mode="json"),
            "state": "ok",
            "timing": {"total_seconds": 1.0},
        }
    )
    assert names(order.ordered([*others, ce], store))[-1][2] == "dividemix"


@pytest.mark.slow
def test_records_do_not_depend_on_the_order_in_which_runs_start(tmp_path):
    found = []
    for name, step, slots in (("placed", 1, 2), ("backwards", -1, 1)):
        folder = tmp_path / name
        origin = {"provenance": provenance.collect()}
        todo = [job.model_copy(update=origin) for job in jobs(folder, methods=["ce", "coteaching"])]
        store = Store(folder)
        store.prepare()
        with Local(store, Packing([Device("cpu")], per_device=slots)) as executor:
            executor.submit(order.ordered(todo, store)[::step])
            left = len(todo)
            while left:
                left -= sum(event.kind == "end" for event in executor.poll(1))
        found.append(records(folder))
    assert len(found[0]) == 4
    assert found[0] == found[1]
