//! Looks that fail, and looks that come after.

use super::*;
use std::sync::Mutex;
use tokio::sync::Notify;

type Look = fn() -> Result<bool, String>;

/// What each look finds, in turn; then always nothing.
#[derive(Default)]
struct Scripted {
    looks: Mutex<Vec<Look>>,
    done: Notify,
}

impl Watched for Arc<Scripted> {
    fn setting(&self) -> &'static str {
        "port.tls"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn look(&self) -> Result<bool, String> {
        let next = self.looks.lock().map(|mut looks| looks.pop());
        match next.ok().flatten() {
            Some(look) => look(),
            None => {
                self.done.notify_one();
                Ok(false)
            }
        }
    }
}

#[tokio::test]
async fn a_look_that_panics_is_not_the_last() {
    let scripted = Arc::new(Scripted::default());
    let looks: Vec<Look> = vec![|| Ok(true), || panic!("at this file")];
    *scripted.looks.lock().unwrap() = looks;
    tokio::time::pause();
    let watched: Arc<dyn Watched> = Arc::new(Arc::clone(&scripted));
    tokio::select! {
        () = watch(watched) => unreachable!("it looks for ever"),
        () = scripted.done.notified() => {}
    }
    assert!(scripted.looks.lock().unwrap().is_empty());
}
