//! Two Envoy sidecars as Kuma configures them: the client's outbound and the server's inbound listener, with
//! MeshTrace and MeshAccessLog towards a collector. Their metrics, which kuma-dp scrapes and pushes in a mesh, are pushed
//! by Envoy's own OpenTelemetry stats sink.

use crate::fail::Outcome;
use crate::process::{Process, free_port};
use crate::tools;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the sidecars reach the collector.
#[derive(Clone, Debug)]
pub(crate) enum Route {
    /// Envoy connects to the collector's port, clusters named as Kuma 3.0 and unified naming do.
    Direct { port: u16 },
    /// The same with clusters named as Kuma 2.x does by default. Envoy sends the name as `:authority`, and with its colons
    /// it is no host.
    Legacy { port: u16 },
    /// Envoy connects to another machine.
    Far { host: String, port: u16 },
    /// Envoy connects to a unix socket that something relays to the collector (`backendRef`).
    Pipe { socket: PathBuf },
}

impl Route {
    /// The cluster that spans are sent to.
    fn traces(&self) -> &'static str {
        match self {
            Self::Legacy { .. } => "meshtrace:opentelemetry",
            _ => "system_meshtrace_otel_main-collector",
        }
    }

    /// The cluster that metrics are sent to.
    const METRICS: &str = "system_meshmetric_otel_main-collector";

    /// The cluster that access logs are sent to.
    fn logs(&self) -> &'static str {
        match self {
            Self::Legacy { .. } => "meshaccesslog:opentelemetry:0",
            _ => "system_meshaccesslog_otel_main-collector",
        }
    }
}

/// A pair of running sidecars.
pub(crate) struct Sidecars {
    /// Where an application sends its requests.
    pub(crate) outbound: u16,
    client: Process,
    server: Process,
}

impl Sidecars {
    /// Starts both; requests to `outbound` end at `application`.
    pub(crate) fn start(folder: &Path, route: &Route, application: u16) -> Outcome<Self> {
        let (outbound, inbound) = (free_port()?, free_port()?);
        let client = Sidecar {
            name: "demo-client".to_owned(),
            address: "127.0.0.1",
            port: outbound,
            upstream: ("127.0.0.1", inbound),
            inbound: false,
            admin: None,
        };
        let server = Sidecar {
            name: "demo-app".to_owned(),
            address: "127.0.0.1",
            port: inbound,
            upstream: ("127.0.0.1", application),
            inbound: true,
            admin: None,
        };
        Ok(Self {
            outbound,
            client: client.start(folder, route, Command::new(tools::envoy()?))?,
            server: server.start(folder, route, Command::new(tools::envoy()?))?,
        })
    }

    /// Stops both, the client first.
    pub(crate) fn stop(self) -> Outcome {
        self.client.stop()?;
        self.server.stop()?;
        Ok(())
    }
}

pub(crate) struct Sidecar<'a> {
    /// Its service.
    pub(crate) name: String,
    /// Where it listens.
    pub(crate) address: &'a str,
    pub(crate) port: u16,
    /// What is behind it.
    pub(crate) upstream: (&'a str, u16),
    pub(crate) inbound: bool,
    /// Where it tells its counters; without it they are pushed.
    pub(crate) admin: Option<u16>,
}

/// Kuma's default access log format; the request id in it is what the tests look for.
const LOG_FORMAT: &str = "[%START_TIME%] default \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% \
    %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
    \"%REQ(X-B3-TRACEID?X-DATADOG-TRACEID)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \
    \"demo-client\" \"demo-app\" \"10.42.0.17\" \"%UPSTREAM_HOST%\"";

impl Sidecar<'_> {
    /// Starts it by a command that starts Envoy.
    pub(crate) fn start(
        &self,
        folder: &Path,
        route: &Route,
        mut command: Command,
    ) -> Outcome<Process> {
        let config = folder.join(format!("{}.json", self.name));
        fs::write(&config, serde_json::to_vec_pretty(&self.bootstrap(route))?)?;
        command
            .arg("--config-path")
            .arg(&config)
            .current_dir(folder);
        command.args([
            "--disable-hot-restart",
            "--concurrency",
            "2",
            "--log-level",
            "info",
        ]);
        let mut process = Process::start(&format!("envoy-{}", self.name), folder, &mut command)?;
        let started = "starting main dispatch loop";
        process.wait_line(started, |line| line.contains(started).then_some(()))?;
        Ok(process)
    }

    fn bootstrap(&self, route: &Route) -> Value {
        let node = format!("default.{}-7d9c5bd4b9-x2x9v.kong-mesh-demo", self.name);
        let mut bootstrap = json!({
            "node": {"id": node, "cluster": self.name},
            "statsFlushInterval": "5s",
            "staticResources": {
                "listeners": [self.listener(route)],
                "clusters": [
                    collector(route.traces(), route),
                    collector(route.logs(), route),
                    collector(Route::METRICS, route),
                    cluster("upstream", "STATIC", &socket(self.upstream.0, self.upstream.1), &json!({})),
                ],
            },
        });
        match self.admin {
            Some(port) => bootstrap["admin"] = json!({"address": socket(self.address, port)}),
            None => {
                bootstrap["statsSinks"] = json!([{
                    "name": "envoy.stat_sinks.open_telemetry",
                    "typedConfig": {
                        "@type": "type.googleapis.com/envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig",
                        "grpcService": {"envoyGrpc": {"clusterName": Route::METRICS}},
                    },
                }]);
            }
        }
        bootstrap
    }

    fn listener(&self, route: &Route) -> Value {
        let manager = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "statPrefix": self.name,
            "httpFilters": [{
                "name": "envoy.filters.http.router",
                "typedConfig": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
            }],
            "internalAddressConfig": {"cidrRanges": [{"addressPrefix": "127.0.0.1", "prefixLen": 32}]},
            "requestHeadersTimeout": "0s",
            "commonHttpProtocolOptions": {"idleTimeout": "0s"},
            "tracing": self.tracing(route),
            "accessLog": [self.access_log(route)],
            "routeConfig": {
                "name": "route",
                "validateClusters": false,
                "virtualHosts": [{
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "15s"}}],
                }],
            },
        });
        json!({
            "name": self.name,
            "trafficDirection": if self.inbound { "INBOUND" } else { "OUTBOUND" },
            "enableReusePort": true,
            "address": socket(self.address, self.port),
            "filterChains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typedConfig": manager,
            }]}],
        })
    }

    fn tracing(&self, route: &Route) -> Value {
        let tag = |name: &str, value: &str| json!({"tag": name, "literal": {"value": value}});
        json!({
            "spawnUpstreamSpan": false,
            "overallSampling": {"value": 100},
            "customTags": [
                tag("kuma.mesh", "default"),
                tag("kuma.zone", "zone-1"),
                tag("kuma.workload", &self.name),
            ],
            "provider": {
                "name": "envoy.tracers.opentelemetry",
                "typedConfig": {
                    "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                    "grpcService": {"envoyGrpc": {"clusterName": route.traces()}},
                    "serviceName": self.name,
                },
            },
        })
    }

    fn access_log(&self, route: &Route) -> Value {
        let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        json!({
            "name": "envoy.access_loggers.open_telemetry",
            "typedConfig": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
                "logName": "MeshAccessLog",
                "grpcService": {"envoyGrpc": {"clusterName": route.logs()}},
                "body": {"stringValue": LOG_FORMAT},
                "attributes": {},
                "resourceAttributes": {"values": [
                    text("kuma.mesh", "default"),
                    text("kuma.zone", "zone-1"),
                    text("kuma.workload", &self.name),
                ]},
            },
        })
    }
}

fn socket(address: &str, port: u16) -> Value {
    json!({"socketAddress": {"address": address, "portValue": port}})
}

fn collector(name: &str, route: &Route) -> Value {
    let http2 = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicitHttpConfig": {"http2ProtocolOptions": {}},
        },
    });
    match route {
        Route::Direct { port } | Route::Legacy { port } => {
            cluster(name, "STRICT_DNS", &socket("localhost", *port), &http2)
        }
        Route::Far { host, port } => cluster(name, "STRICT_DNS", &socket(host, *port), &http2),
        Route::Pipe { socket } => cluster(
            name,
            "STATIC",
            &json!({"pipe": {"path": socket.to_string_lossy()}}),
            &http2,
        ),
    }
}

fn cluster(name: &str, kind: &str, address: &Value, options: &Value) -> Value {
    json!({
        "name": name,
        // Colons have a meaning in names of statistics.
        "altStatName": name.replace(':', "_"),
        "type": kind,
        "dnsLookupFamily": "V4_ONLY",
        "connectTimeout": "5s",
        "typedExtensionProtocolOptions": options,
        "loadAssignment": {
            "clusterName": name,
            "endpoints": [{"lbEndpoints": [{"endpoint": {"address": address}}]}],
        },
    })
}
