"""The command line: which commands there are, and how errors and warnings reach the user. Imports no torch."""

from __future__ import annotations

import importlib
import io
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

import click

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
    "worker": "benchmark.cli.worker:worker",
