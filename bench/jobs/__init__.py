"""Jobs beside other queues: `speed` of no-ops, what `kill` -9 costs, and how fast `accept` is."""

import os

# Processes start while gRPC runs: its fork handlers can hang the child before its exec.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"
