"""`noisybench publish`: equal records make equal bytes, what is doubtful is refused, and nothing is half written."""

import json
import random
import shutil

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.cli import publish as command
from benchmark.cli.publish import makers
from benchmark.errors import NoisybenchError, UsageError
from benchmark.report.publishing import content, folder, views
from benchmark.report.publishing.citation import citation
from benchmark.report.publishing.publication import Publication
from benchmark.report.publishing.readme import readme
from benchmark.store import atomic, published, record_file
from benchmark.store.compaction import compact
from benchmark.store.store import Store
from tests.report.conftest import SUITE, files_of, verify, write

ALLOWED = {"allow_holes": False, "allow_mixed": False, "allow_dirty": False, "allow_plugins": False}


def publication(records, missing=()):
    originals = [(record["id"], record_file.encode(record)) for record in records]
    return Publication.of(originals, missing, SUITE.encode(), makers())


def changed(record, path, value):
    """A copy of `record` in which the field `path` is `value`."""
    copy = json.loads(json.dumps(record))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return copy


def missing_of(record):
    return {"id": record["id"], "spec": record["spec"], "labels": {"dataset": "digits"}}


def test_equal_records_make_equal_bytes_in_any_order_loose_or_compacted(trained, records, tmp_path):
    made = files_of(records)
    shuffled = list(records)
    random.Random(0).shuffle(shuffled)
    assert files_of(shuffled) == made
    copy = Store(shutil.copytree(trained / "results", tmp_path / "results"))
    one, other = (
        content.sources(Publication.of(list(published.originals(copy.folder)), [], b"", makers()))
        for _ in (0, compact(copy))
    )
    assert one == other


def test_the_command_publishes_what_verify_finds_sound_and_says_what_to_type_next(trained, here, tmp_path):
    out = tmp_path / "out" / "tiny"
    told = here("publish", trained / "suite.toml", "--results", trained / "results", "--out", out, "--allow-dirty")
    assert f"noisybench verify {out}" in told.stdout
    assert "are sound" in here("verify", out).stdout
    assert (out / "suite.toml").read_text() == SUITE
    assert "8 runs" in here("table", "--with", out, "--results", "none").stdout
    before = contents(out)
    assert {"figures/ranks.svg", "figures/rate.svg", "figures/matrix.svg", "index.html"} <= before.keys()
    here("publish", "--results", out, "--out", out, "--allow-dirty")
    assert contents(out) == before
    here("publish", "--results", out, "--out", out, "--allow-dirty", "--no-figures", "--no-page")
    assert {name for name in before.keys() - contents(out) if "figures/" not in name} == {"index.html"}
    assert not (out / "figures").exists()
    assert "are sound" in here("verify", out).stdout


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_page_is_made_of_a_published_folder_alone(seen, here, tmp_path):
    told = here("report", "--with", seen, "--results", "none", "--out", tmp_path / "site").stdout
    assert "8 runs" in told
    assert views.equal(
        "index.html", (tmp_path / "site" / "index.html").read_bytes(), (seen / "index.html").read_bytes()
    )


def test_records_come_back_from_the_file_as_they_were_written(trained, whole):
    loose = {path.stem: json.loads(path.read_bytes()) for path in (trained / "results" / "runs").glob("*/*.json")}
    for run_id, text in published.originals(whole):
        record = json.loads(text)
        for part in (record, loose[run_id]):
            part.pop("digest")
            part["provenance"].pop("dirty")
        assert record == loose[run_id]


@pytest.mark.parametrize(
    ("option", "path", "value", "said"),
    [
        ("allow_mixed", ("spec", "protocol"), 2, "2 protocols: 2 (1 runs), 3 (7 runs)"),
        ("allow_mixed", ("spec", "method", "version"), 99, "versions of the method"),
        ("allow_mixed", ("provenance", "commit"), "0" * 40, "2 commits"),
        ("allow_mixed", ("provenance", "libraries", "torch"), "1.0", "versions of torch"),
        ("allow_dirty", ("provenance", "dirty"), True, "1 of 8 runs were made by a checkout with changes"),
        ("allow_plugins", ("spec", "method", "source"), "sha256:" + "1" * 64, "plugins from outside the project"),
    ],
)
def test_what_is_doubtful_is_refused_unless_it_is_allowed_and_then_printed(option, path, value, said, records):
    one, *others = records
    doubtful = publication([changed(one, path, value), *others])
    with pytest.raises(UsageError) as error:
        command.refuse(doubtful, ALLOWED)
    dashed = "--" + option.replace("_", "-")
    assert said in str(error.value)
    assert f"allow it with {dashed}" in str(error.value)
    assert all(found.option == dashed for found in doubtful.doubts)


def test_holes_are_refused_and_shown_where_they_are_allowed(records, tmp_path, here):
    one, other, *rest = records
    failed = {name: one[name] for name in ("schema", "id", "spec", "provenance")} | {
        "state": "failed",
        "error": {"class": "OutOfMemoryError", "message": "", "traceback": "", "log": ""},
    }
    with pytest.raises(UsageError, match=r"2 of 8 runs have no value: 1 failed, 1 never carried out.*--allow-holes"):
        command.refuse(publication([failed, *rest], [missing_of(other)]), ALLOWED)
    command.refuse(publication([failed, *rest], [missing_of(other)]), ALLOWED | {"allow_holes": True})
    out = tmp_path / "holes"
    write(out, files_of([failed, *rest], [missing_of(other)], page=True))
    assert "`--allow-holes`: 2 of 8 runs have no value" in (out / "README.md").read_text()
    here("report", "--with", out, "--results", "none", "--out", tmp_path / "site")
    for page in (out, tmp_path / "site"):
        said = (page / "index.html").read_text()
        assert "2 of 8 runs have no value: 1 failed, 1 never carried out (<code>--allow-holes</code>)" in said
    assert verify(out).faults == []
    for table in ((out / "val_noisy.md").read_text(), here("table", "--with", out, "--results", "none").stdout):
        assert "OutOfMemoryError" in table
        assert "1 not run yet" in table


def test_a_record_that_verify_would_refuse_is_not_published(records):
    one, *others = records
    false = changed(one, ("metrics", "last", "accuracy"), 0.999)
    with pytest.raises(NoisybenchError, match=f"not published: record {one['id']}: last: "):
        command.refuse(publication([false, *others]), ALLOWED)


def test_a_folder_that_holds_something_else_is_not_replaced(copy, records):
    (copy / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="notes.txt"):
        folder.write(copy, files_of(records))
    assert (copy / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("fails", ["write_bytes", "rename"])
def test_what_fails_leaves_the_former_folder_and_nothing_beside_it(fails, copy, records, monkeypatch):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    kind = type(copy)
    genuine = getattr(kind, fails)

    def broken(path, *arguments):
        if fails == "rename" and not path.name.endswith(".tmp"):
            return genuine(path, *arguments)
        if fails == "rename" and path.name.startswith(f".{copy.name}.") and not (path / "README.md").exists():
            return genuine(path, *arguments)
        if fails == "write_bytes" and path.name != "last.md":
            return genuine(path, *arguments)
        monkeypatch.setattr(kind, fails, genuine)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kind, fails, broken)
    with pytest.raises(atomic.StoreError, match="No space left on device"):
        folder.write(copy, files_of(records[1:]))
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    assert list(copy.parent.iterdir()) == [copy]


GRID = ("-d", "digits:subset=150", "-b", "cnn", "-m", "ce", "-m", "gce:q=0.5", "-n", "none", "-n", "symmetric:0.4")
RECIPE = ("--seeds", 2, "--epochs", 1, "--recipe", "augment.flip=true")


def test_a_grid_of_options_is_published_with_a_suite_file_of_the_same_grid(here, tmp_path):
    here("run", *GRID, *RECIPE, "--no-table")
    told = here("publish", *GRID, *RECIPE, "--out", "mine", "--allow-dirty", "--no-figures", "--no-page").stdout
    assert "8 runs" in told
    assert "are sound" in here("verify", "mine").stdout
    again = here("run", "mine/suite.toml", "--dry-run")
    assert "8 runs, 8 already done, 0 to run" in again.stdout + again.stderr
    here("publish", *GRID, "--seeds", 3, "--epochs", 1, "--out", "other", code=2)


MINE = """from torch.nn import functional as F

from methods import Card, Method


class {name}(Method):
    \"\"\"Cross entropy.\"\"\"

    card = Card(title="", authors="A, B", venue="", year=2026, family="robust loss", cost=3, networks_at_test=2)

    class Config(Method.Config):
        weight: float = 0.5
        \"\"\"Of the loss.\"\"\"

    def loss(self, logits, batch):
        return F.cross_entropy(logits, batch.y)
"""


def test_what_is_published_of_a_plugin_from_outside_follows_from_the_folder_alone(here, tmp_path, capsys):
    (tmp_path / "mine.py").write_text(MINE.format(name="Mine"))
    grid = ("-d", "digits:subset=150", "-b", "cnn", "-m", "ce", "-m", "mine", "-n", "symmetric:0.4", "--seeds", 2)
    with_plugin = ("--epochs", 1, "--plugin", "mine.py")
    here("run", *grid, *with_plugin, "--no-table")
    allowed = ("--allow-dirty", "--allow-plugins", "--no-figures")
    here("publish", *grid, *with_plugin, "--out", "mine", *allowed)
    for more in ((), ("--plugin", "mine.py")):
        assert "are sound" in here("verify", "mine", *more).stdout
    before = contents(tmp_path / "mine")
    assert "| mine " in before["val_noisy.md"].decode()
    assert "full configurations: `mine` weight=0.5" in before["val_noisy.md"].decode()
    for more in ((), ("--plugin", "mine.py")):
        here("publish", "--results", "mine", "--out", "mine", *more, *allowed)
        assert contents(tmp_path / "mine") == before
    # A table of one's own shows what the card says.
    assert "| mine (2 nets) |" in here("table", *grid, *with_plugin).stdout


def test_a_method_of_the_project_does_not_describe_the_plugin_whose_name_it_has(records):
    other = [changed(r, ("spec", "method", "source"), "sha256:" + "1" * 64) for r in records]
    for of_table, known in ((records, {"ce", "gce"}), (other, set())):
        made = publication(of_table)
        assert made.makers.describe(made.table()).keys() == known
        costs = set(made.table().blocks[0].methods["cost"])
        assert costs == ({"1x"} if known else {""})


def test_options_that_change_a_suite_are_in_the_suite_file_of_the_folder(trained, here, tmp_path):
    suite = trained / "suite.toml"
    done = ("--results", trained / "results")
    allowed = ("--allow-dirty", "--no-figures", "--no-page")
    here("publish", suite, *done, "--seeds", 1, "--method", "gce", "--out", "less", *allowed)
    assert (tmp_path / "less" / "suite.toml").read_text() != SUITE
    again = here("run", "less/suite.toml", *done, "--dry-run")
    assert "2 runs, 2 already done, 0 to run" in again.stdout + again.stderr


def test_without_a_suite_only_a_published_folder_is_published(trained, here):
    told = here("publish", "--results", trained / "results", "--out", "out", code=2).stderr
    assert "name the suite" in told
    told = here("publish", trained / "suite.toml", "--results", "nothing", "--out", "out", code=2).stderr
    assert "nothing" in told


@settings(deadline=None, max_examples=50)
@given(
    name=st.text(
        st.characters(exclude_categories=["Cs"], include_characters='_%&<>|"\x1b\n\u202e'), min_size=1, max_size=30
    )
)
def test_any_name_of_a_suite_is_one_line_of_plain_text(name):
    record = {
        "state": "ok",
        "id": "ab",
        "spec": {"protocol": 3, "seeds": {"method": 0}},
        "provenance": {"labels": {"suite": name}},
    }
    heading, blank, *_ = readme([record], [], []).split("\n")
    assert heading.startswith("# noisybench results:")
    assert blank == ""
    assert heading.isprintable()
    assert "<" not in heading
    cited = yaml.safe_load(citation([record]))
    assert cited["title"] == f"noisybench results: {name}"
