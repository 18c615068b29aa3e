"""Sidecars whose counters only grow, and what they have counted: the truth that Prometheus is held to.

Each of `--sidecars` has a Resource of its own and pushes all its counters every `--interval` to one of the receivers, over OTLP
gRPC, the first time with nothing counted yet and then not before `--settle` seconds; now and then it goes to another receiver, as a connection that ends does. Half of them are cumulative, half delta unless
`--cumulative` says that all are. A push that is not acknowledged is made again until it is: what is counted is delivered.

Prints one JSON line when it is ready and one when it ends, on SIGTERM or after `--seconds`: the total of each counter.
"""

import argparse
import json
import random
import signal
import sys
import threading
import time

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality as Temporality

COUNTERS = 4


class Sidecar:
    def __init__(self, number, delta, rng):
        self.number, self.delta, self.rng = number, delta, rng
        self.name = f"sidecar-{number}"
        self.begun = time.time_ns()
        self.since = self.begun
        self.totals = [0] * COUNTERS
        self.unsent = [0] * COUNTERS

    def push(self, most):
        """The next request; what it says stays the same until it is acknowledged."""
        for i in range(COUNTERS):
            grown = self.rng.randint(0, most)
            self.totals[i] += grown
            self.unsent[i] += grown
        now = time.time_ns()
        request = ExportMetricsServiceRequest()
        holder = request.resource_metrics.add()
        for key, value in (("service.name", "mesh"), ("service.instance.id", self.name)):
            attribute = holder.resource.attributes.add()
            attribute.key, attribute.value.string_value = key, value
        metric = holder.scope_metrics.add().metrics.add()
        metric.name = "delta_requests" if self.delta else "requests"
        metric.description = "Requests that were made."
        metric.sum.is_monotonic = True
        kind = Temporality.AGGREGATION_TEMPORALITY_DELTA if self.delta else Temporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        metric.sum.aggregation_temporality = kind
        for i in range(COUNTERS):
            point = metric.sum.data_points.add()
            point.attributes.add(key="counter").value.string_value = str(i)
            point.start_time_unix_nano = self.since if self.delta else self.begun
            point.time_unix_nano = now
            point.as_int = self.unsent[i] if self.delta else self.totals[i]
        if self.delta:
            self.since, self.unsent = now, [0] * COUNTERS
        return request


def run(sidecar, targets, interval, settle, stop):
    rng = sidecar.rng
    channels = [grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) for target in targets]
    stubs = [MetricsServiceStub(channel) for channel in channels]
    turn = rng.randrange(len(stubs))
    stop.wait(rng.random() * interval)
    # The first push is all zeros, so that whoever looks now and then has seen where each counter begins.
    most, pause = 0, settle
    while True:
        last = stop.is_set()
        request = sidecar.push(most)
        while True:
            try:
                stubs[turn].Export(request, timeout=20)
                break
            except grpc.RpcError:
                turn = (turn + 1) % len(stubs)
                time.sleep(0.1)
        if last:
            return
        if rng.random() < 0.02:
            turn = (turn + 1) % len(stubs)
        stop.wait(pause)
        most, pause = 20, interval


def main():
    words = argparse.ArgumentParser()
    words.add_argument("targets", nargs="+")
    words.add_argument("--sidecars", type=int, default=50)
    words.add_argument("--interval", type=float, default=0.5)
    words.add_argument("--settle", type=float, default=0.0)
    words.add_argument("--cumulative", action="store_true")
    words.add_argument("--seed", type=int, default=1)
    words = words.parse_args()
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    sidecars = [
        Sidecar(number, number % 2 == 1 and not words.cumulative, random.Random(words.seed * 1000 + number))
        for number in range(words.sidecars)
    ]
    threads = [
        threading.Thread(target=run, args=(sidecar, words.targets, words.interval, words.settle, stop)) for sidecar in sidecars
    ]
    for thread in threads:
        thread.start()
    print(json.dumps({"message": "counters ready"}), file=sys.stderr, flush=True)
    for thread in threads:
        thread.join()
    truth = [
        {"instance": sidecar.name, "counter": str(i), "delta": sidecar.delta, "total": total}
        for sidecar in sidecars
        for i, total in enumerate(sidecar.totals)
    ]
    print(json.dumps({"message": "counters done", "truth": truth}), file=sys.stderr, flush=True)


main()
