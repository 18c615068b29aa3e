"""One data point of every type, over OTLP gRPC, and what Prometheus has to show of them.

Counts of round n are those of all rounds up to n; deltas are what round n adds. Prints one JSON line: for each query what it has to
answer, of all series (`classic`) and of native histograms (`native`), when the rounds from `--since` on were added up.
"""

import argparse
import json
import math
import sys
import time

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality as Temporality

CUMULATIVE = Temporality.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = Temporality.AGGREGATION_TEMPORALITY_DELTA
BOUNDS = [0.005, 1.0, 1000000.0]
SECOND = 10**9


class Request:
    def __init__(self, round_, begun):
        self.round, self.begun = round_, begun
        self.now = begun + round_ * SECOND
        self.message = ExportMetricsServiceRequest()
        holder = self.message.resource_metrics.add()
        for key, value in (
            ("service.name", "types"),
            ("service.instance.id", 'pod "1"\\\n'),
            ("k8s.pod.name", "pod-1"),
        ):
            holder.resource.attributes.add(key=key).value.string_value = value
        self.scope = holder.scope_metrics.add()
        self.scope.scope.name = "peer"
        self.scope.scope.version = "1.0"

    def metric(self, name, unit=""):
        metric = self.scope.metrics.add()
        metric.name, metric.unit, metric.description = name, unit, f'The "{name}" \\ of the peer.\nReally.'
        return metric

    def point(self, data, temporality=CUMULATIVE):
        """The next point, of this round or of all up to it; and how many rounds it stands for."""
        if temporality is not None:
            data.aggregation_temporality = temporality
        point = data.data_points.add()
        point.attributes.add(key="kuma.io/zone").value.string_value = "zone-1"
        listed = point.attributes.add(key="list").value.array_value
        listed.values.add().string_value = 'a "b"'
        listed.values.add().int_value = 7
        point.time_unix_nano = self.now
        is_delta = temporality == DELTA
        point.start_time_unix_nano = self.now - SECOND if is_delta else self.begun
        return point, 1 if is_delta else self.round

    def exemplar(self, point, value):
        exemplar = point.exemplars.add(time_unix_nano=self.now, as_double=value)
        exemplar.trace_id, exemplar.span_id = bytes(range(16)), bytes(range(8))


def build(round_, begun, deltas):
    request = Request(round_, begun)
    both = (CUMULATIVE, DELTA) if deltas else (CUMULATIVE,)
    point, _ = request.point(request.metric("load", "1").gauge, None)
    point.as_double = -0.25 * round_
    for name, temporality in zip(("calls", "delta.calls"), both):
        metric = request.metric(name, "{call}")
        metric.sum.is_monotonic = True
        point, rounds = request.point(metric.sum, temporality)
        point.as_int = 3 * rounds
        request.exemplar(point, 1.0)
    for name, temporality in zip(("queue", "delta.queue"), both):
        point, rounds = request.point(request.metric(name, "By").sum, temporality)
        point.as_double = -1.5 * rounds
    for name, temporality in zip(("took", "delta.took"), both):
        point, rounds = request.point(request.metric(name, "s").histogram, temporality)
        point.explicit_bounds.extend(BOUNDS)
        point.bucket_counts.extend(count * rounds for count in (1, 0, 2, 1))
        point.count, point.sum = 4 * rounds, 2.5 * rounds
        request.exemplar(point, 0.001)
        request.exemplar(point, 500.0)
    for name, temporality in zip(("size", "delta.size"), both):
        point, rounds = request.point(request.metric(name, "By").exponential_histogram, temporality)
        # A scale that Prometheus does not have, and every second time one that it has.
        point.scale = 9 if round_ % 2 else 3
        point.zero_count = rounds
        point.positive.offset = 0
        point.positive.bucket_counts.extend(rounds for _ in range(4))
        point.negative.offset = 2
        point.negative.bucket_counts.append(rounds)
        point.count, point.sum = 6 * rounds, 5.0 * rounds
    point, rounds = request.point(request.metric("wait", "s").summary, None)
    point.count, point.sum = 2 * rounds, 9.0 * rounds
    for quantile, value in ((0.5, 3.0), (0.99, 6.0)):
        point.quantile_values.add(quantile=quantile, value=value * rounds)
    return request.message


def truth(round_, since, deltas):
    """What is queried, and the answer: one series each."""
    added = round_ - since + 1
    classic = {
        "load_ratio": -0.25 * round_,
        "calls_total": 3 * round_,
        "queue_bytes": -1.5 * round_,
        "wait_seconds_count": 2 * round_,
        "wait_seconds_sum": 9.0 * round_,
        'wait_seconds{quantile="0.5"}': 3.0 * round_,
        'wait_seconds{quantile="0.99"}': 6.0 * round_,
        "target_info": 1,
    }
    if deltas:
        classic |= {"delta_calls_total": 3 * added, "delta_queue_bytes": -1.5 * added}
    native = {}
    for prefix, rounds in (("", round_), ("delta_", added)) if deltas else (("", round_),):
        # Formats write bounds in their own ways.
        for le, count in (("0.005", 1), ("1([.]0)?", 1), ("1e[+]06|1000000([.]0)?", 3), ("[+]Inf", 4)):
            classic[f'{prefix}took_seconds_bucket{{le=~"{le}"}}'] = count * rounds
        classic[f"{prefix}took_seconds_count"] = 4 * rounds
        classic[f"{prefix}took_seconds_sum"] = 2.5 * rounds
        native[f"histogram_count({prefix}size_bytes)"] = 6 * rounds
        native[f"histogram_sum({prefix}size_bytes)"] = 5.0 * rounds
        # All that is not above zero: the zero bucket and the one below it.
        native[f"histogram_fraction(-Inf, 0.5, {prefix}size_bytes)"] = 2 / 6
    return {"classic": classic, "native": native}


def main():
    words = argparse.ArgumentParser()
    words.add_argument("target")
    words.add_argument("--rounds", default="1-1", help="the first and the last one")
    words.add_argument("--begun", type=int, required=True, help="seconds since 1970: when all counts began")
    words.add_argument("--since", type=int, default=1)
    words.add_argument("--no-deltas", action="store_true")
    words = words.parse_args()
    first, last = map(int, words.rounds.split("-"))
    stub = MetricsServiceStub(grpc.insecure_channel(words.target))
    for round_ in range(first, last + 1):
        stub.Export(build(round_, words.begun * SECOND, not words.no_deltas), timeout=20)
    print(json.dumps(truth(last, words.since, not words.no_deltas)))


if __name__ == "__main__":
    main()
