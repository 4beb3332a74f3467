"""Errors that a user can mend: the CLI prints their one sentence and exits with their code."""

from __future__ import annotations


class NoisybenchError(Exception):
    """A failure whose message says what was wrong, what was expected and what to do next."""

    exit_code = 1


class UsageError(NoisybenchError):
    """The request is invalid; nothing has been run."""

    exit_code = 2
