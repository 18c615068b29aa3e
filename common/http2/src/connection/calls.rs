//! Runs the calls and gives back the windows they free.

use std::task::{Context as TaskContext, Poll};

use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Connection;
use crate::{
    Service,
    body::Body,
    error::{ErrorCode, Fatal, Fault},
    frame::write,
    ready::SHUTDOWN,
    streams::{Ended, Stage},
};

/// How often one turn looks for calls that became ready because of others.
const PASSES: usize = 4;

impl<IO, S> Connection<IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Service,
{
    /// Begins the calls that arrived and polls those that were woken. True if the shutdown signal was woken.
    pub(super) fn run_calls(&mut self) -> bool {
        let mut shutdown = false;
        let mut arrived = std::mem::take(&mut self.arrived);
        for (slot, id) in arrived.drain(..) {
            self.begin(slot, id);
        }
        self.arrived = arrived;
        let mut queue = std::mem::take(&mut self.queue);
        for _ in 0..PASSES {
            self.shared.ready.take(&mut queue);
            if queue.is_empty() {
                break;
            }
            for slot in queue.drain(..) {
                if slot == SHUTDOWN {
                    shutdown = true;
                } else {
                    self.poll_call(slot);
                }
            }
        }
        self.queue = queue;
        shutdown
    }

    fn begin(&mut self, slot: u32, id: u32) {
        let stream = self.streams.get(slot);
        if stream.id != id {
            return;
        }
        if let Stage::Arrived(head) = std::mem::replace(&mut stream.stage, Stage::Running) {
            let body = Body::new(Arc::clone(&self.shared), slot, id);
            let call = self.service.call(head, body);
            stream.call.set(Some(call));
            self.poll_call(slot);
        }
    }

    fn poll_call(&mut self, slot: u32) {
        let Some(stream) = self.streams.try_get(slot) else {
            return;
        };
        // Whatever the slot holds now, the wake-up is used up.
        stream.wake_flag.polled();
        let Some(call) = stream.call.as_mut().as_pin_mut() else {
            return;
        };
        match call.poll(&mut TaskContext::from_waker(&stream.waker)) {
            Poll::Ready(response) => {
                stream.call.set(None);
                self.answer(slot, response);
            }
            Poll::Pending if stream.fresh_data => {
                stream.fresh_data = false;
                self.shared.detach(slot);
            }
            Poll::Pending => {}
        }
    }

    /// Sends the window updates that have become due.
    pub(super) fn settle_credit(&mut self) {
        let streams = &mut self.streams;
        let out = &mut self.out;
        let credit = self.shared.collect_credit(|slot, credit| {
            let stream = streams.get(slot);
            if !stream.recv_ended
                && let Some(increment) = stream.recv.give(credit as u32)
            {
                write::window_update(out.frames(), stream.id, increment);
            }
        });
        self.credit_connection(credit);
    }

    pub(super) fn credit_connection(&mut self, bytes: usize) {
        if let Some(increment) = self.recv.give(bytes as u32) {
            write::window_update(self.out.frames(), 0, increment);
        }
    }

    /// Frees a stream. Its call, if it still runs, is dropped.
    pub(super) fn close_stream(&mut self, slot: u32, how: Ended) {
        if let Stage::Sending(outgoing) = &self.streams.get(slot).stage {
            self.sending -= 1;
            self.sending_bytes -= outgoing.message.len();
        }
        self.streams.close(slot, how);
        self.shared.close(slot);
        if self.streams.active() == 0 {
            self.life.idle_since = Some(self.now);
        }
    }

    /// Resets a stream for a fault of the peer.
    pub(super) fn stream_error(
        &mut self,
        slot: u32,
        code: ErrorCode,
        fault: Fault,
    ) -> Result<(), Fatal> {
        self.context.metrics.fault(fault);
        self.reset_stream(slot, code);
        self.spend_reset()
    }

    pub(super) fn reset_stream(&mut self, slot: u32, code: ErrorCode) {
        let id = self.streams.get(slot).id;
        write::reset(self.out.frames(), id, code);
        self.close_stream(slot, Ended::ByUs);
    }
}
