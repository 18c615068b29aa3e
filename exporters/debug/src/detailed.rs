//! Detailed verbosity: every field, on lines of its own.
//!
//! *Invariant:* laid out as the Collector lays it out, so that what people grep for is where they look.

mod metrics;

pub(crate) use metrics::metrics;

use crate::text::{id, line, time, typed};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;

const KINDS: [&str; 6] = [
    "Unspecified",
    "Internal",
    "Server",
    "Client",
    "Producer",
    "Consumer",
];
const CODES: [&str; 3] = ["Unset", "Ok", "Error"];
const SEVERITIES: [&str; 6] = ["Trace", "Debug", "Info", "Warn", "Error", "Fatal"];

pub(crate) fn traces(request: &ExportTraceServiceRequest) -> String {
    let mut out = String::new();
    for (index, spans) in request.resource_spans.iter().enumerate() {
        line!(out, "ResourceSpans #{index}");
        resource(&mut out, spans.resource.as_ref(), &spans.schema_url);
        for (index, spans) in spans.scope_spans.iter().enumerate() {
            line!(out, "ScopeSpans #{index}");
            line!(out, "ScopeSpans SchemaURL: {}", spans.schema_url);
            scope(&mut out, spans.scope.as_ref());
            for (index, one) in spans.spans.iter().enumerate() {
                line!(out, "Span #{index}");
                span(&mut out, one);
            }
        }
    }
    out
}

pub(crate) fn logs(request: &ExportLogsServiceRequest) -> String {
    let mut out = String::new();
    for (index, logs) in request.resource_logs.iter().enumerate() {
        line!(out, "ResourceLog #{index}");
        resource(&mut out, logs.resource.as_ref(), &logs.schema_url);
        for (index, logs) in logs.scope_logs.iter().enumerate() {
            line!(out, "ScopeLogs #{index}");
            line!(out, "ScopeLogs SchemaURL: {}", logs.schema_url);
            scope(&mut out, logs.scope.as_ref());
            for (index, one) in logs.log_records.iter().enumerate() {
                line!(out, "LogRecord #{index}");
                record(&mut out, one);
            }
        }
    }
    out
}

fn span(out: &mut String, span: &Span) {
    let status = span.status.clone().unwrap_or_default();
    let mut field = |name: &str, value: &str| line!(out, "    {name:<15}: {value}");
    field("Trace ID", &id(&span.trace_id));
    field("Parent ID", &id(&span.parent_span_id));
    field("ID", &id(&span.span_id));
    field("Name", &span.name);
    field("Kind", &named(&KINDS, span.kind));
    if !span.trace_state.is_empty() {
        field("TraceState", &span.trace_state);
    }
    field("Start time", &time(span.start_time_unix_nano));
    field("End time", &time(span.end_time_unix_nano));
    field("Status code", &named(&CODES, status.code));
    field("Status message", &status.message);
    let mut dropped = |what: &str, count: u32| {
        if count > 0 {
            field(what, &count.to_string());
        }
    };
    dropped("DroppedAttributesCount", span.dropped_attributes_count);
    dropped("DroppedEventsCount", span.dropped_events_count);
    dropped("DroppedLinksCount", span.dropped_links_count);
    attributes(out, "", "Attributes", &span.attributes);
    if !span.events.is_empty() {
        line!(out, "Events:");
    }
    for (index, event) in span.events.iter().enumerate() {
        line!(out, "SpanEvent #{index}");
        line!(out, "     -> Name: {}", event.name);
        line!(out, "     -> Timestamp: {}", time(event.time_unix_nano));
        line!(
            out,
            "     -> DroppedAttributesCount: {}",
            event.dropped_attributes_count
        );
        attributes(out, "     ", "-> Attributes:", &event.attributes);
    }
    if !span.links.is_empty() {
        line!(out, "Links:");
    }
    for (index, link) in span.links.iter().enumerate() {
        line!(out, "SpanLink #{index}");
        line!(out, "     -> Trace ID: {}", id(&link.trace_id));
        line!(out, "     -> ID: {}", id(&link.span_id));
        line!(out, "     -> TraceState: {}", link.trace_state);
        line!(
            out,
            "     -> DroppedAttributesCount: {}",
            link.dropped_attributes_count
        );
        attributes(out, "     ", "-> Attributes:", &link.attributes);
    }
}

fn record(out: &mut String, record: &LogRecord) {
    line!(
        out,
        "ObservedTimestamp: {}",
        time(record.observed_time_unix_nano)
    );
    line!(out, "Timestamp: {}", time(record.time_unix_nano));
    line!(out, "SeverityText: {}", record.severity_text);
    let number = record.severity_number;
    line!(out, "SeverityNumber: {}({number})", severity(number));
    if !record.event_name.is_empty() {
        line!(out, "EventName: {}", record.event_name);
    }
    line!(out, "Body: {}", typed(record.body.as_ref()));
    attributes(out, "", "Attributes", &record.attributes);
    if record.dropped_attributes_count > 0 {
        line!(
            out,
            "DroppedAttributesCount: {}",
            record.dropped_attributes_count
        );
    }
    line!(out, "Trace ID: {}", id(&record.trace_id));
    line!(out, "Span ID: {}", id(&record.span_id));
    line!(out, "Flags: {}", record.flags);
}

fn resource(out: &mut String, resource: Option<&Resource>, schema_url: &str) {
    line!(out, "Resource SchemaURL: {schema_url}");
    let found = resource.map_or(&[][..], |resource| &resource.attributes);
    attributes(out, "", "Resource attributes", found);
    let entities = resource.map_or(&[][..], |resource| &resource.entity_refs);
    if !entities.is_empty() {
        line!(out, "Resource entity refs:");
    }
    for (index, entity) in entities.iter().enumerate() {
        line!(out, "     -> Entity ref #{index}:");
        line!(out, "          -> Type: {}", entity.r#type);
        if !entity.schema_url.is_empty() {
            line!(out, "          -> Schema URL: {}", entity.schema_url);
        }
        for (title, keys) in [
            ("ID", &entity.id_keys),
            ("Description", &entity.description_keys),
        ] {
            if !keys.is_empty() {
                line!(out, "          -> {title} keys:");
            }
            for key in keys {
                line!(out, "               -> {key}");
            }
        }
    }
}

fn scope(out: &mut String, scope: Option<&InstrumentationScope>) {
    let none = InstrumentationScope::default();
    let scope = scope.unwrap_or(&none);
    line!(out, "InstrumentationScope {} {}", scope.name, scope.version);
    attributes(
        out,
        "",
        "InstrumentationScope attributes",
        &scope.attributes,
    );
}

fn attributes(out: &mut String, indent: &str, title: &str, attributes: &[KeyValue]) {
    if !attributes.is_empty() {
        line!(out, "{indent}{title}:");
    }
    for attribute in attributes {
        let value = typed(attribute.value.as_ref());
        line!(out, "{indent}     -> {}: {value}", attribute.key);
    }
}

/// The name of an enum's number; nothing for a number without one, as in the Collector.
fn named(names: &[&str], number: i32) -> String {
    let name = usize::try_from(number)
        .ok()
        .and_then(|number| names.get(number));
    name.map_or_else(String::new, ToString::to_string)
}

/// Four numbers share a name: `Info`, `Info2`, `Info3`, `Info4`.
fn severity(number: i32) -> String {
    let Some(index) = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_sub(1))
    else {
        return if number == 0 {
            "Unspecified".to_owned()
        } else {
            String::new()
        };
    };
    match (SEVERITIES.get(index / 4), index % 4) {
        (None, _) => String::new(),
        (Some(name), 0) => (*name).to_owned(),
        (Some(name), step) => format!("{name}{}", step + 1),
    }
}
