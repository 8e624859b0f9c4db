//! The way in: whose call it is, whether they may make it, and whether there is room for it.

use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::App;
use super::leaving::{Held, Line};
use super::peer::Peer;
use super::record::record;
use super::route::in_time;
use super::used::Used;
use super::wide::Whose;
use crate::access::audit::Entry;
use crate::access::consumers::{Consumer, Why};
use crate::access::gate::{Caller, Denied, Named, now};
use crate::access::hsa::HsaId;
use crate::access::usage::Fate;
use crate::base::limits;
use crate::wire::fault::{HttpRefusal, Trouble};

/// What names a request in other systems' logs.
pub const CORRELATION: HeaderName = HeaderName::from_static("x-skltp-correlation-id");

/// A call that was let in.
pub struct Admitted {
    /// Whose it is.
    pub caller: Caller,
    /// What names it in other systems' logs.
    pub correlation: Option<String>,
    /// A place among the calls that are answered at once, and the bytes of the answer.
    pub held: Held,
}

impl Admitted {
    /// The consumer whose rights hold.
    pub fn consumer(&self) -> &Consumer {
        &self.caller.consumer
    }

    /// Work of a moment that is done for it from here on.
    pub fn used(&self) -> Used {
        Used::at_once(&self.consumer().usage)
    }

    /// Whose share of what is shared it takes.
    pub fn whose(&self, app: &App) -> Whose {
        let is_open = app.gate.is_open();
        (!is_open).then(|| self.consumer().hsa_id.clone())
    }
}

/// Lets a call to `service` in, when `may` says that the caller has the right.
pub async fn admit(
    app: &App,
    (peer, line): (&Peer, &Arc<Line>),
    headers: &HeaderMap,
    service: &str,
    may: impl Fn(&Consumer) -> Result<(), Why>,
) -> Result<Admitted, Trouble> {
    let now = now();
    let said = said(headers);
    let correlation = || {
        said.correlation
            .and_then(|id| id.to_str().ok().map(str::to_owned))
    };
    let caller = app.gate.caller(peer.hsa(), &said.named, now);
    let caller = caller.and_then(|caller| match may(&caller.consumer) {
        Ok(()) => Ok(caller),
        Err(why) => Err(caller.denied(why)),
    });
    let caller = match caller {
        Ok(caller) => caller,
        Err(denied) => return Err(Box::pin(turn_away(app, service, denied, correlation())).await),
    };
    let usage = Arc::clone(&caller.consumer.usage);
    if let Some(wait) = usage.wait_for_cpu() {
        usage.count(Fate::Limited, now);
        return Err(HttpRefusal::Spent(wait.as_secs() + 1).into());
    }
    let Some(turn) = usage.enter() else {
        usage.count(Fate::Limited, now);
        return Err(HttpRefusal::Limited.into());
    };
    usage.count(Fate::Admitted, now);
    Ok(Admitted {
        caller,
        correlation: correlation(),
        held: Held::new(turn, Arc::clone(line), Arc::clone(&app.outgoing)),
    })
}

/// Waits until there is room for an answer on the connection that the call came by. Refused when its
/// consumer, or the process, has none; what is performed next must not wait before it counts.
pub async fn room(app: &App, admitted: &Admitted) -> Result<(), Trouble> {
    let room = app.outgoing.room;
    in_time(app, admitted.held.line().room(room.connection)).await?;
    if app.outgoing.is_full() {
        return Err(HttpRefusal::Overloaded.into());
    }
    if admitted.consumer().usage.waiting_bytes() >= room.consumer {
        return Err(HttpRefusal::Limited.into());
    }
    Ok(())
}

/// A call that may take its time: its rights must hold when bytes leave, too.
pub struct Standing<'a> {
    /// Who is at the other end.
    pub peer: &'a Peer,
    /// What the call says of itself.
    pub headers: &'a HeaderMap,
    /// What is called, as the audit tells it.
    pub service: &'a str,
    /// The call as it was let in.
    pub admitted: &'a Admitted,
}

impl Standing<'_> {
    /// Looks at the rights again. Answers the consumer as it is now.
    pub async fn again(
        &self,
        app: &App,
        may: impl Fn(&Consumer) -> Result<(), Why>,
    ) -> Result<Arc<Consumer>, Trouble> {
        let denied = match self.now(app, may) {
            Ok(consumer) => return Ok(consumer),
            Err(denied) => denied,
        };
        let correlation = self.admitted.correlation.clone();
        Err(Box::pin(turn_away(app, self.service, denied, correlation)).await)
    }

    fn now(
        &self,
        app: &App,
        may: impl Fn(&Consumer) -> Result<(), Why>,
    ) -> Result<Arc<Consumer>, Denied> {
        let caller = app
            .gate
            .caller(self.peer.hsa(), &said(self.headers).named, now())?;
        let is_good = match (self.peer, &app.tls) {
            (Peer::Certified(certified), Some(tls)) => tls.judge_again(certified).is_ok(),
            _ => true,
        };
        let good = if is_good {
            Ok(())
        } else {
            Err(Why::Certificate)
        };
        match good.and_then(|()| may(&caller.consumer)) {
            Ok(()) => Ok(caller.consumer),
            Err(why) => Err(caller.denied(why)),
        }
    }
}

/// Turns away a call that was let in, when it is seen only later that it may not be made.
pub async fn deny(app: &App, service: &str, admitted: &Admitted, why: Why) -> Trouble {
    let denied = admitted.caller.denied(why);
    turn_away(app, service, denied, admitted.correlation.clone()).await
}

/// Tells, logs, counts and records a refusal, unless there are too many of them.
async fn turn_away(
    app: &App,
    service: &str,
    denied: Denied,
    correlation: Option<String>,
) -> Trouble {
    let Some(_turn) = app.gate.refuse(&denied, now()) else {
        return HttpRefusal::Limited.into();
    };
    let trouble = Trouble::NotAllowed(denied.who.as_ref().map(ToString::to_string));
    let system = denied.who.as_ref().map_or("unknown", |it| it.as_str());
    let (why, correlation) = (denied.why, correlation.as_deref());
    tracing::info!(service, system, error = %why, correlation, "call not allowed");
    let entry = || Entry {
        consumer: denied.who.as_ref().map(HsaId::as_str),
        via: denied.via.as_ref().map(HsaId::as_str),
        correlation,
        ..Entry::new(service, trouble.kind().name)
    };
    match record(app, entry).await {
        Ok(()) => trouble,
        Err(not_recorded) => not_recorded,
    }
}

/// What the headers of the platform say.
#[derive(Default)]
pub struct Said<'h> {
    /// Whom an intermediary speaks for.
    named: Named<'h>,
    /// What names the request in other systems' logs, when it can be kept in ours.
    pub correlation: Option<&'h HeaderValue>,
}

/// Reads the headers of the platform, in one pass.
pub fn said(headers: &HeaderMap) -> Said<'_> {
    let mut said = Said::default();
    for (name, value) in headers {
        let claim = match name.as_str() {
            // Both spellings are in use.
            "x-rivta-original-serviceconsumer-hsaid" | "x-rivta-originalserviceconsumer-hsaid" => {
                &mut said.named.original
            }
            "x-vp-sender-id" => &mut said.named.sender,
            "x-vp-instance-id" => &mut said.named.instance,
            "x-skltp-correlation-id" => {
                let fits = value.len() <= limits::CORRELATION_BYTES && value.to_str().is_ok();
                said.correlation = fits.then_some(value);
                continue;
            }
            _ => continue,
        };
        *claim = claim.and(value.to_str().ok());
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::gate::Claim;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn either_spelling_names_the_original_consumer() {
        for name in [
            "x-rivta-original-serviceconsumer-hsaid",
            "x-rivta-originalserviceconsumer-hsaid",
        ] {
            let headers = headers(&[(name, " SE1-A ")]);
            assert_eq!(said(&headers).named.original, Claim::One("SE1-A"));
        }
        assert_eq!(said(&HeaderMap::new()).named.original, Claim::None);
    }

    #[test]
    fn what_is_said_twice_must_be_the_same() {
        let both = headers(&[
            ("x-rivta-original-serviceconsumer-hsaid", "SE1-A"),
            ("x-rivta-originalserviceconsumer-hsaid", "SE1-A"),
        ]);
        assert_eq!(said(&both).named.original, Claim::One("SE1-A"));
        let differing = headers(&[("x-vp-sender-id", "SE1-A"), ("x-vp-sender-id", "SE1-B")]);
        assert_eq!(said(&differing).named.sender, Claim::Unclear);
    }

    #[test]
    fn a_correlation_id_is_short_and_plain() {
        let of = |value: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(CORRELATION, HeaderValue::from_bytes(value).unwrap());
            said(&headers).correlation.is_some()
        };
        assert!(of(b"8f6a-1"));
        assert!(!of(&[b'x'; limits::CORRELATION_BYTES + 1]));
        assert!(!of("ö".as_bytes()));
    }
}
