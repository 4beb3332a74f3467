"""A real grid to look at in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import command_line

GRID = ("-d", "digits:subset=150,epochs=3", "-b", "cnn", "-m", "ce", "-m", "gce", "-m", "coteaching", "-m", "elr_plus")
NOISE = ("-n", "none", "-n", "symmetric:0.2,0.4", "-n", "pair:0.3")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a real grid of six seeds has been run and its page written."""
    folder = tmp_path_factory.mktemp("site")
    command_line(folder, "run", *GRID, *NOISE, "--seeds", 6, "--no-table")
    command_line(folder, "report", "--out", "site")
    return folder
