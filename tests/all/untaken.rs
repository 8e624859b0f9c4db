//! Callers that ask and do not read (HTTP/2, windows of 0): their answers do not pile up.

use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use hyper::{Request, Response};
use pu::cli::config::Config;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{Ask, PNR, Service, persons, register};

const CHILD: &str = "201001012382";

/// A connection over which nothing may come back but the heads of answers.
struct Deaf {
    address: std::net::SocketAddr,
    sender: SendRequest<Bytes>,
    opens: oneshot::Sender<u32>,
    /// Over when the connection is.
    ends: JoinHandle<()>,
}

impl Deaf {
    async fn to(service: &Service) -> Self {
        let stream = TcpStream::connect(service.address).await.unwrap();
        let mut builder = Builder::new();
        let builder = builder.initial_window_size(0);
        let builder = builder.initial_connection_window_size(64 << 20);
        let (sender, mut connection) = builder.handshake::<_, Bytes>(stream).await.unwrap();
        let (opens, opened) = oneshot::channel();
        let ends = tokio::spawn(async move {
            tokio::select! {
                _ = &mut connection => return,
                Ok(window) = opened => connection.set_initial_window_size(window).unwrap(),
            }
            let _ = connection.await;
        });
        Self {
            address: service.address,
            sender,
            opens,
            ends,
        }
    }

    /// Asks for five hundred persons.
    async fn ask(&mut self) -> ResponseFuture {
        let ask = Ask::new(5, "P5", &[(PNR, CHILD); 500]);
        let request = Request::post(format!("http://{}{}", self.address, ask.path()))
            .header("content-type", "text/xml; charset=UTF-8")
            .body(())
            .unwrap();
        self.sender = self.sender.clone().ready().await.unwrap();
        let (answer, mut body) = self.sender.send_request(request, false).unwrap();
        body.send_data(ask.envelope().into(), true).unwrap();
        answer
    }

    /// Returns when everything that was asked before has had its turns on the service's thread.
    async fn settle(&mut self) {
        for _ in 0..3 {
            let request = Request::get(format!("http://{}/healthz", self.address));
            self.sender = self.sender.clone().ready().await.unwrap();
            let request = request.body(()).unwrap();
            let (answer, _) = self.sender.send_request(request, true).unwrap();
            assert_eq!(answer.await.unwrap().status(), 200);
        }
    }
}

/// Reads an answer to its end, and gives its length.
async fn read(answer: Response<RecvStream>) -> usize {
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    let mut length = 0;
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap().len();
        body.flow_control().release_capacity(piece).unwrap();
        length += piece;
    }
    length
}

fn serve(change: impl FnOnce(&mut Config)) -> Service {
    Service::over(register(persons()), |config| {
        config.threads = 1;
        config.limits.drain_seconds = 0;
        change(config);
    })
}

fn block_on(work: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work);
}

/// Returns when nothing of any answer is left in the service.
async fn until_nothing_waits(service: &Service) {
    while service.app.outgoing.bytes() > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
}

#[test]
fn a_connection_that_is_full_waits_and_goes_on_where_it_was() {
    let service = serve(|config| config.limits.connection_answer_bytes = 1 << 20);
    block_on(async {
        let mut deaf = Deaf::to(&service).await;
        let mut answers = Vec::new();
        for _ in 0..20 {
            answers.push(tokio::spawn(deaf.ask().await));
        }
        deaf.settle().await;
        let begun = answers.iter().filter(|it| it.is_finished()).count();
        assert!((1..=2).contains(&begun), "{begun} answers had begun");
        let waiting = service.app.outgoing.bytes();
        assert!(waiting > 0 && waiting < 3 << 20, "{waiting} bytes");
        deaf.opens.send(4 << 20).unwrap();
        for answer in answers {
            assert!(read(answer.await.unwrap().unwrap()).await > 500_000);
        }
        until_nothing_waits(&service).await;
    });
}

#[test]
fn who_has_too_much_waiting_is_sent_away_and_let_in_when_it_is_gone() {
    type Lower = fn(&mut Config);
    let lower: [(Lower, u16); 2] = [
        (|config| config.limits.consumer_answer_bytes = 1, 429),
        (|config| config.limits.answer_bytes = 1, 503),
    ];
    for (lower, status) in lower {
        let service = serve(lower);
        block_on(async {
            let mut deaf = Deaf::to(&service).await;
            let untaken = deaf.ask().await.await.unwrap();
            assert_eq!(untaken.status(), 200);
            let ask = Ask::new(5, "P1", &[(PNR, CHILD)]);
            assert_eq!(ask.send(&service).status, status);
            drop((untaken, deaf));
            until_nothing_waits(&service).await;
            assert_eq!(ask.send(&service).status, 200);
        });
    }
}

#[test]
fn a_connection_whose_answers_lie_still_is_ended() {
    let service = serve(|config| {
        let short = "50ms".to_owned().try_into();
        config.limits.stalled = short.unwrap();
    });
    block_on(async {
        let mut deaf = Deaf::to(&service).await;
        let untaken = deaf.ask().await.await.unwrap();
        assert_eq!(untaken.status(), 200);
        deaf.ends.await.unwrap();
        until_nothing_waits(&service).await;
    });
}
