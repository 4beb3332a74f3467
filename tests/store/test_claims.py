"""Claims: one process carries out a run, and what others can know of a holder that says nothing."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import asdict, replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.store import claims
from benchmark.store.claims import Watch
from tests.conftest import ROOT

RUN = "0123456789abcdef"


def process(code: str, **more) -> subprocess.Popen:
    """A process of its own that runs `code` with `folder`, `claims` and others at hand."""
    head = "import os, pathlib, signal, sys, time\nfrom benchmark.store import claims\n"
    command = [sys.executable, "-c", head + textwrap.dedent(code)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, env=environment, **more)


@pytest.fixture
def holder(tmp_path):
    """A process that holds the claim on RUN and beats when it is told to."""
    code = f"""
        claim = claims.take(pathlib.Path({str(tmp_path)!r}), {RUN!r})
        print("taken", flush=True)
        for line in sys.stdin:
            print(claim.beat(epoch=1), flush=True)
    """
    with process(code) as running:
        assert running.stdout.readline() == "taken\n"
        yield running
        running.kill()


def written(folder: Path, content: bytes) -> Path:
    path = claims.place(folder, RUN)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def of_another_machine(**more) -> bytes:
    return orjson.dumps({"run": RUN, "machine": "ffffffff", "host": "other", "pid": 7, "born": "7", **more})


def test_of_many_processes_one_takes_each_run(tmp_path):
    ids = [f"{number:016x}" for number in range(200)]
    code = f"""
        sys.stdin.readline()
        for run_id in {ids!r}:
            if claims.take(pathlib.Path({str(tmp_path)!r}), run_id):
                print(run_id)
    """
    processes = [process(code) for _ in range(5)]
    for one in processes:
        one.stdin.write("go\n")
        one.stdin.flush()
    taken = [run_id for one in processes for run_id in one.communicate()[0].split()]
    assert sorted(taken) == ids


def test_the_claim_of_a_killed_process_is_free_at_once(tmp_path, holder):
    watch = Watch(tmp_path)
    assert not watch.is_free(RUN)
    holder.kill()
    holder.wait()
    assert watch.is_free(RUN)
    assert claims.take(tmp_path, RUN)


def test_a_zombie_has_ended(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie until somebody waits for it
    assert Watch(tmp_path).is_free(RUN)


def test_another_process_of_the_same_number_is_not_the_holder(tmp_path):
    claim = claims.take(tmp_path, RUN)
    written(tmp_path, orjson.dumps(asdict(replace(claim.holder, born="1"))))
    assert Watch(tmp_path).is_free(RUN)


def test_the_claim_of_another_machine_is_free_only_after_it_was_seen_unchanged(tmp_path):
    watch = Watch(tmp_path, stale_seconds=0.3)
    for beat in range(4):  # it lives
        written(tmp_path, of_another_machine(beat=beat))
        assert not watch.is_free(RUN)
        time.sleep(0.2)
    assert not watch.is_free(RUN)
    time.sleep(0.3)
    assert watch.is_free(RUN)
    assert not claims.place(tmp_path, RUN).exists()


@pytest.mark.parametrize("seconds", [-1e9, -3600, 3600, 1e9])
def test_no_clock_but_the_observers_own_steady_one_counts(tmp_path, monkeypatch, seconds):
    """The clock of the holder, that of the disk and that of the observer are wrong, and the last one jumps."""
    path = written(tmp_path, of_another_machine(started=time.time() + seconds))
    os.utime(path, (max(0.0, time.time() + seconds),) * 2)
    watch = Watch(tmp_path, stale_seconds=0.3)
    assert not watch.is_free(RUN)
    monkeypatch.setattr(time, "time", lambda: seconds)
    assert not watch.is_free(RUN)
    time.sleep(0.35)
    assert watch.is_free(RUN)


@given(content=st.one_of(st.binary(max_size=60), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(["run", "machine", "pid", "born", "beat", "epoch", "x"]), inner, max_size=5),
).map(lambda value: orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS) if _fits(value) else b"{")))  # fmt: skip
def test_whatever_a_claim_holds_it_is_respected_until_it_is_stale(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("claims")
    path = written(folder, content)
    watch = Watch(folder)
    assert not watch.is_free(RUN)
    assert claims.take(folder, RUN) is None
    assert [holder.run for holder in claims.held(folder)] == [RUN]
    watch.stale_seconds = 0.0
    assert watch.is_free(RUN)
    assert not path.exists()


def _fits(value) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def test_a_process_that_wakes_after_its_run_was_taken_over_learns_it_and_leaves_the_other_claim_alone(tmp_path, holder):
    holder.send_signal(signal.SIGSTOP)
    assert Watch(tmp_path, stale_seconds=0.0).is_free(RUN)
    claim = claims.take(tmp_path, RUN)
    stored = claim.path.read_bytes()
    holder.send_signal(signal.SIGCONT)
    holder.stdin.write("beat\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "False\n"
    assert claim.path.read_bytes() == stored
    assert claim.beat(epoch=3)


def test_a_process_whose_run_was_taken_over_and_finished_learns_it_too(tmp_path):
    claim = claims.take(tmp_path, RUN)
    claim.path.unlink()
    assert not claim.beat()
    assert not claim.path.exists()
    claim.release()


def test_releasing_never_removes_the_claim_of_another(tmp_path):
    claim = claims.take(tmp_path, RUN)
    stored = of_another_machine()
    written(tmp_path, stored)
    claim.release()
    assert claim.path.read_bytes() == stored


def test_a_disk_that_takes_names_but_no_content_holds_nobody_up(tmp_path):
    code = f"""
        import resource
        claim = claims.take(pathlib.Path({str(tmp_path)!r}), {RUN!r})
        print(claim is not None, claim.written, claim.beat(), claim.path.exists())
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(claim.beat(), claim.written, claim.path.exists())
        claim.release()
        print(claim.path.exists())
    """
    with process(code, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, -1))) as running:
        told = running.communicate()[0].split()
    assert told == ["True", "False", "True", "False", "True", "True", "True", "False"]


def test_a_folder_where_no_file_can_be_made_holds_nobody_up(tmp_path):
    (tmp_path / "work").write_bytes(b"a file where a folder should be")
    claim = claims.take(tmp_path, RUN)
    assert claim is not None
    assert claim.beat()
    claim.release()


def test_a_disk_that_fails_for_a_while_takes_no_run_away_and_gives_none_free(tmp_path, monkeypatch):
    claim, asking = claims.take(tmp_path, RUN), os.stat
    watch = Watch(tmp_path, stale_seconds=0)

    def fail(path, *arguments, **named):
        if str(path) == str(claim.path):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        return asking(path, *arguments, **named)

    claim.path.unlink()
    claim.written = False
    with monkeypatch.context() as patch:
        patch.setattr(claims, "_create", lambda path, holder: False)
        patch.setattr(os, "stat", fail)
        assert claim.beat()
    written(tmp_path, of_another_machine())
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", fail)
        assert not watch.is_free(RUN)
    assert watch.is_free(RUN)


def test_a_process_that_loses_the_race_after_a_full_disk_stops(tmp_path):
    """It went on without a claim; another one has made it meanwhile."""
    claim = claims.take(tmp_path, RUN)
    claim.path.unlink()
    claim.written = False
    written(tmp_path, of_another_machine())
    assert not claim.beat()
