"""The command line: which commands there are, and how errors and warnings reach the user. Imports no torch."""

from __future__ import annotations

import _thread
import importlib
import io
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import click

from benchmark.cli.streams import visible_streams
from benchmark.escapes import visible_lines
from benchmark.store import readings

OWN_FAULT = "this is a fault of noisybench itself: the same command with --debug shows where"
COMMANDS = {
    "run": "benchmark.cli.run:run",
    "status": "benchmark.cli.status:status",
    "logs": "benchmark.cli.logs:logs",
    "cancel": "benchmark.cli.cancel:cancel",
    "table": "benchmark.cli.results:table",
    "compare": "benchmark.cli.compare:compare",
    "report": "benchmark.cli.report:report",
    "publish": "benchmark.cli.publish:publish",
    "verify": "benchmark.cli.verify:verify",
    "diff": "benchmark.cli.diff:diff",
    "merge": "benchmark.cli.merge:merge",
    "plot": "benchmark.cli.plot:plot",
    "show": "benchmark.cli.show:show",
    "runs": "benchmark.cli.runs:runs",
    "rm": "benchmark.cli.rm:rm",
    "compact": "benchmark.cli.compact:compact",
    "doctor": "benchmark.cli.doctor:doctor",
    "gc": "benchmark.cli.gc:gc",
    "list": "benchmark.cli.plugins:list_plugins",
    "check": "benchmark.cli.plugins:check",
    "new": "benchmark.cli.plugins:new",
    "data": "benchmark.cli.data:data",
    "noise": "benchmark.cli.noise:noise",
    "bench": "benchmark.cli.bench:bench",
    "labels": "benchmark.cli.labels:labels",
    "suspects": "benchmark.cli.suspects:suspects",
    "clinical": "benchmark.cli.clinical:clinical",
    "robustness": "benchmark.cli.robustness:robustness",
    "advise": "benchmark.cli.advise:advise",
    "relabel": "benchmark.cli.relabel:relabel",
    "brief": "benchmark.cli.brief:brief",
    "predict": "benchmark.cli.predict:predict",
    "explain": "benchmark.cli.explain:explain",
    "samples": "benchmark.cli.samples:samples",
    "worker": "benchmark.cli.worker:worker",
}
ENDING_SIGNALS = ("SIGTERM", "SIGHUP")
REPEATED_SECONDS = 1.0
"""A signal that follows another one so soon is no second wish: Slurm sends some. They would break off the ending."""


class Stopped(BaseException):
    """A signal asks this process to end."""


class LazyGroup(click.Group):
    """Commands are imported when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS:
            import difflib

            # Click compares with the commands that are loaded, of which there are none.
            for near in difflib.get_close_matches(args[0], COMMANDS, n=1):
                ctx.fail(f"No such command {args[0]!r}; did you mean {near!r}?")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
@click.version_option(package_name="noisybench")
def cli(debug: bool) -> None:
    """Measure what wrong training labels cost image classifiers, and what each method wins back.

    First steps: `noisybench run quick`, `noisybench list methods`, `noisybench table`.
    """


def main() -> None:
    """Runs the CLI: one clear sentence on an error, exit code 2 for usage and 1 for a failure.

    An interrupted command ends with 128 plus the number of the signal: 130 after Ctrl-C, 143 after SIGTERM.
    """
    debug = "--debug" in sys.argv
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    _open_streams()
    if sys.flags.optimize > 1 and ({"-h", "--help"} & {*arguments} or arguments[:1] in (["show"], ["check"])):
        _say("note: Python was told to drop docstrings (-OO, PYTHONOPTIMIZE=2), so descriptions are missing")
    try:
        with _ending_on_signals(), _short_warnings(), visible_streams():
            try:
                code = _run(arguments, debug)
            except click.ClickException as error:
                with suppress(OSError):
                    error.show()
                code = error.exit_code
            except (KeyboardInterrupt, click.Abort):
                code = _interrupted(signal.SIGINT, arguments)
            except Stopped as stopped:
                code = _interrupted(stopped.args[0], arguments)
    finally:
        _flush_streams()
    sys.exit(code)


def _run(arguments: list[str], debug: bool) -> int:
    readings.places.clear()
    try:
        _check_text(arguments)
        code = cli.main(arguments, standalone_mode=False) or 0
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        return 1  # the reader of stdout has gone, as in `noisybench table | head`
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # where Click was the first to meet it
            return 1
        raise
    except click.ClickException:
        raise
    except (click.Abort, Exception) as raised:
        # Click takes the end of any file for that of the terminal, and a question of its own has no cause.
        error = raised.__cause__ if isinstance(raised, click.Abort) else raised
        if debug or not isinstance(error, Exception):
            raise
        from benchmark.errors import fault_of_the_system

        # Errors that a user can mend say their exit code; those of backbones/ know nothing of this package.
        code = getattr(error, "exit_code", None)
        sentence = str(error) if code else fault_of_the_system(error) or _fault_of_records()
        _say(f"error: {sentence}" if sentence else f"error: {type(error).__name__}: {error}\n{OWN_FAULT}")
        return code or 1
    return int(code)


def _fault_of_records() -> Exception | None:
    """What is wrong in the records that the command has read, if anything: it may have led to an error later."""
    if not readings.places:
        return None
    from benchmark.store.published import fault_of_readings

    return fault_of_readings()


def _check_text(arguments: list[str]) -> None:
    """Raises UsageError where a name is not UTF-8: records, which are JSON, cannot hold it."""
    from benchmark.errors import UsageError

    with suppress(OSError):  # a current folder that was removed
        arguments = [*arguments, str(os.getcwd())]  # noqa: PTH109 - no pathlib at start-up
    for text in arguments:
        try:
            text.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(text).decode("utf-8", "backslashreplace")
            remedy = "rename the file or folder" if "\\" in shown else "set PYTHONUTF8=1, as the locale is not UTF-8"
            raise UsageError(f"{shown} cannot be read as UTF-8, in which records are written; {remedy}") from None


def _interrupted(number: int, arguments: list[str]) -> int:
    kept = ": finished runs are kept, the same command goes on from there" if arguments[:1] == ["run"] else ""
    _say(f"interrupted{kept}")
    return 128 + number


def _say(text: str) -> None:
    with suppress(OSError):  # nobody reads stderr any more
        click.echo(visible_lines(text), err=True)  # also where a progress bar has taken the stream


def _open_streams() -> None:
    """Makes printing possible: characters that the terminal lacks are escaped, closed streams lead nowhere."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # This takes the lowest free number, else the next file that is opened would become stdout.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flush_streams() -> None:
    """What a stream cannot write is not tried again at the end of the process, which would print a traceback."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """SIGTERM, and SIGHUP unless `nohup` ignores it, end the command as Ctrl-C does.

    Python drops an exception that is raised within a callback or a destructor, which a signal may meet; then it is
    raised again a moment later.
    """
    last = -REPEATED_SECONDS

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal last
        if time.monotonic() - last >= REPEATED_SECONDS:
            last = time.monotonic()
            raise Stopped(number)

    def raise_again(dropped: sys.UnraisableHookArgs) -> None:
        nonlocal last
        error = dropped.exc_value
        if isinstance(error, (Stopped, KeyboardInterrupt)):
            last = -REPEATED_SECONDS
            number = error.args[0] if isinstance(error, Stopped) else signal.SIGINT
            threading.Timer(0.05, _signal_main_thread, [number]).start()
        else:
            show_dropped(dropped)

    show_dropped, sys.unraisablehook = sys.unraisablehook, raise_again
    former: dict[int, Any] = {}
    for name in ENDING_SIGNALS:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) == signal.SIG_DFL:
            former[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        sys.unraisablehook = show_dropped
        for number, handler in former.items():
            signal.signal(number, handler)


def _signal_main_thread(number: int) -> None:
    """A real signal where there is one: it ends what the thread waits for, which `interrupt_main` does not."""
    if sys.platform == "win32":
        _thread.interrupt_main(number)
    else:
        waiting = threading.main_thread().ident
        assert waiting is not None, "it has been started"
        signal.pthread_kill(waiting, number)


@contextmanager
def _short_warnings() -> Iterator[None]:
    """A warning is one line: "warning: ..."."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        _say(f"warning: {' '.join(str(message).split())}")

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


if __name__ == "__main__":
    main()
