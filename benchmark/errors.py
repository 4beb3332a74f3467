"""Errors that a user can mend: the CLI prints their one sentence and exits with their code."""

from __future__ import annotations


class NoisybenchError(Exception):
    """A failure that has a clear sentence: what was wrong, what was expected, what to do next."""

    exit_code = 1


class UsageError(NoisybenchError):
    """What was asked for makes no sense as asked: nothing has been run."""

    exit_code = 2
