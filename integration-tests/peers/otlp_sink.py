"""An OTLP/gRPC backend on Google's gRPC and protobuf: an implementation that shares nothing with ours.

Usage: otlp_sink.py OUT. Prints one JSON line {"message": "sink ready", "grpc": "127.0.0.1:PORT"} on standard error.
Writes one JSON object a request to OUT before it answers: {"signal": ..., "items": n, "request_ids": [...]}, where the
ids are those in the paths of requests, which sidecars put into spans (http.url) and access log bodies.
"""
import json
import re
import signal
import sys
import threading
from concurrent import futures

import grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces

OUT = open(sys.argv[1], "a", encoding="utf-8")
LOCK = threading.Lock()
REQUEST_ID = re.compile(r"rid-\w+-\d+-end")


def spans(request):
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def records(request):
    for resource in request.resource_logs:
        for scope in resource.scope_logs:
            yield from scope.log_records


def points(request):
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                yield from getattr(metric, metric.WhichOneof("data")).data_points


def find(text):
    found = REQUEST_ID.search(text)
    return found and found.group()


def span_id(span):
    return find(next((a.value.string_value for a in span.attributes if a.key == "http.url"), ""))


def record_id(record):
    return find(record.body.string_value)


def service(name, request_type, response_type, signal_name, items, identify):
    def export(request, _context):
        found = list(items(request))
        ids = [i for i in map(identify, found) if i]
        with LOCK:
            OUT.write(json.dumps({"signal": signal_name, "items": len(found), "request_ids": ids}) + "\n")
            OUT.flush()
        return response_type()

    handler = grpc.unary_unary_rpc_method_handler(
        export, request_deserializer=request_type.FromString, response_serializer=response_type.SerializeToString)
    return grpc.method_handlers_generic_handler(name, {"Export": handler})


server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", 64 << 20)])
server.add_generic_rpc_handlers((
    service("opentelemetry.proto.collector.trace.v1.TraceService", traces.ExportTraceServiceRequest,
            traces.ExportTraceServiceResponse, "traces", spans, span_id),
    service("opentelemetry.proto.collector.logs.v1.LogsService", logs.ExportLogsServiceRequest,
            logs.ExportLogsServiceResponse, "logs", records, record_id),
    service("opentelemetry.proto.collector.metrics.v1.MetricsService", metrics.ExportMetricsServiceRequest,
            metrics.ExportMetricsServiceResponse, "metrics", points, lambda _: None),
))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
stopped = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopped.set())
print(json.dumps({"message": "sink ready", "grpc": f"127.0.0.1:{port}"}), file=sys.stderr, flush=True)
stopped.wait()
server.stop(5).wait()
