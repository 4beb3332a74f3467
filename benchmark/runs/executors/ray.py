"""Tasks on a Ray cluster: Ray decides where and when, each task is a process of its own, and all end with this one.

Ray is not asked to try again (`max_retries=0`): the project's own policy does, which knows why a run failed.
"""

from __future__ import annotations

import os
import queue
import secrets
import subprocess
import warnings
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from benchmark.errors import NoisybenchError, pip_install
from benchmark.grid.executor_settings import RaySettings
from benchmark.runs.executors.remote import Ended
from benchmark.runs.executors.tasks import WORKER, Submitted, log_of

NAME = "ray"
MOST_TASKS = 1000
"""Of a submission, so that no folder grows without end."""
STOP_SECONDS = 20.0
"""Time for workers to stop their runs before they are killed."""


class RayError(NoisybenchError):
    """Ray is not installed, or its cluster is not there."""


class Ray:
    """A cluster: see `remote.Cluster`."""

    name = NAME
    most_tasks = MOST_TASKS

    def __init__(self, settings: RaySettings, *, cpus: float, worker: Sequence[str] = WORKER) -> None:
        """Connects to the cluster, or starts one. `cpus`: of a task, unless `settings` say otherwise. `worker`: the
        command that carries a task out; the path of its spec file follows, and an option.

        Raises RayError.
        """
        self.worker = worker
        address = settings.address or os.environ.get("RAY_ADDRESS")
        if address in (None, "local"):
            # Nobody else on this machine may give it work. Ray reads this once, when it is imported, and would write a
            # token of its own into a file that everybody can read.
            os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.ray = _imported()
        self.resources = {
            "CPU": float(cpus if settings.cpus is None else settings.cpus),
            "GPU": float(settings.gpus or 0),
        }
        self._refs: dict[Path, Any] = {}
        self._done: queue.SimpleQueue[Ended] = queue.SimpleQueue()
        try:
            self.ray.init(address=address or "local", log_to_driver=False, logging_level="WARNING")
        except Exception as error:  # Ray raises many kinds
            where = address or "on this machine"
            raise RayError(
                f"no Ray cluster {where}: {_first_line(error)}; expected --address HOST:PORT of `ray start --head "
                "--port=6380`, with the RAY_AUTH_MODE and token of that cluster"
            ) from error
        if not self.at_a_time():
            asked = ", ".join(f"{amount:g} {name}" for name, amount in self.resources.items() if amount)
            warnings.warn(f"a task takes {asked}, and no node of the Ray cluster has that much", stacklevel=2)

    def at_a_time(self) -> int:
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        asked = {name: amount for name, amount in self.resources.items() if amount}
        return sum(
            int(min([node.get(name, 0) / amount for name, amount in asked.items()], default=1)) for node in nodes
        )

    def queued(self) -> Mapping[Path, Submitted]:
        return {}  # what another driver gave to Ray ends with that driver

    def launch(self, submitted: Submitted) -> None:
        carry_out = self.ray.remote(_carry_out())
        for spec in submitted.specs():
            task = carry_out.options(
                num_cpus=self.resources["CPU"],
                num_gpus=self.resources["GPU"],
                max_retries=0,
                name=f"noisybench {submitted.name}/{spec.stem}",
            )
            ref = task.remote([*self.worker, str(spec), "--until-stdin-closes"], str(log_of(spec)), STOP_SECONDS)
            self._refs[spec] = ref
            ref.future().add_done_callback(lambda future, spec=spec: self._done.put(_ended(spec, future)))

    def ended(self) -> list[Ended]:
        found = []
        while not self._done.empty():
            one = self._done.get()
            self._refs.pop(one.spec, None)
            found.append(one)
        return found

    def cancel(self, specs: Collection[Path]) -> None:
        refs = [ref for spec in specs if (ref := self._refs.pop(spec, None)) is not None]
        for ref in refs:
            self.ray.cancel(ref, force=False)
        if refs:
            self.ray.wait(refs, num_returns=len(refs), timeout=STOP_SECONDS)

    def close(self) -> None:
        self.cancel(list(self._refs))
        self.ray.shutdown()


def _imported() -> Any:
    try:
        import ray
    except ImportError as error:
        raise RayError(
            f"--executor ray needs the package ray ({error}); type `{pip_install('noisybench[ray]')}`"
        ) from error
    return ray


def _carry_out() -> Any:
    """What Ray runs on a node. Made here, so that it is sent as it is: nodes need not import this package for it."""

    def carry_out(command: list[str], log: str, stop_seconds: float) -> int:
        with open(log, "ab") as output:  # noqa: PTH123
            # The worker ends when its stdin closes: when this process ends, however that happens.
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output)
            try:
                while True:
                    try:
                        return process.wait(1)
                    except subprocess.TimeoutExpired:
                        continue  # lets Ray interrupt
            finally:
                process.terminate()
                try:
                    process.wait(stop_seconds)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    return carry_out


def _ended(spec: Path, future: Future[int]) -> Ended:
    error = future.exception()
    if error is None:
        code = future.result()
        return Ended(spec, f"exit code {code}" if code else "")
    return Ended(spec, f"Ray: {_first_line(error)}", type(error).__name__ == "TaskCancelledError")


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
