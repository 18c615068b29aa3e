//! The settings page names every key that the raw structs and their notes know. That it is right is for readers.

use super::{Note, auth, exporters, extensions, penstock, processors, receiver, service, tls};
use serde::de::{
    self, Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer,
    MapAccess, Visitor,
};
use serde::forward_to_deserialize_any;

const PAGE: &str = include_str!("../../../../docs/settings.md");

/// Goes down a path of field names and notes the fields of the struct that it ends at.
struct Fields<'a> {
    path: &'a [String],
    found: &'a mut Vec<String>,
}

type Stop = de::value::Error;

fn stop() -> Stop {
    de::Error::custom("nothing more to learn here")
}

impl<'de> Deserializer<'de> for Fields<'_> {
    type Error = Stop;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Stop> {
        Err(stop())
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        visitor.visit_some(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.deserialize_struct("", &["<id>"], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        if self.path.is_empty() {
            self.found
                .extend(fields.iter().map(|field| (*field).to_owned()));
            return Err(stop());
        }
        visitor.visit_map(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct enum identifier ignored_any
    }
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Stop;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Stop> {
        let key: de::value::StrDeserializer<'_, Stop> = self.path[0].as_str().into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Stop> {
        seed.deserialize(Fields {
            path: &self.path[1..],
            found: self.found,
        })
    }
}

/// The dotted paths of all leaves below a struct.
fn leaves<T: DeserializeOwned>() -> Vec<String> {
    fn walk<T: DeserializeOwned>(path: &mut Vec<String>, leaves: &mut Vec<String>) {
        let mut found = Vec::new();
        let _ = <T as Deserialize>::deserialize(Fields {
            path,
            found: &mut found,
        });
        if found.is_empty() {
            leaves.push(path.join("."));
        }
        for field in found {
            path.push(field);
            walk::<T>(path, leaves);
            path.pop();
        }
    }
    let mut leaves = Vec::new();
    walk::<T>(&mut Vec::new(), &mut leaves);
    leaves
}

fn noted(notes: &[Note]) -> Vec<String> {
    notes.iter().map(|note| note.path.to_owned()).collect()
}

/// The part of the page below a heading.
fn section(heading: &str) -> &'static str {
    let start = PAGE
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no heading {heading}"));
    let rest = &PAGE[start + heading.len() + 2..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

fn documented(heading: &str, prefix: &str, keys: &[String]) {
    let section = section(heading);
    assert!(!keys.is_empty());
    for key in keys {
        assert!(
            section.contains(&format!("`{prefix}{key}`")),
            "`{prefix}{key}` is not below {heading}"
        );
    }
}

#[test]
fn page_names_every_penstock_key() {
    let keys = leaves::<penstock::Penstock>();
    assert!(keys.contains(&"memory.shares.traces".to_owned()));
    assert!(keys.contains(&"exporters.<id>.replicas".to_owned()));
    documented("## The `penstock` section", "penstock.", &keys);
}

#[test]
fn page_names_every_key_of_the_collector_that_is_known() {
    documented(
        "## `otlp` receiver",
        "",
        &[
            leaves::<receiver::Receiver>()
                .into_iter()
                .filter(|key| !key.ends_with(".client_names"))
                .collect(),
            noted(receiver::NOTES),
            noted(tls::SERVER_NOTES),
        ]
        .concat(),
    );
    let limiter = [
        leaves::<processors::MemoryLimiter>(),
        noted(processors::MEMORY_LIMITER_NOTES),
    ]
    .concat();
    documented("## `memory_limiter` processor", "", &limiter);
    documented(
        "## `batch` processor",
        "",
        &[
            leaves::<processors::Batch>(),
            noted(processors::BATCH_NOTES),
        ]
        .concat(),
    );
    let of_all: Vec<_> = leaves::<exporters::Common>();
    let own = |keys: Vec<String>| -> Vec<String> {
        keys.into_iter()
            .filter(|key| !of_all.contains(key) && !key.starts_with("tls."))
            .collect()
    };
    documented(
        "## Keys of every exporter",
        "",
        &[of_all.clone(), noted(exporters::QUEUE_NOTES)].concat(),
    );
    let of_tls = leaves::<exporters::OtlpGrpc>()
        .into_iter()
        .filter(|key| key.starts_with("tls."));
    documented(
        "## `tls` of an exporter",
        "",
        &of_tls.chain(noted(tls::CLIENT_NOTES)).collect::<Vec<_>>(),
    );
    let grpc = [
        own(leaves::<exporters::OtlpGrpc>()),
        noted(exporters::OTLP_GRPC_NOTES),
    ]
    .concat();
    documented("## `otlp` exporter (`otlp_grpc`)", "", &grpc);
    let http = [
        own(leaves::<exporters::OtlpHttp>()),
        noted(exporters::OTLP_HTTP_NOTES),
    ]
    .concat();
    documented("## `otlphttp` exporter (`otlp_http`)", "", &http);
    let debug = [
        own(leaves::<exporters::Debug>()),
        noted(exporters::DEBUG_NOTES),
    ]
    .concat();
    documented("## `debug` exporter", "", &debug);
    let file = [
        own(leaves::<exporters::File>()),
        noted(exporters::FILE_NOTES),
    ]
    .concat();
    documented("## `file` exporter", "", &file);
    let file_storage = [
        leaves::<extensions::FileStorage>(),
        noted(extensions::FILE_STORAGE_NOTES),
    ]
    .concat();
    documented("## `file_storage` extension", "", &file_storage);
    let bearer = leaves::<auth::BearerTokenAuth>();
    documented("## `bearertokenauth` extension", "", &bearer);
    let basic = leaves::<auth::BasicAuth>();
    documented("## `basicauth` extension", "", &basic);
    let setter = [leaves::<auth::HeadersSetter>(), noted(auth::SETTER_NOTES)].concat();
    documented("## `headers_setter` extension", "", &setter);
    let health_check = [
        leaves::<extensions::HealthCheck>(),
        noted(extensions::HEALTH_CHECK_NOTES),
    ]
    .concat();
    documented("## `health_check` extension", "", &health_check);
}

#[test]
fn page_names_every_key_of_the_service() {
    let service = leaves::<service::Service>()
        .into_iter()
        .filter(|key| !key.starts_with("pipelines"));
    documented(
        "## `service`",
        "",
        &service.chain(noted(service::NOTES)).collect::<Vec<_>>(),
    );
    documented(
        "## `service`",
        "pipelines.<id>.",
        &leaves::<service::Pipeline>(),
    );
}
