//! A body that is refused before it was read: the client still gets the answer.
//!
//! Closing a connection on which bytes are still coming in makes the operating system reset it, and the
//! reset may overtake the answer (RFC 9112, section 9.6). So the rest of such a body is read and thrown
//! away, up to a limit, and the answer says that the connection ends.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::{Stream, StreamExt as _};

/// Most bytes that are read only to be thrown away.
const DISCARDED_BYTES_MAX: usize = 64 << 20;
/// Longest time for it.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(5);

type Slot = Arc<Mutex<Option<BodyDataStream>>>;

/// A body that gives itself back when it is dropped before its end.
struct Lent {
    body: Option<BodyDataStream>,
    slot: Slot,
}

impl Stream for Lent {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(body) = self.body.as_mut() else { return Poll::Ready(None) };
        let polled = body.poll_next_unpin(context);
        if let Poll::Ready(None) = polled {
            self.body = None;
        }
        polled
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.slot.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
    }
}

/// Reads what is left of a refused body, then lets the answer go with `Connection: close`.
pub(crate) async fn discard(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let is_empty = !headers.contains_key(header::TRANSFER_ENCODING)
        && headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0");
    // A stream of HTTP/2 ends by itself, without the connection.
    if is_empty || request.version() == Version::HTTP_2 {
        return next.run(request).await;
    }
    let slot = Slot::default();
    let lend = Arc::clone(&slot);
    let request = request
        .map(|body| Body::from_stream(Lent { body: Some(body.into_data_stream()), slot: lend }));
    let mut response = next.run(request).await;
    let rest = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut rest) = rest else { return response };
    let reading = async {
        let mut left = DISCARDED_BYTES_MAX;
        loop {
            match rest.next().await {
                None => return true,
                Some(Ok(bytes)) if bytes.len() <= left => left -= bytes.len(),
                Some(_) => return false,
            }
        }
    };
    let is_whole = tokio::time::timeout(DISCARD_TIME_MAX, reading).await.unwrap_or(false);
    // A connection that switched protocols is no longer ours; a body read to its end may be followed by
    // the next request.
    if !is_whole && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
