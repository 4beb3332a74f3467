"""A real Slurm of two nodes on this machine, what tests ask of it, and the grid that they run."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_run import records
from tests.conftest import command_line

GRID = (
    "run", "-d", "digits", "-m", "elr", "-m", "sce", "-n", "symmetric:0.4", "--seeds", "1", "--epochs", "300",
    "--subset", "400", "--checkpoint-seconds", "0", "--no-table",
)  # fmt: skip
"""Two runs that take longer than a cluster needs to take a node away, or to start the second one."""
SECONDS = 400
"""For what takes a few seconds on a machine that has nothing else to do."""
DAEMONS = ("munged", "slurmctld", "slurmd")
# `cred_expire`: a task that was queued again waits so long, 120 seconds by default.
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock,cred_expire=15
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
GresTypes=gpu,shard
ReturnToService=2
SlurmdTimeout=5
KillWait=5
BatchStartTimeout=60
MaxArraySize=6
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=4000 Gres=gpu:1,shard:4
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=4000 Gres=gpu:1,shard:4
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=5
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=9
"""


@dataclass(frozen=True)
class Nodes:
    """The cluster, with MaxArraySize 6, a `main` partition and an `urgent` one that takes its nodes away."""

    folder: Path

    def call(self, *command: str) -> str:
        done = subprocess.run(
            command, env={**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, node: str) -> None:
        self.call("slurmd", "-N", node)

    def kill(self, node: str) -> None:
        """SIGKILL to the daemon of a node; what runs there goes on, as Slurm sees after some seconds."""
        os.kill(int((self.folder / f"slurmd-{node}.pid").read_text()), signal.SIGKILL)

    def kill_processes(self, node: str) -> None:
        """SIGKILL to all tasks of a node and to the daemons that watch them, as when the machine loses its power."""
        marks = {f"SLURMD_NODENAME={node}".encode(), f"SLURM_CONF={self.folder}/slurm.conf".encode()}
        tasks = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                if marks <= set(path.read_bytes().split(b"\0")):
                    tasks.append(int(path.parent.name))
            except OSError:
                continue  # it has ended, or belongs to somebody else
        parents = set()
        for pid in tasks:
            parent = _parent(pid)
            if parent is not None and "slurmstepd" in _words(parent):
                parents.add(parent)
        for pid in [*parents, *tasks]:  # a watching daemon would tell that its task has failed
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue

    def states(self) -> list[str]:
        """Of all tasks that Slurm remembers: "RUNNING n1"."""
        return self.call("squeue", "--noheader", "--array", "--states=all", "--format=%T %N").splitlines()

    def idle(self) -> bool:
        return set(self.call("sinfo", "-h", "-N", "-o", "%T").split()) == {"idle"}


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _words(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def until(what: str, seconds: float, condition: Callable[[], object]) -> None:
    """Waits for something that happens soon, on a busy machine too."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.2)


def reached_checkpoint(folder: Path) -> bool:
    return any(folder.glob("results/work/runs/*/checkpoint.pt"))


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The records of GRID as a local grid makes them that nothing happens to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    command_line(folder, *GRID)
    return records(folder / "results")


@pytest.fixture(scope="session")
def cluster() -> Iterator[Nodes]:
    """Skips where Slurm is not installed."""
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    if missing := [name for name in DAEMONS if shutil.which(name, path=path) is None]:
        pytest.skip(f"no {', '.join(missing)} here: apt-get install slurmctld slurmd slurm-client munge")
    with tempfile.TemporaryDirectory(prefix="slurm") as place, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", path)
        patch.setenv("SLURM_CONF", f"{place}/slurm.conf")
        folder = Path(place)
        folder.chmod(0o755)  # munge's socket wants it
        started = Nodes(folder)
        try:
            _start(started)
            yield started
        finally:
            subprocess.run(["scancel", f"--user={getpass.getuser()}"], capture_output=True)
            for pid in folder.glob("*.pid"):
                try:
                    os.kill(int(pid.read_text()), signal.SIGTERM)
                except (OSError, ValueError):
                    continue
            time.sleep(1)


@pytest.fixture
def nodes(cluster: Nodes) -> Iterator[Nodes]:
    """The cluster with nothing in its queue and two idle nodes, now and afterwards."""
    yield cluster
    cluster.call("scontrol", "update", "PartitionName=main", "State=UP")
    cluster.call("scancel", f"--user={getpass.getuser()}")
    until("two idle nodes", 120, cluster.idle)


def _start(nodes: Nodes) -> None:
    folder = nodes.folder
    (folder / "state").mkdir()
    for name in ("n1", "n2"):
        (folder / f"spool-{name}").mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    written = CONFIGURATION.format(folder=folder, user=getpass.getuser(), host=host, ports=_free_ports(3))
    (folder / "slurm.conf").write_text(written)
    (folder / "gres.conf").write_text("NodeName=n1,n2 Name=gpu File=/dev/null\nNodeName=n1,n2 Name=shard Count=4\n")
    nodes.call(
        "munged", f"--key-file={key}", f"--socket={folder}/munge.sock", f"--pid-file={folder}/munged.pid",
        f"--log-file={folder}/munged.log", f"--seed-file={folder}/munge.seed",
    )  # fmt: skip
    nodes.call("slurmctld")
    for name in ("n1", "n2"):
        nodes.start(name)
    until("two idle nodes", 120, nodes.idle)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
