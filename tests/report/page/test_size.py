"""How large a page of many records is, and how long pages and tables of them take."""

import base64
import functools
import gzip
import json
import subprocess
import sys
import time
from resource import RUSAGE_CHILDREN, getrusage

import pytest

from benchmark.checks.speed import fake_records, ratios
from benchmark.registry import METHODS
from benchmark.store.store import Store
from tests.conftest import command_line

pytestmark = pytest.mark.timed

MEGABYTE = 10**6
PAGE_RATIO = 40
"""60 s, where torch is imported in 1.5 s."""
TABLE_RATIO = 7
"""10 s there."""


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Count -> a results folder with so many records: a real one, whose figures were changed at random."""
    folder = tmp_path_factory.mktemp("many")
    real = ratios.real_record(folder)
    methods = [entry.name for entry in METHODS.entries()]

    @functools.cache
    def filled(count):
        fake_records.fill(Store(folder / str(count)), real, methods, count)
        return folder / str(count)

    return filled


@pytest.fixture(scope="module")
def import_torch():
    """Seconds of processor time that a process takes to import torch, the fastest of three."""

    def once():
        before = getrusage(RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", "import torch"], check=True)
        after = getrusage(RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return min(once() for _ in range(3))


def timed(folder, *arguments):
    """What a command prints, and the processor time that it takes: others on the machine do not count."""
    begin = time.process_time()
    printed = command_line(folder, *arguments).stdout
    return printed, time.process_time() - begin


def data_of(page):
    packed = page.partition('id="data">')[2].partition("</script>")[0]
    return json.loads(gzip.decompress(base64.b64decode(packed)))


@pytest.mark.parametrize(("count", "megabytes", "of_cells"), [(10_000, 2, False), (100_000, 5, True)])
def test_a_page_is_small_and_made_in_a_minute(count, megabytes, of_cells, many, import_torch):
    results = many(count)
    _, seconds = timed(results, "report", "--results", results, "--out", "site")
    page = (results / "site" / "index.html").read_text()
    print(f"page of {count:,} records: {len(page) / MEGABYTE:.2f} MB, {seconds:.1f} s, torch {import_torch:.2f} s")
    assert len(page.encode()) <= megabytes * MEGABYTE
    data = data_of(page)
    assert len(data["runs"]["id"]) == count
    assert data["curves"]["of_cells"] == of_cells
    assert seconds <= PAGE_RATIO * import_torch


def test_tables_with_intervals_take_ten_seconds_each(many, import_torch):
    results = many(100_000)
    printed, seconds = timed(results, "table", "--results", results, "--rule", "val_noisy", "--rule", "last")
    print(f"tables of 100,000 records by two rules: {seconds:.1f} s, torch {import_torch:.2f} s")
    assert "| place" in printed
    assert seconds <= 2 * TABLE_RATIO * import_torch
