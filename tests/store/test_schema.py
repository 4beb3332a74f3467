"""A record has one definition, and the records of version 1 fit it once they are migrated."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin, get_type_hints

import orjson
import pytest
from typing_extensions import is_typeddict

from benchmark.model_selection import RULES, Rule
from benchmark.store import schema
from benchmark.store.atomic import StoreError
from benchmark.store.compaction import compact
from benchmark.store.content import content_digest
from benchmark.store.field_paths import paths
from benchmark.store.migration import current, migrate
from benchmark.store.store import Store
from benchmark.tables import frame
from tests.conftest import SCHEMA_1

ARCHIVES = [SCHEMA_1 / "records.tar.xz"]


def published(count: int) -> list[dict[str, Any]]:
    """Some records of every published archive."""
    found = []
    for path in ARCHIVES:
        with tarfile.open(path) as archive:
            files = [member for member in archive if member.name.endswith(".json")]
            for member in files[:: max(1, len(files) // count)]:
                content = archive.extractfile(member)
                assert content is not None
                found.append(orjson.loads(content.read()))
    return found


@pytest.fixture(scope="module")
def old() -> list[dict[str, Any]]:
    found = [record for record in published(10) if record["schema"] == 1]
    assert found
    return found


def whole() -> dict[str, Any]:
    """A record of the present schema."""
    return dict(migrate(published(1)[0]))


def test_published_records_of_schema_1_fit_the_definition_once_they_are_migrated(old: list[dict[str, Any]]) -> None:
    for record in old:
        new = current(record, "the archive")
        assert schema.fault(new) == ""
        for rule, figures in record["metrics"].items():
            added = {name: value for name, value in (new["metrics"][rule] or {}).items() if name not in figures}
            chosen = figures and record["curve"][figures["epoch"] - 1] if rule != "last5" else None
            assert added == ({"phase": chosen["phase"]} if chosen else {})
        assert new["tests"]["test"]["size"] == record["sizes"]["test"]
        assert new["curve"]["test"]["accuracy"] == pytest.approx(
            [epoch["test"]["accuracy"] for epoch in record["curve"]], rel=1e-4
        )
        assert new["deviations"] is None, "version 1 did not record them"
        assert content_digest(new) == content_digest(record), "tables keep the digest of their records"


def test_migration_leaves_the_record_that_it_was_given_alone(old: list[dict[str, Any]]) -> None:
    before = orjson.dumps(old[0])
    migrate(old[0])
    assert orjson.dumps(old[0]) == before


def test_old_records_read_alike_from_files_and_from_segments(old: list[dict[str, Any]], tmp_path: Any) -> None:
    store = Store(tmp_path)
    store.prepare()
    for record in old:
        store.write(record)
    fields = frame.fields("val_noisy")
    tops = {"id", *(name.partition(".")[0] for name in fields)}
    loose = [({k: r[k] for k in tops if k in r}, content_digest(r)) for r in store.records(fields).records]
    compact(store)
    packed = [({k: r[k] for k in tops if k in r}, content_digest(r)) for r in store.records(fields).records]
    for (one, digest), (other, packed_digest) in zip(loose, packed, strict=True):
        assert digest == packed_digest
        assert one["tests"] == other["tests"]
        assert one["deviations"] is other["deviations"] is None
        assert one["metrics"]["val_noisy"] == other["metrics"]["val_noisy"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda record: record.pop("noise"), "lacks the field ok.noise"),
        (lambda record: record["curve"].pop("lr"), "lacks the field ok.curve.lr"),
        (lambda record: record.update(speed=1.0), "has the unknown field ok.speed"),
        (lambda record: record["metrics"]["last"].update(luck=1.0), "has the unknown field ok.metrics.last.luck"),
        (lambda record: record["timing"].update(seconds="long"), "holds 'long' in ok.timing.seconds"),
        (lambda record: record.update(state="fine"), "state"),
    ],
    ids=["missing", "missing inside", "extra", "extra inside", "type", "state"],
)
def test_a_fault_is_named_with_its_file_its_field_and_the_remedy(change: Any, words: str) -> None:
    record = orjson.loads(orjson.dumps(whole()))
    assert schema.fault(record) == ""
    change(record)
    with pytest.raises(StoreError) as caught:
        schema.check(record, "runs/ab/ab12.json")
    text = str(caught.value)
    assert text.startswith("runs/ab/ab12.json ")
    assert words.replace("ok.", "") in text.replace("ok.", "")
    assert "move the file away and repeat `noisybench run`" in text


def test_a_record_of_schema_2_is_read_with_what_it_did_not_hold_as_unknown() -> None:
    record = whole()
    new = {
        **{name: record[name] for name in ("hints", "images")},
        "noise": {name: record["noise"][name] for name in ("realized_rate_all", "estimate_doubt")},
        "shared": record["tests"]["test"]["shared_images"],
    }
    noise = {name: value for name, value in record["noise"].items() if name not in new["noise"]}
    test = {name: value for name, value in record["tests"]["test"].items() if name != "shared_images"}
    former = {name: value for name, value in record.items() if name not in ("hints", "images")}
    former |= {"schema": 2, "noise": noise, "tests": {"test": test, "extra": {"other": test}}}
    read = current(former, "runs/ab/ab12.json")
    assert schema.fault(read) == ""
    assert read["hints"] is read["images"] is read["tests"]["test"]["shared_images"] is None
    assert read["tests"]["extra"]["other"]["shared_images"] is None
    assert read["noise"]["realized_rate_all"] == noise["realized_rate"]
    assert content_digest(read) == content_digest(former), "tables made of it keep their digest"


def test_a_record_of_a_newer_version_is_refused_with_the_remedy() -> None:
    with pytest.raises(StoreError, match=r"ab12.json was written by a newer version \(schema 4.*update noisybench"):
        current(whole() | {"schema": 4}, "runs/ab/ab12.json")


def test_what_tables_read_is_in_the_definition() -> None:
    for rule in RULES:
        assert f"metrics.{rule}" in frame.fields(rule)
    with pytest.raises(KeyError, match="no record has a field metrics.best"):
        paths(["metrics.best"])
    with pytest.raises(KeyError, match="timing.second:"):
        paths(["state", "timing.second"])
    assert set(get_args(Rule)) == set(RULES)


def definitions(kind: Any) -> Iterator[Any]:
    if is_typeddict(kind):
        yield kind
        for inner in get_type_hints(kind).values():
            yield from definitions(inner)
    elif get_origin(kind) in (Union, list, dict) or hasattr(kind, "__args__"):
        for inner in get_args(kind):
            yield from definitions(inner)


def test_every_level_of_a_record_says_what_it_is() -> None:
    names = {kind.__name__: kind for kind in definitions(schema.Variant)}
    assert {"Ok", "Diverged", "Skipped", "Failed", "Curve", "Figures", "Outcome", "TestSet"} <= names.keys()
    plain = {
        name for name, kind in names.items() if not (kind.__doc__ or "").strip() or kind.__doc__.startswith("dict(")
    }
    assert plain <= {"Tests", "Fault"}, "their fields say all"
