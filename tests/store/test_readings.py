"""Records whose digest is right and whose fields are not what they are defined to be: another program wrote them."""

import shutil

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmark.cli.main import OWN_FAULT
from benchmark.store.record_file import encode
from tests.conftest import command_line

GRID = (
    "-d", "digits", "-b", "cnn", "-m", "ce", "-m", "gce", "-n", "symmetric:0.2", "--seeds", "1", "--epochs", "1",
    "--subset", "200",
)  # fmt: skip
READERS = (("table",), ("table", "--layout", "cost"), ("clinical",), ("status",), ("plot", "heatmap", "--out", "a.svg"))


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ran")
    command_line(folder, "run", *GRID, "--no-table")
    return folder / "results"


def places(value, path=()):
    """The paths of all values in a record but the long lists."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))


def changed(record, path, new):
    inner = record
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return record


# The values of another type, and of every kind of emptiness.
OTHERS: st.SearchStrategy[object] = st.sampled_from(
    [None, {}, [], "", "x", 0, -1, 2**63, True, [[]], {"a": {}}, [None], [1, "a"]]
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_record_with_a_field_of_another_type_is_told_as_such(ran, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("changed")
    shutil.copytree(ran, folder / "results")
    file = sorted((folder / "results" / "runs").glob("*/*.json"))[0]
    record = orjson.loads(file.read_bytes())
    del record["digest"]
    path = data.draw(st.sampled_from([path for path in places(record) if path not in {("id",), ("schema",)}]))
    new = data.draw(OTHERS)
    file.write_bytes(encode(changed(record, path, new)))
    reader = data.draw(st.sampled_from(READERS))
    done = command_line(folder, *reader, "--results", "results", code=None)
    assert done.returncode in (0, 1, 2)
    assert OWN_FAULT not in done.stderr, (path, new, reader, done.stderr)


def test_the_field_is_named_with_what_to_type(ran, tmp_path):
    shutil.copytree(ran, tmp_path / "results")
    for file in (tmp_path / "results" / "runs").glob("*/*.json"):
        record = orjson.loads(file.read_bytes())
        del record["digest"]
        file.write_bytes(encode(changed(record, ("main_metric",), {})))
    done = command_line(tmp_path, "table", code=1)
    assert "holds {} in main_metric" in done.stderr
    assert "noisybench doctor --results results" in done.stderr
    command_line(tmp_path, "doctor", "--results", "results", code=None)
    assert not list((tmp_path / "results" / "runs").glob("*/*.json")), "moved aside, as the message says"
