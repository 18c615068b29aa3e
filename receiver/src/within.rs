//! A time limit that costs nothing where nothing waits: most of the mesh's calls are here whole when they are begun.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use tokio::time::{Instant, timeout_at};

/// What `future` gives, if it does by then. Neither clock nor timer is touched for one that is ready at once.
///
/// # Cancel safety
/// That of `future`.
pub(crate) async fn within<F: Future>(
    by: impl FnOnce() -> Instant,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    match poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
        Poll::Ready(output) => Some(output),
        Poll::Pending => timeout_at(by(), future).await.ok(),
    }
}
