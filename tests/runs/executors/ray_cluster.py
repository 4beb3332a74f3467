"""A Ray cluster of two nodes on this machine, with GPUs that are not there. `remove` on stdin kills the second node."""

import os
import sys
from typing import Any

from ray.cluster_utils import Cluster

PORT = 6380


def main() -> None:
    node: dict[str, Any] = {
        "num_cpus": 2,
        "num_gpus": 1,
        "object_store_memory": 100 * 2**20,
        "include_dashboard": False,
    }
    cluster = Cluster(initialize_head=True, head_node_args={**node, "redis_port": PORT, "include_dashboard": False})
    second = cluster.add_node(**node)
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for line in sys.stdin:
        if line.strip() == "remove":
            cluster.remove_node(second, allow_graceful=False)
            print("removed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    main()
