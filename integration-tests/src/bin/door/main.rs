//! A front door alone, for `cargo xtask bench`: the same answers by `common/http2` and by stock tonic.
//!
//! Usage: `bench-door penstock|tonic none|append|forward=HOST:PORT`. With `none` a message is received whole and answered with
//! OK; with `append` it is also checked and copied into a block in memory, by the same code behind both. With `forward` it is
//! copied into a batch, unseen, and batches go to that address: what the least of collectors does. Prints
//! `{"message": "door ready", "grpc": ...}` on standard error and, on SIGTERM, `{"message": "door closed", "calls": n,
//! "items": n}`; items are counted by `append` alone.

mod forward;
mod stages;
mod stock;

use forward::Forward;
use penstock_http2::Http2Settings;
use penstock_integration_tests::unary;
use penstock_runtime::signals;
use stages::{Behind, Stages};
use std::error::Error;
use std::sync::Arc;
use tokio::net::TcpListener;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "usage: bench-door penstock|tonic none|append|forward=HOST:PORT";

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let [door @ ("penstock" | "tonic"), behind] = words.as_slice() else {
        return Err(USAGE.into());
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let behind = match (*behind, behind.strip_prefix("forward=")) {
            ("none", _) => Behind::Nothing,
            ("append", _) => Behind::Append(std::sync::Mutex::default()),
            (_, Some(backend)) => Behind::Forward(Forward::to(backend)?),
            _ => return Err(USAGE.into()),
        };
        serve(*door == "tonic", Arc::new(Stages::new(behind))).await
    })
}

async fn serve(tonic: bool, stages: Arc<Stages>) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    eprintln!(
        "{}",
        serde_json::json!({"message": "door ready", "grpc": address})
    );
    let served = Arc::clone(&stages);
    let serve = async {
        if tonic {
            return stock::serve(listener, served).await;
        }
        let take = move |signal, message| {
            let stages = Arc::clone(&served);
            async move { stages.take(signal, message).await }
        };
        unary::serve(listener, Http2Settings::default(), take).await
    };
    tokio::select! {
        end = serve => end?,
        end = signals::stop_requested() => { end?; }
    }
    eprintln!("{}", stages.closed());
    Ok(())
}
