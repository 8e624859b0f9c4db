//! A connection to the service: opened when needed, kept for the next request, opened again when the
//! service has ended it in the meantime, as it may.

use std::cell::Cell;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::answer::{Expected, Failure};
use crate::ask::Asked;

/// In whose name an intermediary calls.
const CONSUMER: HeaderName = HeaderName::from_static("x-rivta-original-serviceconsumer-hsaid");

/// A service to be asked.
pub struct Target {
    address: SocketAddr,
    host: HeaderValue,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// How long an answer is waited for.
    pub patience: Duration,
    /// Connections opened.
    pub opened: Cell<u64>,
    /// Of those opened, how many took the place of one that had ended.
    pub reopened: Cell<u64>,
}

/// Why a service cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is no address.
    #[error("{0} is not a target: http://HOST:PORT, or https://HOST:PORT with --tls")]
    Address(String),
    /// The name is not known.
    #[error("{0} is not known here")]
    Unknown(String),
}

impl Target {
    /// The service at a URL; with certificates when it begins with `https`.
    pub fn new(
        url: &str,
        tls: Option<Arc<ClientConfig>>,
        patience: Duration,
    ) -> Result<Self, TargetError> {
        let wrong = || TargetError::Address(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        if is_tls != tls.is_some() {
            return Err(wrong());
        }
        let port = authority
            .port_u16()
            .unwrap_or(if is_tls { 443 } else { 80 });
        let host = authority.host().trim_matches(['[', ']']);
        let unknown = || TargetError::Unknown(host.to_owned());
        // Name servers may give IPv6 first where the service listens on IPv4 only.
        let found: Vec<SocketAddr> = (host, port)
            .to_socket_addrs()
            .map_err(|_| unknown())?
            .collect();
        let v4 = found.iter().find(|it| it.is_ipv4());
        let address = *v4.or(found.first()).ok_or_else(unknown)?;
        let name = || ServerName::try_from(host.to_owned()).map_err(|_| wrong());
        Ok(Self {
            address,
            host: HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?,
            tls: tls
                .map(|config| Ok((TlsConnector::from(config), name()?)))
                .transpose()?,
            patience,
            opened: Cell::new(0),
            reopened: Cell::new(0),
        })
    }
}

/// What came.
#[derive(Clone, Copy)]
pub struct Came {
    /// The status.
    pub status: StatusCode,
    /// Bytes of the body.
    pub bytes: usize,
}

/// One connection.
pub struct Line {
    target: Rc<Target>,
    consumer: Option<HeaderValue>,
    sender: Option<SendRequest<Full<Bytes>>>,
    was_open: bool,
    body: Vec<u8>,
}

impl Line {
    /// A connection that is not open yet.
    pub fn new(target: &Rc<Target>, consumer: Option<&str>) -> Self {
        Self {
            target: Rc::clone(target),
            consumer: consumer.and_then(|it| HeaderValue::from_str(it).ok()),
            sender: None,
            was_open: false,
            body: Vec::new(),
        }
    }

    /// The body that came last.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Opens it, when it is not open.
    pub async fn open(&mut self) -> Result<(), Failure> {
        if self
            .sender
            .as_ref()
            .is_some_and(|sender| !sender.is_closed())
        {
            return Ok(());
        }
        self.sender = None;
        let opening = tokio::time::timeout(self.target.patience, connect(&self.target));
        self.sender = Some(opening.await.map_err(|_| Failure::Timeout)??);
        let again = std::mem::replace(&mut self.was_open, true);
        self.target.opened.update(|it| it + 1);
        self.target.reopened.update(|it| it + u64::from(again));
        Ok(())
    }

    /// Sends a request and takes the answer in.
    pub async fn exchange(&mut self, asked: &Asked) -> Result<Came, Failure> {
        self.body.clear();
        let patience = self.target.patience;
        let done = tokio::time::timeout(patience, self.try_exchange(asked)).await;
        let came = done.unwrap_or(Err(Failure::Timeout));
        if came.is_err() {
            // What is left of it on the wire must not be taken for the next answer.
            self.sender = None;
        }
        came
    }

    async fn try_exchange(&mut self, asked: &Asked) -> Result<Came, Failure> {
        loop {
            // One that was kept may have ended, or end just now, as the service may do any time.
            let kept = self.sender.is_some();
            self.open().await?;
            let request = self.request(asked)?;
            let Some(sender) = &mut self.sender else {
                return Err(Failure::Transport);
            };
            if sender.ready().await.is_err() {
                self.sender = None;
                if kept {
                    continue;
                }
                return Err(Failure::Transport);
            }
            match sender.try_send_request(request).await {
                Ok(answer) => return self.take(answer).await,
                // A kept connection may end at the moment it is used again. What was not sent can
                // be sent anew, and what changes nothing too.
                Err(mut failed) => {
                    let unsent = failed.take_message().is_some();
                    let ended = failed.error().is_incomplete_message();
                    let harmless = asked.expected != Expected::Updated;
                    self.sender = None;
                    if !(kept && (unsent || ended && harmless)) {
                        return Err(Failure::Transport);
                    }
                }
            }
        }
    }

    fn request(&self, asked: &Asked) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder()
            .method(asked.method.clone())
            .uri(asked.uri.clone())
            .header(HOST, self.target.host.clone());
        if let Some(content) = &asked.content {
            request = request.header(CONTENT_TYPE, content.clone());
        }
        if let Some(consumer) = &self.consumer {
            request = request.header(CONSUMER, consumer.clone());
        }
        debug_assert!(asked.method == Method::POST || asked.body.is_empty());
        let body = Full::new(asked.body.clone());
        request.body(body).map_err(|_| Failure::Transport)
    }

    async fn take(
        &mut self,
        answer: hyper::Response<hyper::body::Incoming>,
    ) -> Result<Came, Failure> {
        let status = answer.status();
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Failure::Transport)?;
            if let Some(data) = frame.data_ref() {
                self.body.extend_from_slice(data);
            }
        }
        Ok(Came {
            status,
            bytes: self.body.len(),
        })
    }
}

async fn connect(target: &Target) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let failed = |_| Failure::Transport;
    let stream = TcpStream::connect(target.address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    match &target.tls {
        None => speak(stream).await,
        Some((connector, name)) => {
            let stream = connector.connect(name.clone(), stream).await;
            speak(stream.map_err(failed)?).await
        }
    }
}

async fn speak<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let spoken = handshake(TokioIo::new(stream)).await;
    let (sender, connection) = spoken.map_err(|_| Failure::Transport)?;
    // How it ends is seen by whoever sends on it.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}
