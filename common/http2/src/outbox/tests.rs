//! Order and completeness whatever the writer takes.

use std::task::Waker;

use proptest::prelude::*;

use super::*;

/// Takes at most `step` bytes at a time and is blocked every other time.
struct Slow {
    taken: Vec<u8>,
    step: usize,
    blocked: bool,
}

impl AsyncWrite for Slow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.blocked = !self.blocked;
        if self.blocked {
            return Poll::Pending;
        }
        let n = bytes.len().min(self.step);
        self.taken.extend_from_slice(&bytes[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let joined: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        self.as_mut().poll_write(cx, &joined)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

proptest! {
    #[test]
    fn bytes_leave_in_order_whatever_the_writer_takes(
        parts in prop::collection::vec((any::<bool>(), 0usize..3000), 0..60),
        step in 1usize..5000,
    ) {
        let mut outbox = Outbox::default();
        let mut expected = Vec::new();
        for (index, (large, len)) in parts.into_iter().enumerate() {
            let part = vec![index as u8; len];
            expected.extend_from_slice(&part);
            if large {
                outbox.payload(part.into());
            } else {
                outbox.frames().extend_from_slice(&part);
            }
        }
        prop_assert_eq!(outbox.len(), expected.len());
        let mut io = Slow { taken: Vec::new(), step, blocked: false };
        let mut cx = Context::from_waker(Waker::noop());
        let mut written = 0;
        while outbox.poll_flush(&mut io, &mut cx, &mut written).is_pending() {}
        prop_assert_eq!(written, expected.len());
        prop_assert!(outbox.is_empty());
        prop_assert_eq!(io.taken, expected);
    }
}

#[test]
fn large_payloads_are_not_copied() {
    let mut outbox = Outbox::default();
    let payload = Bytes::from(vec![1; COPY_BELOW]);
    outbox.payload(payload.clone());
    assert_eq!(outbox.queue[0].as_ptr(), payload.as_ptr());
}
