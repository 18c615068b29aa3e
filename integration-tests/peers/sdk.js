// The OpenTelemetry SDK for JavaScript as an OTLP/HTTP JSON client, all three signals.
//
// Usage: node sdk.js ENDPOINT OUT, run where node_modules has the SDK. Writes what it sent to OUT, one OTLP JSON
// request a line: the bytes that left, taken from the HTTP request itself.
'use strict';
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { createRequire } = require('node:module');
const load = createRequire(path.join(process.cwd(), 'package.json'));

const [endpoint, out] = process.argv.slice(2);
const sent = fs.openSync(out, 'w');
const request = http.request;
http.request = (...args) => {
  const outgoing = request(...args);
  const chunks = [];
  const { write, end } = outgoing;
  outgoing.write = (chunk, ...rest) => { chunks.push(Buffer.from(chunk)); return write.call(outgoing, chunk, ...rest); };
  outgoing.end = (chunk, ...rest) => {
    if (chunk && typeof chunk !== 'function') chunks.push(Buffer.from(chunk));
    fs.writeSync(sent, Buffer.concat(chunks).toString('utf8') + '\n');
    return end.call(outgoing, chunk, ...rest);
  };
  return outgoing;
};

const { BasicTracerProvider, SimpleSpanProcessor } = load('@opentelemetry/sdk-trace-base');
const { MeterProvider, PeriodicExportingMetricReader } = load('@opentelemetry/sdk-metrics');
const { LoggerProvider, SimpleLogRecordProcessor } = load('@opentelemetry/sdk-logs');
const { OTLPTraceExporter } = load('@opentelemetry/exporter-trace-otlp-http');
const { OTLPMetricExporter } = load('@opentelemetry/exporter-metrics-otlp-http');
const { OTLPLogExporter } = load('@opentelemetry/exporter-logs-otlp-http');

async function main() {
  const tracing = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter({ url: `${endpoint}/v1/traces` }))],
  });
  const tracer = tracing.getTracer('e2e', '1.0');
  for (let i = 0; i < 20; i += 1) {
    const span = tracer.startSpan(`span ${i}`, { kind: 2, attributes: { n: i, text: 'grüße', list: ['a', 'b'], ratio: 0.5 } });
    span.addEvent('event', { yes: true });
    span.end();
  }
  await tracing.forceFlush();

  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter({ url: `${endpoint}/v1/metrics` }), exportIntervalMillis: 3_600_000,
  });
  const metering = new MeterProvider({ readers: [reader] });
  const meter = metering.getMeter('e2e', '1.0');
  const counter = meter.createCounter('requests', { unit: '1' });
  const histogram = meter.createHistogram('latency', { unit: 'ms' });
  for (let i = 0; i < 50; i += 1) {
    counter.add(i, { route: `/${i % 5}` });
    histogram.record(i * 3.7);
  }
  await metering.shutdown();

  const logging = new LoggerProvider({
    processors: [new SimpleLogRecordProcessor({ exporter: new OTLPLogExporter({ url: `${endpoint}/v1/logs` }) })],
  });
  const logger = logging.getLogger('e2e', '1.0');
  for (let i = 0; i < 20; i += 1) {
    logger.emit({ severityNumber: 9, severityText: 'INFO', body: { text: `record ${i}`, n: i }, attributes: { n: i } });
  }
  await logging.forceFlush();
  await tracing.shutdown();
  await logging.shutdown();
}

main().catch((error) => { console.error(error); process.exit(1); });
