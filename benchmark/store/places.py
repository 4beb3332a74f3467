"""Folders outside the results folder."""

from __future__ import annotations

from pathlib import Path

from benchmark.option_text import expanded


def data_root() -> Path:
    """Default folder of downloaded data sets, that of the `medmnist` package; without a home, in the current folder.

    A container often runs as a user without a home. A home whose name is not UTF-8 cannot be written into a job.
    """
    home = expanded("~")
    try:
        str(home).encode()
    except UnicodeEncodeError:
        home = Path()
    return (home if home.is_absolute() else Path()) / ".medmnist"
