//! Sidecars' counters for `cargo xtask bench prometheus`: pushes so many series to an exporter, over the hop, several times.
//!
//! Usage: `bench-series HOST:PORT --series N --rounds N`. A sidecar has 3000 series with the labels that the mesh gives them. Prints one JSON
//! object for each round: data points, and seconds until all of them were answered.

use clap::Parser;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use std::error::Error;
use std::time::Instant;

#[derive(Parser)]
struct Words {
    target: String,
    #[arg(long)]
    series: usize,
    #[arg(long)]
    rounds: u32,
}

const SERIES_OF_A_SIDECAR: usize = 3000;
const METRICS: usize = 100;
/// Requests under way at once.
const AT_ONCE: usize = 4;
const BEGUN: u64 = 1_700_000_000_000_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let words = Words::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(push(&words))
}

async fn push(words: &Words) -> Result<(), Box<dyn Error>> {
    let client = MetricsServiceClient::connect(format!("http://{}", words.target)).await?;
    for round in 1..=words.rounds {
        let mut left = words.series;
        let (mut points, mut seconds) = (0_usize, 0.0);
        let mut sidecar = 0;
        while left > 0 {
            let mut requests = Vec::new();
            while requests.len() < AT_ONCE && left > 0 {
                let series = left.min(SERIES_OF_A_SIDECAR);
                requests.push(request(sidecar, series, round));
                (left, sidecar, points) = (left - series, sidecar + 1, points + series);
            }
            // What it takes to make the requests is not counted.
            let start = Instant::now();
            let calls: Vec<_> = requests
                .into_iter()
                .map(|request| {
                    let mut client = client.clone();
                    async move { client.export(request).await }
                })
                .collect();
            let mut tasks = tokio::task::JoinSet::new();
            calls.into_iter().for_each(|call| _ = tasks.spawn(call));
            while let Some(answer) = tasks.join_next().await {
                let answer = answer??.into_inner();
                if let Some(partial) = answer
                    .partial_success
                    .filter(|p| p.rejected_data_points > 0)
                {
                    return Err(partial.error_message.into());
                }
            }
            seconds += start.elapsed().as_secs_f64();
        }
        println!(
            "{}",
            serde_json::json!({"points": points, "seconds": seconds})
        );
    }
    Ok(())
}

fn attribute(key: &str, value: String) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value)),
        }),
        ..KeyValue::default()
    }
}

fn request(sidecar: usize, series: usize, round: u32) -> ExportMetricsServiceRequest {
    let point = |metric: usize, number: usize| NumberDataPoint {
        attributes: vec![
            attribute("mesh", "default".to_owned()),
            attribute("dataplane", format!("orders-7f6c9d5b8-{sidecar:05}.shop")),
            attribute("kuma_io_service", "orders_shop_svc_8080".to_owned()),
            attribute("kuma_io_zone", format!("zone-{}", sidecar % 3)),
            attribute(
                "envoy_cluster_name",
                format!("backend-{number}_shop_svc_8080"),
            ),
            attribute("envoy_response_code_class", (metric % 5 + 1).to_string()),
        ],
        start_time_unix_nano: BEGUN,
        time_unix_nano: BEGUN + u64::from(round) * 10_000_000_000,
        value: Some(number_data_point::Value::AsInt(i64::from(round) * 1000)),
        ..NumberDataPoint::default()
    };
    let metrics = (0..METRICS).map(|metric| {
        let numbers = (metric..series).step_by(METRICS);
        Metric {
            name: format!("envoy_cluster_upstream_rq_kind_{metric}"),
            description: "Requests to an upstream cluster.".to_owned(),
            data: Some(Data::Sum(Sum {
                data_points: numbers
                    .map(|number| point(metric, number / METRICS))
                    .collect(),
                aggregation_temporality: AggregationTemporality::Cumulative as i32,
                is_monotonic: true,
            })),
            ..Metric::default()
        }
    });
    let attributes = vec![
        attribute("service.name", "orders".to_owned()),
        attribute(
            "service.instance.id",
            format!("orders-7f6c9d5b8-{sidecar:05}"),
        ),
        attribute("k8s.namespace.name", "shop".to_owned()),
    ];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes,
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                metrics: metrics.collect(),
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}
