//! Clients that do not read what they are sent: a connection on which nothing can be written for a while is
//! closed, or it would keep its buffers and its permit.

use crate::connections::Activity;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// A connection with a timeout for writes. A client that keeps up costs no timer.
pub(crate) struct WriteTimeout {
    stream: TokioIo<TcpStream>,
    most: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    activity: Arc<Activity>,
}

impl WriteTimeout {
    /// A connection that may be without progress for so long while there is something to write.
    pub(crate) fn new(stream: TcpStream, most: Duration, activity: Arc<Activity>) -> WriteTimeout {
        WriteTimeout {
            stream: TokioIo::new(stream),
            most,
            stalled: None,
            activity,
        }
    }

    /// Writes what is to be the last of it, where there is room for it at once.
    pub(crate) fn try_write(&self, bytes: &[u8]) {
        // A client that is not there any more misses nothing.
        let _ = self.stream.inner().try_write(bytes);
    }

    fn written(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<Result<usize>>,
    ) -> Poll<Result<usize>> {
        if written.is_ready() {
            if self.stalled.take().is_some() {
                self.activity.stalled(false);
            }
            return written;
        }
        self.activity.stalled(true);
        let most = self.most;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(most)));
        stalled.as_mut().poll(context).map(|()| {
            Err(Error::new(
                ErrorKind::TimedOut,
                "the client does not read its answers",
            ))
        })
    }
}

impl Write for WriteTimeout {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Read for WriteTimeout {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        if read.is_ready() {
            self.activity.begin();
        }
        read
    }
}
