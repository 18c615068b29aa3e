//! What is counted of handshakes and of files that change.

use crate::Reason;
use crate::watch::Expiry;
use metrics::{counter, gauge};
use penstock_metrics::{Metric, Unit};

const HANDSHAKE_FAILURES: Metric = Metric::counter(
    "penstock_tls_handshake_failures_total",
    Unit::One,
    &["setting", "reason"],
    "TLS handshakes that failed, by the section of the configuration that they are of: `plaintext`, `no_certificate`, `unknown_authority`, `expired`, `not_yet_valid`, `wrong_name`, `client_name` (not among `client_names`), `refused_by_peer`, `nothing_in_common`, `slow`, `gone`, `other`.",
);
const CERTIFICATE_EXPIRY: Metric = Metric::gauge(
    "penstock_tls_certificate_expiry_seconds",
    Unit::Seconds,
    &["setting"],
    "When the certificates in use end, in seconds since 1970, by the key that names them: of a chain the first to end, of authorities the last.",
);
const RELOADS: Metric = Metric::counter(
    "penstock_files_reloads_total",
    Unit::One,
    &["setting", "result"],
    "Files of certificates or credentials that have changed and are used from then on (`used`), and looks at files that cannot be used (`faulty`).",
);
const FAULTY: Metric = Metric::gauge(
    "penstock_files_faulty",
    Unit::One,
    &["setting"],
    "1 while files of certificates or credentials have changed and cannot be used: what was read before stays in use.",
);

/// All of them.
pub const METRICS: &[Metric] = &[HANDSHAKE_FAILURES, CERTIFICATE_EXPIRY, RELOADS, FAULTY];

pub(crate) fn handshake_failed(setting: &str, reason: Reason) {
    let labels = [
        ("setting", setting.to_owned()),
        ("reason", reason.label().to_owned()),
    ];
    counter!(HANDSHAKE_FAILURES.name, &labels).increment(1);
}

pub(crate) fn expiry(expiry: &Expiry) {
    let labels = [("setting", expiry.setting.clone())];
    gauge!(CERTIFICATE_EXPIRY.name, &labels).set(expiry.seconds as f64);
}

/// How a look at files went: `None` if all is as it was.
pub(crate) fn looked(setting: &str, result: Option<&'static str>, faulty: bool) {
    let label = || setting.to_owned();
    for known in ["used", "faulty"] {
        let count = counter!(RELOADS.name, "setting" => label(), "result" => known);
        count.increment(u64::from(result == Some(known)));
    }
    gauge!(FAULTY.name, "setting" => label()).set(u8::from(faulty));
}
