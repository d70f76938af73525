"""Ask the health service of a linecert server whether it serves: probe.py HOST:PORT [SECONDS].

HOST:PORT is the plaintext health listener (`[server] health_listen`). Waits up to SECONDS (0: one look) and exits 0
when the answer is SERVING; else it prints the last answer and exits 1. For container health checks and scripts.
"""

import sys
import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

PAUSE_SECONDS = 0.2
CALL_SECONDS = 2.0


def answer(address: str) -> str:
    """One look at the health service: the serving status by name, or the status of the failed call."""
    with grpc.insecure_channel(address) as channel:
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            return str(error.code().name)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status))


def main(address: str, seconds: str = "0") -> int:
    """Look until it serves or `seconds` have passed; the exit status."""
    end = time.monotonic() + float(seconds)
    while (last := answer(address)) != "SERVING":
        if time.monotonic() >= end:
            print(f"{address}: {last}", file=sys.stderr)
            return 1
        time.sleep(PAUSE_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
