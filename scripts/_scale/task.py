"""Carries out a task without training: what a cluster starts in place of `noisybench worker`.

python -m scripts._scale.task RECORD SPEC      # RECORD: a JSON file, the record of a real run
"""

from __future__ import annotations

import sys
from pathlib import Path

import orjson

from benchmark.runs import driver
from benchmark.runs.executors import tasks
from benchmark.store.store import Store
from scripts._scale.written import Written


def main(record: Path, spec: Path) -> None:
    task = tasks.read(spec)
    store = Store(Path(task.jobs[0].options.results))
    executor = Written(store, orjson.loads(record.read_bytes()))
    driver.carry_out(task.jobs, store, executor, on_event=lambda event: None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))  # what follows tells a real worker when to stop
