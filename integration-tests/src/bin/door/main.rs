//! A front door alone, for `cargo xtask bench ingest`: the same answers by `common/http2` and by stock tonic.
//!
//! Usage: `bench-door penstock|tonic none|append`. With `none` a message is received whole and answered with OK; with `append`
//! it is also checked and copied into a block in memory, by the same code behind both. Prints
//! `{"message": "door ready", "grpc": ...}` on standard error and, on SIGTERM, `{"message": "door closed", "calls": n,
//! "items": n}`.

mod penstock;
mod stages;
mod stock;

use penstock_runtime::signals;
use stages::Stages;
use std::error::Error;
use std::sync::Arc;
use tokio::net::TcpListener;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Largest message, the receiver's default.
const MAX_MESSAGE: usize = 16 << 20;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (tonic, append) = match words.as_slice() {
        [door @ ("penstock" | "tonic"), behind @ ("none" | "append")] => {
            (*door == "tonic", *behind == "append")
        }
        _ => return Err("usage: bench-door penstock|tonic none|append".into()),
    };
    let stages = Arc::new(Stages::new(append));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        eprintln!(
            "{}",
            serde_json::json!({"message": "door ready", "grpc": address})
        );
        let served = Arc::clone(&stages);
        let serve = async {
            if tonic {
                stock::serve(listener, served).await
            } else {
                penstock::serve(listener, served).await
            }
        };
        tokio::select! {
            end = serve => end,
            end = signals::stop_requested() => end.map(drop).map_err(Into::into),
        }
    })?;
    eprintln!("{}", stages.closed());
    Ok(())
}
