"""Folders outside the results folder."""

from __future__ import annotations

from pathlib import Path

from benchmark.option_text import expanded


def data_root() -> Path:
    """Default folder of downloaded data sets, that of the `medmnist` package; without a home, in the current folder.

    A container often runs as a user without a home.
    """
    home = expanded("~")
    return (home if home.is_absolute() else Path()) / ".medmnist"
