//! hyper on one thread: around the thin services, and bare.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::Failure;
use crate::plan::{MANY, ONE};

/// The content type of every answer.
pub const XML: &str = "text/xml; charset=UTF-8";

/// Bodies longer than this ask for many persons.
const LONG: usize = 8 << 10;

/// Serves until it is stopped.
pub async fn serve<F, A>(listen: SocketAddr, answer: F) -> Result<(), Failure>
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + 'static,
    A: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let io = TokioIo::new(stream);
            // A connection that breaks is the caller's business.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(io, service)
                .await;
        });
    }
}

/// Takes bodies in and gives the answers that lie in a folder: what hyper costs by itself.
pub async fn bare(listen: SocketAddr, answers: &Path) -> Result<(), Failure> {
    let one = Bytes::from(std::fs::read(answers.join(ONE))?);
    let many = Bytes::from(std::fs::read(answers.join(MANY))?);
    serve(listen, move |request: Request<Incoming>| {
        let (one, many) = (one.clone(), many.clone());
        async move {
            let body = request.into_body().collect().await;
            let length = body.map_or(0, |it| it.to_bytes().len());
            let answer = if length > LONG { many } else { one };
            let mut response = Response::new(Full::new(answer));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static(XML));
            response
        }
    })
    .await
}
