//! The audit at work: every answer waits here until its entry is written. Each serving thread has a
//! chain of its own, and whatever is ready to leave at one time is written at once.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::Poll;

use super::App;
use super::entrance::Admitted;
use crate::access::audit::{Audit, Entry, Fate, Pen, Ticket};
use crate::access::hsa::HsaId;
use crate::base::seldom::Seldom;
use crate::base::told::Told;
use crate::person::identity::Identity;
use crate::wire::disclosed::Disclosed;
use crate::wire::fault::{REFUSED_CHANGE, Trouble};
use crate::wire::task::Noted;

/// What came of a call: whom the answer tells of, and the answer; or why there is none.
pub type Performed<T> = Result<(Disclosed, T), Trouble>;

/// What is recorded of a call that was let in, and of what came of it.
pub fn entry<'a, T>(
    service: &'a str,
    admitted: &'a Admitted,
    noted: &'a Noted,
    performed: &'a Performed<T>,
) -> Entry<'a> {
    let (answer, asked, shown): (_, &[Identity], &[Identity]) = match performed {
        Ok((disclosed, _)) => {
            let answer = if disclosed.is_refusal {
                REFUSED_CHANGE
            } else {
                ANSWERED
            };
            (answer, &disclosed.asked, &disclosed.shown)
        }
        Err(trouble) => (trouble.kind().name, &noted.asked, &[]),
    };
    Entry {
        consumer: Some(admitted.consumer().hsa_id.as_str()),
        via: admitted.caller.via.as_ref().map(HsaId::as_str),
        profile: noted.profile,
        asked,
        shown,
        query: noted.query.as_ref().map(|it| &**it.reveal()),
        correlation: admitted.correlation.as_deref(),
        ..Entry::new(service, answer)
    }
}

/// What the record says of a call that was answered.
const ANSWERED: &str = "ok";

static UNOPENED: Seldom = Seldom::new();
static UNWRITTEN: Seldom = Seldom::new();

thread_local! {
    static PEN: RefCell<Option<Pen>> = const { RefCell::new(None) };
}

/// Records a call, where there is an audit. When this returns well, its answer may leave.
pub async fn record<'e>(app: &App, entry: impl FnOnce() -> Entry<'e>) -> Result<(), Trouble> {
    let Some(audit) = &app.audit else {
        return Ok(());
    };
    let entry = Entry {
        sequence: Some(app.store.pin().sequence()),
        ..entry()
    };
    let ticket = PEN.with_borrow_mut(|pen| note(audit, pen, &entry))?;
    // Whoever else is ready now comes first; the one who returns first writes for all of them.
    stand_back().await;
    if ticket.fate() == Fate::Pending {
        PEN.with_borrow_mut(|pen| {
            if let Some(Err(error)) = pen.as_mut().map(Pen::write)
                && let Some(times) = UNWRITTEN.count()
            {
                let error = Told(&error);
                tracing::error!(%error, times, "the audit cannot be written: nothing is disclosed");
            }
        });
    }
    match ticket.fate() {
        Fate::Written => Ok(()),
        Fate::Pending | Fate::Lost => Err(Trouble::NotAudited),
    }
}

/// Tries whether this thread's chain can be written again, after a write that failed. To be done now and
/// then: when nobody asks any more because the node says that it discloses nothing, it must find out.
pub fn tend_the_pen() {
    PEN.with_borrow_mut(|pen| {
        if let Some(Err(error)) = pen.as_mut().map(Pen::try_again) {
            tracing::debug!(%error, "the audit cannot be written yet");
        }
    });
}

/// Ends this thread's chain in an orderly way: the thread serves no longer.
pub fn put_down_the_pen() {
    PEN.with_borrow_mut(|pen| drop(pen.take()));
}

fn note(audit: &Arc<Audit>, pen: &mut Option<Pen>, entry: &Entry<'_>) -> Result<Ticket, Trouble> {
    let pen = match pen {
        Some(pen) => pen,
        // What is known to be damaged is not read again for each call.
        None if audit.is_damaged() => return Err(Trouble::NotAudited),
        None => pen.insert(audit.pen().map_err(|error| {
            if let Some(times) = UNOPENED.count() {
                let error = Told(&error);
                tracing::error!(%error, times, "the audit cannot be opened: nothing is disclosed");
            }
            Trouble::NotAudited
        })?),
    };
    Ok(pen.note(entry))
}

/// Lets every other task that is ready run once.
async fn stand_back() {
    let mut stood_back = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut stood_back, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
