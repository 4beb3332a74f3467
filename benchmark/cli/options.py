"""Options that several commands share."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.store.places import data_root

if TYPE_CHECKING:
    from benchmark.grid.job import Job, Options
    from benchmark.grid.plugin_ref import PluginRef
    from benchmark.grid.suite import Suite

_PLACES = {"results", "data_root", "plugins", "suite"}
"""Parameters of `grid_options` that describe no grid."""
PLUGIN_OPTIONS = {"datasets": "--dataset", "backbones": "--backbone", "methods": "--method", "noise": "--noise"}


class UserPath(click.Path):
    """A path in which "~" is the home folder: a shell expands it at the start of a word, not in --results=~/x."""

    def __init__(self, **checks: bool) -> None:
        super().__init__(path_type=Path, **checks)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        from benchmark.option_text import expanded

        return super().convert(expanded(value), param, ctx)


class Amount(click.FloatRange):
    """A number within bounds: nan, which no bound excludes, and infinity are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number.", param, ctx)
        return number


def results_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--results",
        type=UserPath(file_okay=False),
        default=Path("results"),
        show_default=True,
        help="Results folder: records are RESULTS/runs/**/<id>.json.",
    )(command)


def with_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--with",
        "others",
        multiple=True,
        type=UserPath(),
        metavar="FOLDER",
        help="Join the records of another results folder, or of results/published/FOLDER.",
    )(command)


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where data lies, and how folders of images are read."""
    options: list[Callable[..., Any]] = [
        click.option(
            "--data-root",
            type=UserPath(file_okay=False),
            default=data_root,
            help="Folder of downloaded data sets.  [default: ~/.medmnist]",
        ),
        click.option(
            "--group-by", metavar="REGEX", help="Of folder:DIR: images with the same first group stay in one split."
        ),
        click.option("--skip-corrupt", is_flag=True, help="Of folder and table: leave out and count unusable images."),
        click.option(
            "--plugin",
            "plugins",
            multiple=True,
            type=UserPath(),
            help="A file with a plugin of your own; may be repeated.",
        ),
        results_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def grid_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """SUITE, and the options that override its axes or describe a grid without it."""
    options: list[Callable[..., Any]] = [
        click.argument("suite", required=False),
        click.option(
            "--dataset", "-d", "datasets", multiple=True, help="digits, pathmnist:size=64, npz:FILE, table:FILE, ..."
        ),
        click.option("--backbone", "-b", "backbones", multiple=True, help="cnn, resnet18, timm/NAME, ..."),
        click.option("--method", "-m", "methods", multiple=True, help="ce, gce:q=0.5, ..."),
        click.option("--noise", "-n", "noise", multiple=True, help="none, symmetric:0.2,0.4, given:worse, ..."),
        click.option(
            "--noise-file",
            "noise_files",
            multiple=True,
            type=UserPath(),
            help="Noisy labels as `noisybench noise export` writes them.",
        ),
        click.option(
            "--labels",
            type=UserPath(),
            metavar="CSV",
            help="Labels that replace those of every data set given here (`noisybench relabel apply` writes them).",
        ),
        click.option("--seeds", type=int, help="Number of seeds."),
        click.option(
            "--tune",
            type=int,
            metavar="N",
            help="Try N configurations of every method, and report the chosen one beside the default.",
        ),
        click.option("--epochs", type=int, help="Short for --recipe epochs=N."),
        click.option("--recipe", multiple=True, metavar="KEY=VALUE", help="lr=1e-4, augment.flip=true, ..."),
        click.option("--track", "tracks", multiple=True, type=click.Choice(["blind", "oracle"])),
        click.option("--subset", type=int, help="Train on a stratified subset of N images."),
        click.option(
            "--clean-set",
            type=int,
            metavar="N",
            help="N training images, equally many per class, with true labels, for methods that need a clean set.",
        ),
        click.option(
            "--extra-test",
            "extra_tests",
            multiple=True,
            metavar="NAME=DATASET",
            help="Score on these test images too: other_hospital=npz:FILE; corrupted: on corrupted copies of its own.",
        ),
        place_options,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def names_grid(suite: str | None, axes: dict[str, Any], otherwise: str = "") -> bool:
    """Whether a command is about the grid of SUITE or of the options, and not about all records.

    Raises UsageError where an option describes a grid that nothing names: it would be ignored. `otherwise`: what else
    may be typed.
    """
    from benchmark.errors import UsageError

    if suite is not None or axes["datasets"]:
        return True
    if ignored := _of_a_grid(click.get_current_context()):
        raise UsageError(
            f"{ignored} describes a grid, and no grid was named; name a suite, or --dataset, --method and --noise"
            f"{otherwise}"
        )
    return False


def _of_a_grid(context: click.Context) -> str:
    """The first option that was given and describes a grid, as it is typed; "" where there is none."""
    grid = {parameter.name for parameter in grid_options(click.Command("grid")).params} - _PLACES  # type: ignore[attr-defined]
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "")
        if parameter.name in grid and given is click.core.ParameterSource.COMMANDLINE:
            return parameter.opts[0]
    return ""


def read_suite(suite: str | None, axes: dict[str, Any]) -> Suite:
    """The Suite that the arguments of `grid_options` describe."""
    from benchmark.errors import UsageError
    from benchmark.grid import suite as suites

    overrides = _overrides(axes)
    if suite is not None:
        return suites.load(suite, overrides)
    missing = [
        f"--{name}"
        for key, name in (("datasets", "dataset"), ("methods", "method"), ("noise", "noise"))
        if not overrides.get(key)
    ]
    if missing:
        raise UsageError(
            f"no suite was named, so {', '.join(missing)} must be given; "
            f"or name a suite: {', '.join(suites.names())}, or a .toml file"
        )
    return suites.build(overrides)


def suite_file(suite: str | None, axes: dict[str, Any]) -> bytes:
    """The suite file of the grid of `read_suite`: that of SUITE as it is, unless options describe another grid."""
    from benchmark.grid import suite as suites
    from benchmark.grid.suite_text import toml

    overrides = _overrides(axes)
    if suite is None:
        return toml({"name": suites.UNNAMED, **overrides}).encode()
    path = suites.located(suite)
    return toml(suites.read(path, overrides)).encode() if overrides else path.read_bytes()


def _overrides(axes: dict[str, Any]) -> dict[str, Any]:
    """The keys of a suite that the arguments of `grid_options` give."""
    from benchmark.errors import UsageError
    from benchmark.grid.plugin_ref import PluginRef

    add_plugins(axes["plugins"])  # a data set of them may be named as a folder is
    overrides: dict[str, Any] = {key: _refs(axes[key], name) for key, name in PLUGIN_OPTIONS.items() if axes[key]}
    if axes["tracks"]:
        overrides["tracks"] = list(axes["tracks"])
    if axes["group_by"] is not None or axes["skip_corrupt"]:
        datasets = overrides.get("datasets", [])
        overrides["datasets"] = with_folder_options(datasets, axes["group_by"], axes["skip_corrupt"])
    if axes["labels"] is not None:
        if not overrides.get("datasets"):
            raise UsageError(
                "--labels belongs to --dataset, and no data set was given; in a suite: labels = FILE there"
            )
        overrides["datasets"] = [_given(ref, {"labels": str(axes["labels"])}) for ref in overrides["datasets"]]
    if axes["noise_files"]:
        file_noise = [PluginRef("file", {"csv": str(path)}) for path in axes["noise_files"]]
        overrides["noise"] = [*overrides.get("noise", []), *file_noise]
    taken = ("seeds", "tune", "subset", "clean_set", "keep")
    overrides |= {key: axes[key] for key in taken if axes.get(key) is not None}
    if axes.get("allow_unidentifiable"):
        overrides["allow_unidentifiable"] = True
    recipe = _recipe(axes["recipe"])
    if axes["epochs"] is not None:
        if "epochs" in recipe:
            raise UsageError("--epochs and --recipe epochs=N both say how many epochs; leave one of them out")
        recipe["epochs"] = axes["epochs"]
    if recipe:
        overrides["recipe"] = recipe
    if axes["extra_tests"]:
        overrides["extra_tests"] = read_extra_tests(axes["extra_tests"])
    return overrides


def _refs(items: Iterable[str], option: str) -> list[PluginRef]:
    from benchmark.errors import UsageError
    from benchmark.grid.plugin_ref import PluginRef

    try:
        refs = [PluginRef.of(item) for item in items]
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None
    if option == PLUGIN_OPTIONS["datasets"] or option.startswith("--extra-test"):
        from benchmark.cli.own_files import refuse_without_kind

        for ref in refs:
            refuse_without_kind(ref)
    return refs


def with_folder_options(datasets: Sequence[Any], group_by: str | None, skip_corrupt: bool) -> list[PluginRef]:
    """The data sets (plugin strings or mappings) with --group-by and --skip-corrupt added."""
    from benchmark.errors import UsageError

    if not datasets:
        raise UsageError("--group-by and --skip-corrupt belong to --dataset folder:DIR, and no data set was given")
    options = {"group_by": group_by, "skip_corrupt": skip_corrupt or None}
    added = {key: value for key, value in options.items() if value is not None}
    return [_given(ref, added) for ref in _refs(datasets, "--dataset")]


def _given(ref: PluginRef, options: Mapping[str, Any]) -> PluginRef:
    """The data set with options of the command line. Raises UsageError where it sets one of them otherwise."""
    from benchmark.errors import UsageError
    from benchmark.option_text import read_text

    own = {**read_text(ref.text, {})[0], **ref.options}
    for key, value in options.items():
        if key in own and str(own[key]).lower() != str(value).lower():
            option = f"--{key.replace('_', '-')}"
            raise UsageError(f"{ref!r} sets {key}, and so does {option}; leave one of them out")
    return ref.having(**options)


def read_extra_tests(items: tuple[str, ...]) -> dict[str, PluginRef]:
    """Name -> data set of every --extra-test. Raises UsageError."""
    from benchmark.errors import UsageError

    tests: dict[str, PluginRef] = {}
    for item in items:
        name, equals, text = item.partition("=")
        family = item.partition(":")[0]
        if _of_test_images(family):  # the name may be left out
            name, equals, text = family, "=", item
        if not equals or not name or not text:
            raise UsageError(
                f"--extra-test {item!r}: expected NAME=DATASET, for example --extra-test "
                "other_hospital=npz:theirs.npz, or --extra-test corrupted"
            )
        if name in tests:
            raise UsageError(f"--extra-test {name!r} is given twice; expected a name of its own for each test set")
        (tests[name],) = _refs([text], f"--extra-test {name}")
    return tests


def _of_test_images(name: str) -> bool:
    """Whether `name` is a source of corrupted copies of the test images."""
    from benchmark.registry import DATASETS

    entry = DATASETS.get(name)
    return entry is not None and bool(entry.declared.get("of_test_images"))


def _recipe(items: tuple[str, ...]) -> dict[str, Any]:
    from benchmark.errors import UsageError
    from benchmark.grid.spec import Recipe
    from benchmark.option_text import read_items

    recipe, unnamed = read_items(items, Recipe.model_fields)
    if unnamed:
        raise UsageError(f"--recipe {unnamed[0]!r}: expected KEY=VALUE, for example --recipe lr=1e-4")
    return recipe


def add_plugins(plugins: tuple[Path, ...]) -> tuple[str, ...]:
    from benchmark.registry import add_plugin_file

    for path in plugins:
        add_plugin_file(path)
    return tuple(str(path.resolve()) for path in plugins)


def say_what_takes_time(what: str) -> None:
    """Says what is being done, and loads PyTorch: on a busy machine that takes half a minute."""
    if "torch" not in sys.modules:
        click.echo(f"{what}: loading PyTorch ...", err=True)
        importlib.import_module("torch")


def expand_grid(suite: str | None, axes: dict[str, Any], **settings: Any) -> tuple[Suite, list[Job]]:
    """The suite and its jobs, with the clean classifiers that are stored already.

    Of a suite that tunes, the runs of the chosen configurations are there where all of their trials have ended.
    """
    grid, options, plugins = _opened(suite, axes, settings)
    from benchmark.grid.expand import expand
    from benchmark.runs.clean_classifier import attach, needing
    from benchmark.runs.tuning import tuned
    from benchmark.store.store import Store

    jobs = expand(grid, options, plugins)
    jobs = [attach(job, train=False) if needs else job for job, needs in zip(jobs, needing(jobs), strict=True)]
    if grid.tune:
        chosen = tuned(grid, options, Store(axes["results"]), plugins)
        if chosen.undecided:
            click.echo(
                f"no configuration of {', '.join(chosen.undecided)} is chosen yet, so tuned runs are left out: not all "
                "trials have ended (`noisybench run` carries them out; `noisybench status` says which failed)",
                err=True,
            )
        jobs += chosen.jobs
    return grid, jobs


def expand_trials(suite: str | None, axes: dict[str, Any], **settings: Any) -> list[Job]:
    """The runs by which the configurations of a suite that tunes are chosen; none of any other suite."""
    grid, options, plugins = _opened(suite, axes, settings)
    from benchmark.runs.tuning import trials

    return trials(grid, options, plugins) if grid.tune else []


def _opened(
    suite: str | None, axes: dict[str, Any], settings: dict[str, Any]
) -> tuple[Suite, Options, tuple[str, ...]]:
    """The suite, how its runs are carried out, and the plugin files."""
    say_what_takes_time("reading the grid")
    from benchmark.grid.job import Options

    plugins = add_plugins(axes["plugins"])
    grid = read_suite(suite, axes)
    options = Options(
        results=str(axes["results"].absolute()),
        data_root=str(axes["data_root"].absolute()),
        keep=grid.keep,
        allow_unidentifiable=grid.allow_unidentifiable,
        **settings,
    )
    return grid, options, plugins
