"""The command line: which commands there are, and how errors reach the user. Imports no torch."""

from __future__ import annotations

import importlib
import sys
import warnings

import click

OWN_FAULT = "this is a fault of noisybench itself: the same command with --debug shows where"
COMMANDS = {
    "run": "benchmark.cli.run:run",
    "status": "benchmark.cli.status:status",
    "table": "benchmark.cli.results:table",
    "show": "benchmark.cli.show:show",
    "runs": "benchmark.cli.runs:runs",
    "rm": "benchmark.cli.rm:rm",
    "compact": "benchmark.cli.compact:compact",
    "doctor": "benchmark.cli.doctor:doctor",
    "list": "benchmark.cli.plugins:list_plugins",
    "check": "benchmark.cli.plugins:check",
    "new": "benchmark.cli.plugins:new",
    "data": "benchmark.cli.data:data",
    "noise": "benchmark.cli.noise:noise",
    "bench": "benchmark.cli.bench:bench",
    "suspects": "benchmark.cli.suspects:suspects",
}


class LazyGroup(click.Group):
    """Commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        return getattr(importlib.import_module(module), attribute)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
@click.version_option(package_name="noisybench")
def cli(debug: bool) -> None:
    """Measure what wrong training labels cost image classifiers, and what each method wins back.

    First steps: `noisybench run quick`, `noisybench list methods`, `noisybench table`.
    """


def main() -> None:
    """Runs the CLI: one clear sentence on an error, exit code 2 for usage and 1 for a failure."""
    debug = "--debug" in sys.argv
    warnings.formatwarning = lambda message, *place: f"warning: {message}\n"
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        sys.exit(cli.main(arguments, standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        if debug:
            raise
        click.echo("interrupted: finished runs are kept, the same command goes on from there", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of stdout has gone, as in `noisybench table | head`
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        # Errors that a user can mend say their exit code; those of backbones/ know nothing of this package.
        code = getattr(error, "exit_code", None)
        click.echo(f"error: {error}" if code else f"error: {type(error).__name__}: {error}\n{OWN_FAULT}", err=True)
        sys.exit(code or 1)


if __name__ == "__main__":
    main()
