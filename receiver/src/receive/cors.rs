//! What browsers ask before they let a page send, and what they want to read in an answer: the fetch standard's CORS.
//!
//! An allowed origin is named back to itself, also where the settings say `*`: a browser takes a bare `*` for nothing that
//! goes with credentials, and `navigator.sendBeacon` always does. Nothing here is kept from a sender by this: whoever is no
//! browser needs no permission.

use ::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use ::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, request};
use bytes::Bytes;
use http_body_util::Full;
use penstock_settings::Cors as Settings;

#[cfg(test)]
mod tests;

/// Headers that a page may send without being allowed to by name; those of the Collector.
const USUAL_HEADERS: [&str; 4] = ["accept", "content-type", "origin", "x-requested-with"];
/// What answers depend on, for caches between.
const ASKED: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

/// Which pages may send.
#[derive(Clone, Debug)]
pub(crate) struct Cors {
    settings: Settings,
    exposed: Option<HeaderValue>,
}

impl Cors {
    pub(crate) fn new(settings: &Settings) -> Self {
        let exposed = settings.exposed_headers.join(", ");
        Self {
            settings: settings.clone(),
            exposed: HeaderValue::try_from(exposed)
                .ok()
                .filter(|exposed| !exposed.is_empty()),
        }
    }

    /// The answer to a browser that asks whether a page may send; `None` for anything else.
    pub(crate) fn preflight(&self, head: &request::Parts) -> Option<Response<Full<Bytes>>> {
        let asks = head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if head.method != Method::OPTIONS || !asks || !head.headers.contains_key(ORIGIN) {
            return None;
        }
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        answer.insert(VARY, HeaderValue::from_static(ASKED));
        // Without these headers the answer is no.
        if let Some(origin) = self.allowed(&head.headers)
            && head.headers[ACCESS_CONTROL_REQUEST_METHOD] == "POST"
            && self.allows_headers(&head.headers)
        {
            allow(answer, origin);
            answer.insert(
                ACCESS_CONTROL_ALLOW_METHODS,
                HeaderValue::from_static("POST"),
            );
            if let Some(asked) = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
            let age = self.settings.max_age.as_secs();
            if age > 0 {
                answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(age));
            }
        }
        Some(response)
    }

    /// Lets the page that asked read an answer.
    pub(crate) fn mark(&self, asked: &HeaderMap, answer: &mut HeaderMap) {
        answer.append(VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.allowed(asked) else {
            return;
        };
        allow(answer, origin);
        if let Some(exposed) = &self.exposed {
            answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
        }
    }

    /// The origin of a request, if pages of it may send.
    fn allowed<'h>(&self, asked: &'h HeaderMap) -> Option<&'h HeaderValue> {
        let origin = asked.get(ORIGIN)?;
        let name = origin.to_str().ok()?.to_ascii_lowercase();
        let mut patterns = self.settings.allowed_origins.iter();
        patterns
            .any(|pattern| matches(pattern, &name))
            .then_some(origin)
    }

    fn allows_headers(&self, asked: &HeaderMap) -> bool {
        let allowed = &self.settings.allowed_headers;
        let lists = asked.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
        lists.map(HeaderValue::to_str).all(|list| {
            list.is_ok_and(|list| {
                let names = list
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty());
                names.map(str::to_ascii_lowercase).all(|name| {
                    let is =
                        |allowed: &String| allowed == "*" || allowed.eq_ignore_ascii_case(&name);
                    USUAL_HEADERS.contains(&name.as_str()) || allowed.iter().any(is)
                })
            })
        })
    }
}

fn allow(answer: &mut HeaderMap, origin: &HeaderValue) {
    answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    answer.insert(
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        HeaderValue::from_static("true"),
    );
}

/// Whether an origin is of a pattern, which may have one `*`.
fn matches(pattern: &str, origin: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == origin,
        Some((before, after)) => {
            origin.len() >= before.len() + after.len()
                && origin.starts_with(before)
                && origin.ends_with(after)
        }
    }
}
