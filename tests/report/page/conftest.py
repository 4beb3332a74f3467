"""A real browser, and a real grid to look at in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import command_line

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
GRID = ("-d", "digits:subset=150,epochs=3", "-b", "cnn", "-m", "ce", "-m", "gce", "-m", "coteaching", "-m", "elr_plus")
NOISE = ("-n", "none", "-n", "symmetric:0.2,0.4", "-n", "pair:0.3")


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
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a real grid of six seeds has been run and its page written."""
    folder = tmp_path_factory.mktemp("site")
    command_line(folder, "run", *GRID, *NOISE, "--seeds", 6, "--no-table")
    command_line(folder, "report", "--out", "site")
    return folder
