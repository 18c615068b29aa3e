"""The OpenTelemetry SDK for Python as a client, all three signals.

Usage: sdk.py grpc|http ENDPOINT OUT. Writes what it sent, as the SDK encoded it, to OUT: one OTLP JSON request a line.
"""
import base64
import json
import logging
import sys

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

protocol, endpoint, out = sys.argv[1:]
OUT = open(out, "w", encoding="utf-8")

if protocol == "grpc":
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    settings = [dict(endpoint=endpoint, insecure=True)] * 3
else:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.exporter.otlp.proto.http import Compression
    settings = [dict(endpoint=endpoint + "/v1/" + s, compression=Compression.Gzip) for s in ("traces", "metrics", "logs")]


def hexed(value):
    """OTLP's JSON has ids in hex where protobuf's has base64."""
    if isinstance(value, dict):
        return {k: base64.b64decode(v).hex() if k in ("traceId", "spanId", "parentSpanId") else hexed(v)
                for k, v in value.items()}
    return [hexed(v) for v in value] if isinstance(value, list) else value


def note(request):
    OUT.write(json.dumps(hexed(MessageToDict(request, use_integers_for_enums=True))) + "\n")


def noting(exporter_type, encode):
    """The SDK's exporter, which also writes down what it encodes."""
    class Noting(exporter_type):
        def export(self, batch, *args, **kwargs):
            note(encode(batch))
            result = super().export(batch, *args, **kwargs)
            assert result.name == "SUCCESS", f"{exporter_type.__name__} answered {result}"
            return result
    return Noting


resource = Resource.create({"service.name": "python-sdk", "protocol": protocol, "answer": 42, "ratio": 0.5, "flags": [True, False]})

tracer_provider = TracerProvider(resource=resource)
tracer_provider.add_span_processor(SimpleSpanProcessor(noting(OTLPSpanExporter, encode_spans)(**settings[0])))
tracer = tracer_provider.get_tracer("e2e", "1.0", attributes={"scope": "attribute"})
for i in range(20):
    with tracer.start_as_current_span(f"parent {i}", kind=SpanKind.SERVER, attributes={"n": i, "text": "grüße"}) as span:
        span.add_event("event", {"bytes": b"\x00\xff".hex()})
        with tracer.start_as_current_span("child", kind=SpanKind.CLIENT) as child:
            child.set_status(Status(StatusCode.ERROR, "no luck"))

reader = PeriodicExportingMetricReader(noting(OTLPMetricExporter, encode_metrics)(**settings[1]), export_interval_millis=3_600_000)
meter_provider = MeterProvider(resource=resource, metric_readers=[reader])
meter = meter_provider.get_meter("e2e", "1.0")
counter, gauge = meter.create_counter("requests", "1", "requests seen"), meter.create_gauge("temperature", "Cel")
histogram = meter.create_histogram("latency", "ms")
for i in range(50):
    counter.add(i, {"route": f"/{i % 5}"})
    gauge.set(i * 0.25, {"room": i % 3})
    histogram.record(i * 3.7)
meter_provider.shutdown()

logger_provider = LoggerProvider(resource=resource)
logger_provider.add_log_record_processor(SimpleLogRecordProcessor(noting(OTLPLogExporter, encode_logs)(**settings[2])))
logger = logging.getLogger("e2e")
logger.propagate = False
logger.addHandler(LoggingHandler(logger_provider=logger_provider))
for i in range(20):
    logger.error("record %d", i, extra={"n": i})

tracer_provider.shutdown()
logger_provider.shutdown()
OUT.close()
