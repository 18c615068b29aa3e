"""The same OTLP to two collectors, and whether their pages for Prometheus say the same: names, labels and values of all series.

`prometheus_pages.py OURS THEIRS --page NAME=OURS,THEIRS ...`: the first two take OTLP over gRPC, pages are scraped. What is sent is every
captured request with metrics, one data point of every type, and names and units that are hard. Where the pages are meant to differ is in
`MEANT`, each with the reason; one that is no longer seen is a fault as well. Prints one JSON line: series that are the same by page.
"""

import argparse
import json
import math
import pathlib
import re
import time
import urllib.request

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import MetricsServiceStub
from prometheus_client.parser import text_string_to_metric_families as families

import metric_types

FIXTURES = pathlib.Path(__file__).parents[2] / "fixtures/otlp"
NAMES = (
    "a", "a.b", "a..b", "a__b", "_a", "1a", "a:b", "a-b", "a total", "a_total", "a.total", "total.a", "a_ratio", "a_seconds", "a.seconds",
    "a_bytes", "a_by", "a_per_second", "a.bytes.per.second", "grüße.aus", "a_bucket", "a_count", "a_sum", "a_info", "envoy_cluster_upstream_rq_total",
)  # fmt: skip
UNITS = ("", "1", "s", "ms", "By", "KiBy", "{call}", "By/s", "{call}/s", "1/m", "m/h", "%", "Cel", "V", "{a}{b}", "odd unit", "By_s")
LABELS = ("a.b", "_a", "1a", "key", "straße", "a..b", "job2", "otel_x")
SHAPES = ("gauge", "counter", "sum")


# A name, whose series it is (`ours` or `theirs`), and why only that one has it.
MEANT = (
    ("(my_mesh_)?delta[._]queue(_bytes)?", "ours", "a delta of what goes up and down is added up; the Collector leaves it out"),
    ("(my_mesh_)?target_info", "theirs", "a Resource of which nothing is told but job and instance needs no target_info"),
    ("my_mesh_target_info", "ours", "const_labels are on it too, as on every other series"),
)


def hard(shapes, names, units):
    """A service for each metric, so that none meets another one whose name becomes the same."""
    request = ExportMetricsServiceRequest()
    number = 0
    for shape in shapes:
        for name in names:
            for unit in units:
                number += 1
                holder = request.resource_metrics.add()
                for key, value in (("service.name", "hard"), ("service.namespace", "peer"), ("service.instance.id", f"{shape} {name} {unit}")):
                    holder.resource.attributes.add(key=key).value.string_value = value
                # Types that would meet under one name are kept apart.
                prefix = "" if shape == "counter" else shape[0]
                metric = holder.scope_metrics.add().metrics.add(name=prefix + name, unit=unit)
                data = metric.gauge if shape == "gauge" else metric.sum
                if shape != "gauge":
                    data.is_monotonic, data.aggregation_temporality = shape == "counter", metric_types.CUMULATIVE
                point = data.data_points.add(as_int=number, time_unix_nano=metric_types.SECOND * int(time.time()))
                for label in LABELS:
                    point.attributes.add(key=label).value.string_value = f"of {label}"
    return request


def captured():
    for path in sorted(FIXTURES.glob("*-metrics-*.pb")):
        request = ExportMetricsServiceRequest.FromString(path.read_bytes())
        for number, holder in enumerate(request.resource_metrics):
            if not any(attribute.key == "service.instance.id" for attribute in holder.resource.attributes):
                holder.resource.attributes.add(key="service.instance.id").value.string_value = f"{path.name} {number}"
        yield request


def page(address):
    accept = "text/plain;version=1.0.0;escaping=allow-utf-8,text/plain;version=0.0.4;q=0.5"
    request = urllib.request.Request(f"http://{address}/metrics", headers={"accept": accept})
    with urllib.request.urlopen(request, timeout=60) as answer:
        body = answer.read().decode()
    found = {}
    for family in families(body):
        for sample in family.samples:
            if sample.name.startswith("penstock_exporter_"):
                continue
            labels = dict(sample.labels)
            for bound in ("le", "quantile"):
                if bound in labels:
                    labels[bound] = float(labels[bound])
            key = (sample.name, tuple(sorted((k, str(v)) for k, v in labels.items() if v != "")))
            assert key not in found, f"{address}: {key} is there twice"
            found[key] = (sample.value, sample.timestamp, family.type)
    return found


def same(one, other):
    return one is not None and other is not None and one[1:] == other[1:] and (one[0] == other[0] or math.isnan(one[0]) and math.isnan(other[0]))


def main():
    words = argparse.ArgumentParser()
    words.add_argument("ours")
    words.add_argument("theirs")
    words.add_argument("--page", action="append", required=True)
    words = words.parse_args()
    begun = (int(time.time()) - 100) * metric_types.SECOND
    requests = [*captured(), hard(SHAPES, ("a",), UNITS), hard(SHAPES, NAMES, ("", "1", "s", "By/s"))]
    requests += [metric_types.build(round_, begun, True) for round_ in (1, 2)]
    stubs = [MetricsServiceStub(grpc.insecure_channel(target)) for target in (words.ours, words.theirs)]
    for request in requests:
        for stub in stubs:
            stub.Export(request, timeout=20)
    # What was taken is on a page a little later.
    pages, until = dict(word.split("=") for word in words.page), time.monotonic() + 30
    compared = {name: None for name in pages}
    while True:
        for name, addresses in pages.items():
            if compared[name] is None or compared[name][2]:
                compared[name] = compare(*map(page, addresses.split(",")))
        if time.monotonic() > until or not any(differ for _, _, differ in compared.values()):
            break
    faults = [(name, *fault) for name, (_, _, differ) in compared.items() for fault in differ]
    assert not faults, f"{len(faults)} differ, among them {faults[:5]}"
    seen = set().union(*(meant for _, meant, _ in compared.values()))
    assert seen == set(MEANT), f"no longer differ: {set(MEANT) - seen}"
    print(json.dumps({name: alike for name, (alike, _, _) in compared.items()}))


def may(key, others):
    """A `target_info` may be missing when it tells nothing, and otherwise differs in `const_labels` alone."""
    name, labels = key
    if not name.endswith("target_info"):
        return True
    const = ("region", "west")
    has_const = (name, tuple(sorted(label for label in (*labels, const)))) in others
    has_none = (name, tuple(label for label in labels if label != const)) in others
    return {label for label, _ in labels} <= {"job", "instance"} or has_const or (const in labels and has_none)


def compare(ours, theirs):
    """How many series are alike, which differences are meant, and which are not."""
    alike, meant, differ = 0, set(), []
    for key in ours.keys() | theirs.keys():
        one, other = ours.get(key), theirs.get(key)
        if same(one, other):
            alike += 1
            continue
        side = "theirs" if one is None else "ours" if other is None else "both"
        reasons = [line for line in MEANT if line[1] == side and re.fullmatch(line[0], key[0]) and may(key, theirs if side == "ours" else ours)]
        meant.update(reasons)
        if not reasons:
            differ.append((key, one, other))
    return alike, meant, differ


main()
