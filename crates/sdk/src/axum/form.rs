//! A token in a form is 400, on every route (PROTOCOL, "Whose request").

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use http::header::CONTENT_TYPE;
use http_body::{Body as _, Frame};

use crate::guard::check_form;

/// How much of a form is looked at. What lies behind passes unread: a token there opens nothing.
const LOOKED_AT: usize = 64 * 1024;

const FORM: &[u8] = b"application/x-www-form-urlencoded";

/// Refuses a form that holds an agent's token; any other body goes on as it came.
pub(super) async fn refuse_tokens_in_forms(request: Request, next: Next) -> Response {
    let media_type = request.headers().get(CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    let media_type = media_type.and_then(|value| value.split(|byte| *byte == b';').next());
    if !media_type.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(FORM)) {
        return next.run(request).await;
    }
    let (parts, mut body) = request.into_parts();
    let (beginning, failure) = beginning_of(&mut body).await;
    if let Err(refused) = check_form(&beginning) {
        return refused.into_response();
    }
    let whole = Rejoined { beginning: Some(beginning.freeze()), failure, rest: body };
    next.run(Request::from_parts(parts, Body::new(whole))).await
}

/// Reads until there is enough to look at; an error is kept for whoever reads the body.
async fn beginning_of(body: &mut Body) -> (BytesMut, Option<axum::Error>) {
    let mut beginning = BytesMut::new();
    while beginning.len() < LOOKED_AT {
        match std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
            Some(Ok(frame)) => {
                // trailers of a form mean nothing to anybody
                let Ok(data) = frame.into_data() else { continue };
                beginning.extend_from_slice(&data);
            }
            Some(Err(error)) => return (beginning, Some(error)),
            None => break,
        }
    }
    (beginning, None)
}

/// A body whose beginning was read before.
struct Rejoined {
    beginning: Option<Bytes>,
    failure: Option<axum::Error>,
    rest: Body,
}

impl http_body::Body for Rejoined {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(beginning) = self.beginning.take().filter(|it| !it.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(beginning))));
        }
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Some(Err(failure)));
        }
        Pin::new(&mut self.rest).poll_frame(context)
    }
}
