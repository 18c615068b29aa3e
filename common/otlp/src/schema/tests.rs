//! The table against the descriptors that the protobuf compiler made.

use super::{Field, Kind, Label, Message, Role, request};
use crate::Signal;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};

/// The few fields of `google.protobuf.FileDescriptorSet` that matter here.
mod descriptor {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct FileSet {
        #[prost(message, repeated, tag = "1")]
        pub(super) files: Vec<File>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct File {
        #[prost(string, tag = "2")]
        pub(super) package: String,
        #[prost(message, repeated, tag = "4")]
        pub(super) messages: Vec<Message>,
        #[prost(message, repeated, tag = "5")]
        pub(super) enums: Vec<Enum>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Message {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, repeated, tag = "2")]
        pub(super) fields: Vec<Field>,
        #[prost(message, repeated, tag = "3")]
        pub(super) messages: Vec<Self>,
        #[prost(message, repeated, tag = "4")]
        pub(super) enums: Vec<Enum>,
        #[prost(message, repeated, tag = "8")]
        pub(super) oneofs: Vec<Oneof>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Field {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(int32, tag = "3")]
        pub(super) number: i32,
        #[prost(int32, tag = "4")]
        pub(super) label: i32,
        #[prost(int32, tag = "5")]
        pub(super) kind: i32,
        #[prost(string, tag = "6")]
        pub(super) type_name: String,
        #[prost(int32, optional, tag = "9")]
        pub(super) oneof: Option<i32>,
        #[prost(string, tag = "10")]
        pub(super) json: String,
        #[prost(bool, tag = "17")]
        pub(super) optional: bool,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Oneof {
        #[prost(string, tag = "1")]
        pub(super) name: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Enum {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, repeated, tag = "2")]
        pub(super) values: Vec<Value>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Value {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(int32, tag = "2")]
        pub(super) number: i32,
    }
}

#[derive(Default)]
struct Types {
    messages: BTreeMap<String, descriptor::Message>,
    enums: BTreeMap<String, descriptor::Enum>,
}

impl Types {
    fn load() -> Self {
        let set = descriptor::FileSet::decode(opentelemetry_proto::DESCRIPTORS).unwrap();
        let mut types = Self::default();
        for file in set.files {
            let scope = format!(".{}", file.package);
            types.add(&scope, file.messages, file.enums);
        }
        types
    }

    fn add(
        &mut self,
        scope: &str,
        messages: Vec<descriptor::Message>,
        enums: Vec<descriptor::Enum>,
    ) {
        for message in messages {
            let name = format!("{scope}.{}", message.name);
            self.add(&name, message.messages.clone(), message.enums.clone());
            self.messages.insert(name, message);
        }
        for each in enums {
            self.enums.insert(format!("{scope}.{}", each.name), each);
        }
    }
}

/// The part of a full type name behind the version, without dots: `.a.b.v1.Span.Event` is `SpanEvent`.
fn short(type_name: &str) -> String {
    type_name.split_once(".v1.").unwrap().1.replace('.', "")
}

fn compare(types: &Types, message: &'static Message, full: &str, seen: &mut BTreeSet<String>) {
    if !seen.insert(full.to_owned()) {
        return;
    }
    assert_eq!(message.name, short(full));
    let theirs = &types.messages[full];
    let mut numbers: Vec<_> = theirs
        .fields
        .iter()
        .map(|field| field.number as u32)
        .collect();
    numbers.sort_unstable();
    let ours: Vec<_> = message.fields.iter().map(|field| field.number).collect();
    assert_eq!(ours, numbers, "{full}");
    for theirs_field in &theirs.fields {
        let field = message.field(theirs_field.number as u32).unwrap();
        compare_field(theirs, theirs_field, field);
        match field.kind {
            Kind::Message(inner) => compare(types, inner, &theirs_field.type_name, seen),
            Kind::Enum(names) => {
                let values = &types.enums[&theirs_field.type_name].values;
                let values: Vec<_> = values
                    .iter()
                    .map(|v| (v.number as usize, v.name.as_str()))
                    .collect();
                let names: Vec<_> = names.iter().copied().enumerate().collect();
                assert_eq!(names, values);
            }
            _ => {}
        }
    }
}

fn compare_field(message: &descriptor::Message, theirs: &descriptor::Field, ours: &Field) {
    assert_eq!(ours.name, theirs.name);
    if !theirs.json.is_empty() {
        assert_eq!(ours.json, theirs.json);
    }
    let kind = match ours.kind {
        Kind::Double => 1,
        Kind::Int64 => 3,
        Kind::Uint64 => 4,
        Kind::Int32 => 5,
        Kind::Fixed64 => 6,
        Kind::Fixed32 => 7,
        Kind::Bool => 8,
        Kind::String => 9,
        Kind::Message(_) => 11,
        Kind::Bytes | Kind::HexId => 12,
        Kind::Uint32 => 13,
        Kind::Enum(_) => 14,
        Kind::Sfixed64 => 16,
        Kind::Sint32 => 17,
    };
    assert_eq!(kind, theirs.kind, "{}", ours.name);
    let is_id = theirs.name.ends_with("trace_id") || theirs.name.ends_with("span_id");
    assert_eq!(matches!(ours.kind, Kind::HexId), is_id, "{}", ours.name);
    let label = match (theirs.label, theirs.optional, theirs.oneof, theirs.kind) {
        (3, ..) => Label::Repeated,
        (_, false, Some(oneof), _) => {
            let Label::Oneof(name) = ours.label else {
                panic!("{} is not a oneof", ours.name)
            };
            assert_eq!(name, message.oneofs[oneof as usize].name);
            ours.label
        }
        (_, true, ..) | (.., 11) => Label::Optional,
        _ => Label::Singular,
    };
    assert_eq!(ours.label, label, "{}", ours.name);
}

#[test]
fn table_is_what_the_descriptors_say() {
    let types = Types::load();
    let mut seen = BTreeSet::new();
    for (signal, name) in [
        (
            Signal::Traces,
            ".opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest",
        ),
        (
            Signal::Metrics,
            ".opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest",
        ),
        (
            Signal::Logs,
            ".opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest",
        ),
    ] {
        compare(&types, request(signal), name, &mut seen);
    }
}

/// The names on every way from the request to an item.
fn ways(message: &'static Message, way: &str, out: &mut Vec<String>) {
    for field in message.fields {
        let Kind::Message(inner) = field.kind else {
            continue;
        };
        match field.role {
            Role::Aside => {}
            Role::Container => ways(inner, &format!("{way}{}.", field.name), out),
            Role::Item => out.push(format!("{way}{}", field.name)),
        }
    }
}

#[test]
fn every_item_has_one_way_from_the_request() {
    let mut out = Vec::new();
    for signal in Signal::ALL {
        ways(request(signal), "", &mut out);
    }
    assert_eq!(
        out,
        [
            "resource_spans.scope_spans.spans",
            "resource_metrics.scope_metrics.metrics.gauge.data_points",
            "resource_metrics.scope_metrics.metrics.sum.data_points",
            "resource_metrics.scope_metrics.metrics.histogram.data_points",
            "resource_metrics.scope_metrics.metrics.exponential_histogram.data_points",
            "resource_metrics.scope_metrics.metrics.summary.data_points",
            "resource_logs.scope_logs.log_records",
        ]
    );
}

#[test]
fn annotate_reads_the_fields_that_the_table_names() {
    for signal in Signal::ALL {
        let Kind::Message(holder) = request(signal).field(1).unwrap().kind else {
            panic!()
        };
        let field = holder.field(1).unwrap();
        assert_eq!(field.name, "resource");
        let Kind::Message(resource) = field.kind else {
            panic!()
        };
        let field = resource.field(1).unwrap();
        assert_eq!(field.name, "attributes");
        let Kind::Message(key_value) = field.kind else {
            panic!()
        };
        assert_eq!(key_value.field(1).unwrap().name, "key");
        let Kind::Message(value) = key_value.field(2).unwrap().kind else {
            panic!()
        };
        assert_eq!(value.field(1).unwrap().name, "string_value");
        assert!(
            value
                .fields
                .iter()
                .all(|f| f.number <= 8 && f.label == Label::Oneof("value"))
        );
    }
}
