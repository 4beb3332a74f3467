"""How many runs share a device: as many as asked for, or as many as fit into its memory by what records say."""

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.cli.machine import device_names
from benchmark.errors import UsageError
from benchmark.grid import suite as suites
from benchmark.grid.expand import expand
from benchmark.grid.job import Job, Options
from benchmark.runs.executors import packing
from benchmark.runs.executors.packing import MARGIN, USABLE, Device, Packing
from benchmark.runs.order import kind
from benchmark.store.store import Store

METHODS = ("ce", "gce", "elr", "coteaching")


@pytest.fixture(scope="module")
def jobs(tmp_path_factory) -> dict[str, Job]:
    """A job of each of four methods."""
    folder = str(tmp_path_factory.mktemp("packing"))
    suite = suites.build({"datasets": ["digits"], "methods": list(METHODS), "noise": ["none"], "seeds": 1})
    return {job.spec.method.name: job for job in expand(suite, Options(results=folder, data_root=folder))}


def key(job: Job) -> bytes:
    return kind(job.spec.model_dump(mode="json"))


def fill(chosen: Packing, queue: list[Job]) -> list[tuple[str, Job]]:
    """The runs that start at once, each with its device."""
    active: list[tuple[str, Job]] = []
    for job in queue:
        device = chosen.choose(job, active)
        if device is None:
            break
        active.append((device.name, job))
    return active


@given(
    sizes=st.lists(st.floats(100, 40_000), min_size=1, max_size=3),
    needs=st.lists(st.floats(10, 30_000) | st.none(), min_size=4, max_size=4),
    order=st.lists(st.sampled_from(METHODS), min_size=1, max_size=40),
    limit=st.integers(1, 16),
)
def test_the_runs_on_a_device_fit_into_its_memory_or_are_alone_there(jobs, sizes, needs, order, limit):
    known = {key(jobs[name]): need for name, need in zip(METHODS, needs, strict=True) if need}
    devices = [Device(f"cuda:{number}", size) for number, size in enumerate(sizes)]
    active = fill(Packing(devices, limit=limit, needs=known), [jobs[name] for name in order])
    assert 1 <= len(active) <= limit
    for device in devices:
        there = [job for name, job in active if name == device.name]
        wanted = [known.get(key(job)) for job in there]
        if len(there) > 1:
            assert None not in wanted, "a run of which nothing is known has a device for itself"
            assert sum(filter(None, wanted)) * MARGIN <= USABLE * device.memory_mib + 1e-6


@given(count=st.integers(1, 5), number=st.integers(1, 3))
def test_a_number_of_slots_counts_for_every_device_and_runs_spread_evenly(jobs, count, number):
    devices = [Device(f"cuda:{at}") for at in range(number)]
    active = fill(Packing(devices, per_device=count), [jobs["ce"]] * 50)
    assert [sum(name == device.name for name, _ in active) for device in devices] == [count] * number


def test_where_memory_runs_out_half_as_many_share_a_device(jobs):
    job = jobs["gce"]
    fixed = Packing([Device("cuda:0")], per_device=6)
    fixed.crowded(job)
    assert len(fill(fixed, [job] * 50)) == 3
    for _ in range(5):
        fixed.crowded(job)
    assert len(fill(fixed, [job] * 50)) == 1
    measured = Packing([Device("cuda:0", 11_000)], needs={key(job): 1000.0})
    assert len(fill(measured, [job] * 50)) == 9
    measured.crowded(job)
    assert len(fill(measured, [job] * 50)) == 4


def test_the_first_run_of_a_kind_tells_what_the_others_need(here, tmp_path, jobs):
    """A real run is recorded, its memory read from the record, and as many of its kind are packed as fit."""
    grid = ("-d", "digits", "-b", "cnn", "-n", "none", "--seeds", "2", "--epochs", "1", "--subset", "60")
    told = here("run", *grid, "-m", "ce", "--slots", "auto", "--no-table").stderr
    assert "2 ok" in told
    store = Store(tmp_path / "results")
    (need,) = packing.measured_needs(store, "cpu").values()
    assert 50 < need < 5000
    assert packing.measured_needs(store, "cuda:0") == {}, "what runs need of main memory says nothing of a GPU's"
    record = store.read(store.records().records[0]["id"]) or {}
    roomy = Packing([Device("cpu", 3.1 * MARGIN / USABLE * need)])
    roomy.learn(record)
    template = jobs["ce"].model_copy(update={"spec": type(jobs["ce"].spec).model_validate(record["spec"])})
    assert len(fill(roomy, [template] * 10)) == 3
    shutil.rmtree(store.folder)


def test_the_free_memory_of_this_machine_is_told():
    (device,) = packing.devices(["cpu"])
    assert 100 < device.memory_mib < 10_000_000


def test_devices_are_named_once_and_unknown_ones_refused():
    assert device_names("cpu") == ["cpu"]
    for text, part in (("cuda:0,0", "twice"), ("cuda:0,cuda:0", "twice"), ("gpu", "expected"), ("cuda:x", "expected")):
        with pytest.raises(UsageError, match=part):
            device_names(text)
