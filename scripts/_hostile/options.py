"""Command lines: every option of every command, with hostile values."""

from __future__ import annotations

from itertools import pairwise
from pathlib import PurePosixPath
from random import Random

import click

from benchmark.cli.main import COMMANDS, cli
from scripts._hostile import texts
from scripts._hostile.case import Case
from scripts._hostile.material import GRID, RESULTS, Material

DATA = ("-d", "npz:cells.npz")
BASES: dict[str, tuple[str, ...]] = {
    "run": (*GRID, "--epochs", "2", "--dry-run"),
    "status": (),
    "table": (),
    "compare": ("gce", "--with", "results"),
    "report": ("--out", "out"),
    "publish": ("--out", "out"),
    "verify": ("out",),
    "diff": ("results", "results"),
    "merge": ("results",),
    "plot": ("rate", "--out", "out.svg"),
    "show": ("gce",),
    "runs": (),
    "rm": ("--dry-run",),
    "compact": (),
    "doctor": ("--dry-run",),
    "list": ("methods",),
    "check": ("ce",),
    "new": ("method", "mine"),
    "data describe": ("cells.npz", "--out", "out.toml"),
    "data info": ("npz:cells.npz",),
    "data preview": ("npz:cells.npz", "--out", "out.png"),
    "data verify": ("npz:cells.npz",),
    "noise export": (*DATA, "-n", "symmetric:0.4", "--out", "out.csv"),
    "noise make": (*DATA, "-n", "symmetric:0.4", "--out", "out"),
    "noise show": (*DATA, "-n", "symmetric:0.4"),
    "noise verify": ("out.json",),
    "clinical": (),
    "robustness": (),
    "relabel apply": ("review.csv", *DATA, "--out", "out.csv"),
    "relabel revert": ("labels.csv", "--out", "out.csv"),
    "predict": ("RUN", "cells.npz", "--out", "out.csv"),
}
"""Command lines that end well, or in an error by themselves, within a second. Without what trains for minutes whatever
it is given, and what downloads: `bench`, `suspects`, `labels`, `advise`, `brief`, `relabel simulate`, `data fetch`."""
PLUGINS = ("gce:q=0.5", "symmetric:0.2,0.4", "npz:cells.npz,labels=x.csv", "timm/resnet18:input_size=32", "pair:0.3")
REPORTS = ("doctor", "verify", "diff", "check", "data info", "data verify", "noise verify", "show", "status", "run")
PLAIN = ("--help", "--debug")
"""Options whose use is no test: one prints help, the other asks for tracebacks."""
WRITTEN = ("--out", "--to", "--results", "--labels-out")
"""Options that name what is written: only names below the working folder are tried, as a command does what it is told
and whoever runs this may be allowed to write anywhere."""


def command(name: str) -> click.Command:
    found: click.Command = cli
    for word in name.split():
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), word)
        assert inner is not None, name
        found = inner
    return found


def draw(material: Material, random: Random) -> Case:
    name = random.choice(sorted(BASES))
    arguments = [*name.split(), *BASES[name]]
    times = random.choice([1, 1, 1, 2, 3])
    what = [_spoil(arguments, command(name), len(name.split()), random) for _ in range(times)]
    if "--dry-run" not in arguments and name in ("run", "rm"):
        arguments.append("--dry-run")
    told = f"{name}: {'; '.join(what)}"[:200]
    return Case("options", told, tuple(arguments), base=RESULTS, writes=_written(arguments), reports=name in REPORTS)


def _written(arguments: list[str]) -> tuple[str, ...]:
    """The first parts of the paths that the command is told to write."""
    named = [value for option, value in pairwise(arguments) if option in WRITTEN]
    return tuple(parts[0] for value in named if (parts := PurePosixPath(value).parts))


def _is_below(value: str) -> bool:
    path = PurePosixPath(value)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and not value.startswith("~")


def _spoil(arguments: list[str], spoiled: click.Command, words: int, random: Random) -> str:
    """Changes `arguments`: a value becomes hostile, or an option with a hostile value is added."""
    value = _value(random)
    if len(arguments) > words and random.random() < 0.3:
        at = random.randrange(words, len(arguments))
        if not arguments[at].startswith("-") and arguments[at - 1] not in WRITTEN:
            arguments[at] = value
            return f"{value[:60]!r} for an argument"
    options = [one for one in spoiled.params if isinstance(one, click.Option) and not {*one.opts} & {*PLAIN}]
    option = random.choice(options)
    if option.opts[0] in WRITTEN and not _is_below(value):
        value = "out"
    if option.is_flag:
        arguments.append(f"{option.opts[0]}={value}" if random.random() < 0.5 else option.opts[0])
    elif option.opts[0] in arguments and random.random() < 0.7:
        arguments[arguments.index(option.opts[0]) + 1] = value
    else:
        arguments += [option.opts[0], value]
    return f"{option.opts[0]} {value[:60]!r}"


def _value(random: Random) -> str:
    """A hostile text, as the system hands it on; or a plugin string with a few characters changed."""
    if random.random() < 0.7:
        return texts.text(random)
    if random.random() < 0.2:
        return bytes(random.randrange(1, 256) for _ in range(random.randint(1, 12))).decode("utf-8", "surrogateescape")
    characters = list(random.choice(PLUGINS))
    for _ in range(random.randint(1, 3)):
        characters[random.randrange(len(characters))] = random.choice([*",:=[]{}'\"/\\ \n-.e9", "", "::", "nan"])
    return "".join(characters)


assert {name.split()[0] for name in BASES} <= COMMANDS.keys()
