"""A path option takes "~" wherever it stands, and file names that look like something else."""

import re

import click
import numpy as np
import pytest

from benchmark.cli.main import COMMANDS, LazyGroup
from benchmark.cli.options import UserPath


def commands():
    """Every command of the command line, those of groups too."""
    group = LazyGroup()
    for name in COMMANDS:
        command = group.get_command(click.Context(group), name)
        yield from command.commands.values() if isinstance(command, click.Group) else [command]


def test_every_path_option_expands_the_home_folder():
    plain = [
        f"{command.name} {parameter.name}"
        for command in commands()
        for parameter in command.params
        if isinstance(parameter.type, click.Path) and not isinstance(parameter.type, UserPath)
    ]
    assert not plain


@pytest.mark.parametrize("glued", [True, False])
def test_the_home_folder_may_stand_in_any_option(glued, here, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    labels = np.arange(60) % 2
    images = np.random.default_rng(0).integers(0, 255, (60, 8, 8)).astype(np.uint8)
    np.savez(home / "c.npz", train_images=images, train_labels=labels, test_images=images[:20], test_labels=labels[:20])
    np.savetxt(home / "T.CSV", [[0.9, 0.1], [0.2, 0.8]], delimiter=",", encoding="utf-8-sig")
    (home / "mine.py").write_text("from methods.gce import GCE\nclass Mine(GCE): pass\n")

    def options(**values):
        return [
            part for key, value in values.items() for part in ([f"--{key}={value}"] if glued else [f"--{key}", value])
        ]

    place = options(results="~/r")
    here(
        "noise",
        "export",
        "-d",
        "npz:~/c.npz",
        "-n",
        "transition:~/T.CSV",
        *options(out="~/n.csv"),
        *place,
        HOME=str(home),
    )
    assert (home / "n.csv").is_file()
    run = ["run", "-d", "npz:~/c.npz", "-m", "mine", "-n", "transition:~/T.CSV", "--seeds", "1", "--epochs", "1"]
    more = [("noise-file", "~/n.csv"), ("plugin", "~/mine.py"), ("extra-test", "other=npz:~/c.npz")]
    done = here(*run, *(part for key, value in more for part in options(**{key: value})), *place, HOME=str(home))
    assert re.search(r"2 ok; records in .*/home/r/runs", done.stderr)
    assert not (tmp_path / "~").exists()
