//! Decoded requests by their Resources.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use penstock_testkit::Request;

/// One request per Resource.
pub(crate) fn parts(request: Request) -> Vec<Request> {
    match request {
        Request::Traces(mut request) => {
            let resources = std::mem::take(&mut request.resource_spans).into_iter();
            let part = |resource| {
                let mut part = request.clone();
                part.resource_spans.push(resource);
                Request::Traces(part)
            };
            resources.map(part).collect()
        }
        Request::Metrics(mut request) => {
            let resources = std::mem::take(&mut request.resource_metrics).into_iter();
            let part = |resource| {
                let mut part = request.clone();
                part.resource_metrics.push(resource);
                Request::Metrics(part)
            };
            resources.map(part).collect()
        }
        Request::Logs(mut request) => {
            let resources = std::mem::take(&mut request.resource_logs).into_iter();
            let part = |resource| {
                let mut part = request.clone();
                part.resource_logs.push(resource);
                Request::Logs(part)
            };
            resources.map(part).collect()
        }
    }
}

/// The attributes of each Resource.
pub(crate) fn attributes(request: &mut Request) -> Vec<&mut Vec<KeyValue>> {
    match request {
        Request::Traces(request) => {
            let resources = request.resource_spans.iter_mut();
            resources
                .map(|spans| &mut spans.resource.get_or_insert_default().attributes)
                .collect()
        }
        Request::Metrics(request) => {
            let resources = request.resource_metrics.iter_mut();
            resources
                .map(|metrics| &mut metrics.resource.get_or_insert_default().attributes)
                .collect()
        }
        Request::Logs(request) => {
            let resources = request.resource_logs.iter_mut();
            resources
                .map(|logs| &mut logs.resource.get_or_insert_default().attributes)
                .collect()
        }
    }
}

/// Sets an attribute to a text, at the end when it is new.
pub(crate) fn set<'a>(
    attributes: &'a mut Vec<KeyValue>,
    key: &str,
    text: &str,
) -> &'a mut KeyValue {
    let known = attributes.iter().position(|attribute| attribute.key == key);
    let index = known.unwrap_or_else(|| {
        attributes.push(KeyValue {
            key: key.to_owned(),
            ..KeyValue::default()
        });
        attributes.len() - 1
    });
    let value = any_value::Value::StringValue(text.to_owned());
    attributes[index].value = Some(AnyValue { value: Some(value) });
    &mut attributes[index]
}
