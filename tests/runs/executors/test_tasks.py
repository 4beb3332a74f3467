"""Runs are bundled to tasks, whose files hold all that a worker needs."""

import itertools
import shlex
import subprocess
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.grid import suite as suites
from benchmark.grid.executor_settings import SlurmSettings
from benchmark.grid.expand import expand
from benchmark.grid.faults import SuiteError
from benchmark.grid.job import Options
from benchmark.runs.executors import remote, slurm, tasks
from benchmark.runs.executors.tasks import Submission, Submitted, Task, TaskError, bundles
from benchmark.store.store import Store

AXES = {"datasets": ["digits", "digits:subset=100"], "methods": ["ce"], "noise": ["none"], "seeds": 6}


@cache
def two_groups():
    return jobs()


def jobs(folder="/nowhere", **axes):
    return expand(suites.build({**AXES, **axes}), Options(results=str(folder), data_root="/nowhere"))


@given(size=st.none() | st.integers(1, 20), seconds=st.lists(st.none() | st.floats(0, 1000), min_size=12, max_size=12),
       at_a_time=st.integers(1, 50))  # fmt: skip
def test_every_run_is_in_one_task_in_the_order_of_its_group(size, seconds, at_a_time):
    all_jobs = two_groups()
    expected = dict(zip([job.spec.id for job in all_jobs], seconds, strict=True))
    parts = bundles(all_jobs, expected, size=size, at_a_time=at_a_time)
    assert [job for part in parts for job in part] == all_jobs
    assert all(len({job.spec.dataset.subset for job in part}) == 1 for part in parts)
    if size is not None:
        assert all(len(part) <= size for part in parts)
    else:
        for part in parts:
            *before, _ = (tasks.UNKNOWN_SECONDS if (s := expected[job.spec.id]) is None else s for job in part)
            assert sum(before) < tasks.TASK_SECONDS, "no run is added to a task that is long enough"


def test_long_runs_are_tasks_of_their_own_and_short_ones_fill_one():
    all_jobs = jobs(datasets=["digits"])
    ids = [job.spec.id for job in all_jobs]
    assert len(bundles(all_jobs, dict.fromkeys(ids, 1000.0))) == 6
    assert len(bundles(all_jobs, dict.fromkeys(ids, 2.0))) == 1
    assert len(bundles(all_jobs, dict.fromkeys(ids, 2.0), at_a_time=3)) == 3, "no slot stays idle"


def test_a_task_is_read_as_it_was_written_and_damage_is_an_error(tmp_path):
    store = Store(tmp_path)
    task = Task(jobs=tuple(jobs(tmp_path)), recorded={"ab": "sha256:1"}, slots=2, timeout=3.5, max_failures=4)
    submitted = tasks.write(store, [task, task], "slurm")
    assert [tasks.read(spec) for spec in submitted.specs()] == [task, task]
    assert [one.content for one in tasks.submissions(store, "slurm")] == [submitted.content]
    assert not tasks.submissions(store, "ray")
    spec = submitted.spec(1)
    content = spec.read_bytes()
    for damaged in (b"", content[:-10], content.replace(b'"slots":2', b'"slots":9'), submitted.spec(0).read_bytes()):
        spec.write_bytes(damaged)
        with pytest.raises(TaskError, match="submit its runs again"):
            tasks.read(spec)
    spec.unlink()
    with pytest.raises(TaskError, match="all machines of the cluster see"):
        tasks.read(spec)


@settings(max_examples=20)
@given(st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_no_name_is_read_by_the_shell_or_by_slurm(name):
    folder = Path("/tmp") / f"x{name}"
    submitted = Submitted(folder, Submission(executor="slurm", runs=(("a",),)))
    script = slurm.batch_script(submitted, SlurmSettings(), title=name, cpus=1)
    directives = [line for line in script.splitlines() if line.startswith("#SBATCH")]
    assert len(directives) == 7, "a name adds none"
    said = script[: script.index("\nexec >>")] + '\nprintf %s "$folder"'
    done = subprocess.run(["bash", "-c", said], capture_output=True, check=False)
    assert done.stdout.decode() == str(folder), done.stderr


@given(st.sets(st.integers(0, 300), min_size=1))
def test_expressions_of_tasks_are_understood(found):
    text = ",".join(map(str, sorted(found)))
    assert set(slurm.indices(text)) == found
    assert set(slurm.indices(f"{text}%7")) == found
    assert list(slurm.indices("0-2,5-9:2%4")) == [0, 1, 2, 5, 7, 9]


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"partitoin": "gpu"}, "did you mean 'partition'"),
        ({"partition": "a b"}, "a name as Slurm knows it"),
        ({"partition": "x\n#SBATCH --wrap=rm"}, "a name as Slurm knows it"),
        ({"time": "soon"}, "HOURS:MINUTES:SECONDS"),
        ({"memory": "lots"}, "16G"),
        ({"gres": "gpu 1"}, "gpu:a100:1"),
        ({"sbatch": ["--array=1-5"]}, "noisybench sets --array itself"),
        ({"sbatch": ["-p x"]}, "a long option of sbatch"),
        ({"cpus": 0}, "greater than or equal to 1"),
    ],
)
def test_faults_of_the_slurm_table_are_named(table, fault):
    with pytest.raises(SuiteError, match=fault):
        suites.build({**AXES, "executor": {"slurm": table}})


def test_where_runs_are_carried_out_is_no_part_of_their_identity():
    table = {"executor": {"slurm": {"partition": "gpu", "time": 120, "gres": "shard:2"}, "ray": {"gpus": 0.25}}}
    assert [job.spec.id for job in jobs(**table)] == [job.spec.id for job in jobs()]
    assert suites.build({**AXES, **table}).executor.slurm.time == "120"


def test_a_key_of_the_slurm_table_at_the_top_of_a_suite_is_sent_to_its_place():
    with pytest.raises(SuiteError, match=r"\[executor.slurm\] partition = \"gpu\""):
        suites.build({**AXES, "partition": "gpu"})


def test_the_script_asks_for_what_the_suite_and_the_options_say():
    asked = SlurmSettings(
        partition="gpu", account="us", time="2:00:00", memory="16G", gres="shard:1", at_a_time=4, sbatch=["--nice=5"]
    )
    submitted = Submitted(Path("/r s/work/tasks/ab"), Submission(executor="slurm", runs=(("a", "b"), ("c",))))
    script = slurm.batch_script(submitted, asked, title="mine", cpus=3)
    for line in (
        "--array=0-1%4", "--partition=gpu", "--account=us", "--time=2:00:00", "--mem=16G", "--gres=shard:1",
        "--cpus-per-task=3", "--nice=5", "--requeue", "--signal=B:USR1@60",
    ):  # fmt: skip
        assert f"#SBATCH {line}\n" in script
    assert "3 runs of 'mine' in 2 task(s)" in script
    assert shlex.quote("/r s/work/tasks/ab") in script


def test_a_look_that_took_minutes_is_followed_by_another_within_seconds(tmp_path, monkeypatch):
    """It saw thousands of new records; the next one would see still more, the longer it is put off."""
    now, looks = [1000.0], []

    def sleep(seconds):
        now[0] += seconds

    class Slow(remote.Remote):
        def _look(self):
            looks.append(now[0])
            now[0] += 120

    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=sleep)
    monkeypatch.setattr("benchmark.runs.executors.remote.time", clock)
    executor = Slow(Store(tmp_path), cast("remote.Cluster", None))
    for _ in range(40):
        executor.poll(1.0)
    assert len(looks) > 2
    assert max(later - earlier for earlier, later in itertools.pairwise(looks)) <= 120 + remote.LOOK_MOST_SECONDS + 1
