"""The process of a run tells its driver whatever keeps it from beginning."""

from __future__ import annotations

import errno
import multiprocessing
import os

from benchmark.grid import suite as suites
from benchmark.grid.expand import expand
from benchmark.grid.job import Options
from benchmark.runs.executors import child


def test_a_disk_that_fails_before_a_run_begins_is_told_in_a_sentence_and_may_pass(tmp_path, monkeypatch, capfd):
    suite = suites.build({"datasets": ["digits"], "methods": ["ce"], "noise": ["none"], "seeds": 1})
    (job,) = expand(suite, Options(results=str(tmp_path), data_root=str(tmp_path)))
    asking = os.stat

    def fail(path, *arguments, **named):
        if str(path) == str(tmp_path / "runs"):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        return asking(path, *arguments, **named)

    monkeypatch.setattr(os, "stat", fail)
    context = multiprocessing.get_context("fork")
    received, orders = context.Pipe(duplex=False)
    told, tell = context.Pipe(duplex=False)
    process = context.Process(target=child.work, args=(str(tmp_path), received, tell, frozenset()))
    process.start()
    orders.send(child.Order(job.model_dump_json(), ()))
    assert told.poll(60)
    ending = told.recv()
    process.join(60)
    assert process.exitcode == 0
    assert (ending.state, ending.cause) == ("store", "io")
    assert "runs cannot be read now: Stale file handle" in ending.summary
    assert "Traceback" not in capfd.readouterr().err
