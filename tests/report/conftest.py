"""A small grid that was really trained, its publication, how both are changed, and a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmark.cli.publish import makers
from benchmark.report.publishing import content, verification
from benchmark.report.publishing.publication import Files, Publication
from benchmark.report.publishing.verification import Verification
from benchmark.store import published, record_file
from benchmark.store.published import Missing
from tests.conftest import command_line

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SUITE = """name = "tiny"
title = "Two methods on few digits"
datasets = ["digits:subset=200,epochs=2"]
methods = ["ce", "gce"]
noise = ["none", "symmetric:0.4"]
seeds = 2
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, as Debian's package `chromium` or Google's has it, driven by playwright."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="no browser tests: pip install playwright")
    if CHROMIUM is None:
        pytest.skip("no browser tests: there is no chromium here (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with suite.toml and the results folder `results` of its eight runs. Not to be written to."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "suite.toml").write_text(SUITE)
    command_line(folder, "run", "suite.toml", "--no-table")
    return folder


@pytest.fixture(scope="session")
def records(trained: Path) -> list[dict[str, Any]]:
    """The records, whole, as of a checkout without changes."""
    return [
        {**record, "provenance": {**record["provenance"], "dirty": False}}
        for record in published.whole(trained / "results")
    ]


Publish = Callable[..., Files]


def files_of(records: Sequence[dict[str, Any]], missing: Sequence[Missing] = (), **views: bool) -> Files:
    """What `publish` writes of these records, whatever it would refuse. `views`: `figures` and `page`."""
    originals = [(record["id"], record_file.encode(record)) for record in records]
    return content.files(Publication.of(originals, missing, SUITE.encode(), makers(), **views))


@pytest.fixture(scope="session")
def whole(records: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published folder of all records. Not to be written to."""
    folder = tmp_path_factory.mktemp("whole") / "tiny"
    write(folder, files_of(records))
    return folder


@pytest.fixture(scope="session")
def seen(records: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with figures and the page. Not to be written to."""
    folder = tmp_path_factory.mktemp("seen") / "tiny"
    write(folder, files_of(records, figures=True, page=True))
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A copy of the published folder."""
    return shutil.copytree(whole, tmp_path / "tiny")


def write(folder: Path, files: Files) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(text)


def verify(folder: Path) -> Verification:
    return verification.verify(folder, makers())
