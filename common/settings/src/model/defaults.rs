//! Default values, each with its reason in the documentation of the field.

use super::{
    Backend, Batch, ComponentId, Debug, DiskLog, Exporter, ExporterHop, ExporterKind, GrpcServer,
    HealthCheck, Hop, HttpServer, Identity, Keepalive, LogSettings, OnFull, Retry, Rotation,
    StartAt, Storage, SyncPolicy, Telemetry, Verbosity,
};
use penstock_otlp::{Signal, compress::Encoding};
use std::collections::BTreeMap;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// Largest message that may be configured: OTLP's recommended limit, and room for a few at once in a small budget.
pub(crate) const MAX_MESSAGE_BYTES: usize = 64 * MIB;

impl Default for Batch {
    fn default() -> Self {
        Self {
            send_batch_size: 8192,
            send_batch_max_size: 0,
            timeout: Duration::from_millis(200),
            max_bytes: 4 * MIB - 64 * 1024,
        }
    }
}

impl Default for GrpcServer {
    fn default() -> Self {
        Self {
            endpoint: "localhost:4317".to_owned(),
            tls: None,
            auth: None,
            max_message_bytes: 16 * MIB,
            max_concurrent_streams: 1024,
            keepalive: Keepalive::default(),
        }
    }
}

impl Default for Keepalive {
    fn default() -> Self {
        Self {
            max_connection_idle: None,
            max_connection_age: Some(Duration::from_secs(600)),
            max_connection_age_grace: Duration::from_secs(30),
            time: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
        }
    }
}

impl Default for HttpServer {
    fn default() -> Self {
        Self {
            endpoint: "localhost:4318".to_owned(),
            tls: None,
            auth: None,
            cors: None,
            response_headers: Vec::new(),
            paths: Signal::ALL.map(|signal| signal.http_path().to_owned()),
            max_body_bytes: 16 * MIB,
            read_header_timeout: Duration::from_secs(10),
            read_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            max_concurrent_streams: 1024,
            keepalive: Keepalive::default(),
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            enabled: true,
            initial_interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(30),
            multiplier: 1.5,
            randomization_factor: 0.5,
            max_elapsed_time: None,
        }
    }
}

impl Exporter {
    /// An exporter of which the file says nothing but what it sends to.
    #[must_use]
    pub fn new(id: ComponentId, backend: Backend) -> Self {
        let timeout = match backend {
            Backend::OtlpHttp(_) => 30,
            _ => 5,
        };
        Self {
            timeout: Duration::from_secs(timeout),
            retry: Retry::default(),
            batches_in_flight: match backend {
                // Samples of a series have to come in order.
                Backend::RemoteWrite(_) => 1,
                _ => 10,
            },
            queue_limit: None,
            batch: None,
            hop: ExporterHop::of(&id),
            backend,
            id,
        }
    }
}

impl ExporterHop {
    /// Where an exporter is when the file does not say: a Service named after its id, as the chart names it.
    #[must_use]
    pub fn of(id: &ComponentId) -> Self {
        // A Service's name has no slash, no underscore and no capitals.
        let name = id.0.to_lowercase().replace(['/', '_', '.'], "-");
        Self {
            replicas: vec![format!("dns:///penstock-exporter-{name}:4400")],
            listen: "0.0.0.0:4400".to_owned(),
            admin: "0.0.0.0:8888".to_owned(),
            max_concurrent_batches: 64,
            affinity: matches!(
                id.exporter_kind(),
                Some(ExporterKind::Prometheus | ExporterKind::PrometheusRemoteWrite)
            ),
            tls: None,
        }
    }
}

impl Default for Debug {
    fn default() -> Self {
        Self {
            verbosity: Verbosity::Basic,
            sampling_initial: 2,
            sampling_thereafter: 1,
        }
    }
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            max_bytes: 100 * MIB as u64,
            max_days: 0,
            max_backups: 100,
            localtime: false,
        }
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            endpoint: "localhost:13133".to_owned(),
            path: "/".to_owned(),
            healthy_body: String::new(),
            unhealthy_body: String::new(),
        }
    }
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log_level: "info".to_owned(),
            log_json: false,
            log_outputs: vec!["stderr".to_owned()],
            log_fields: BTreeMap::new(),
            resource: BTreeMap::new(),
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            block_bytes: MIB,
            storage: Storage::Disk(DiskLog::default()),
            new_exporter: StartAt::Tail,
        }
    }
}

impl Default for DiskLog {
    fn default() -> Self {
        Self {
            directory: "/var/lib/penstock".into(),
            max_bytes: 2048 * MIB as u64,
            segment_bytes: 32 * MIB as u64,
            sync: SyncPolicy::Interval(Duration::from_secs(1)),
            linger: Duration::from_millis(1),
            on_full: OnFull::Hold,
        }
    }
}

impl Default for Hop {
    fn default() -> Self {
        Self {
            timeout_margin: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(3),
            keepalive_time: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(5),
            resolve_interval: Duration::from_secs(5),
            eject_for: Duration::from_secs(1),
            move_after: Duration::from_secs(10),
            compression: Encoding::Identity,
            tls: None,
        }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            pod_ip: true,
            trust_forwarded_for: true,
            metrics_instance_id: true,
            metrics_service_name: true,
            logs_service_name: true,
        }
    }
}
