//! What patterns hear of calls, and where their alarms are told: the log and the metrics.

use super::App;
use super::entrance::Admitted;
use super::record::Performed;
use crate::access::alarms::Heard;
use crate::access::gate::now;
use crate::person::keys::county;
use crate::wire::fault::Trouble;
use crate::wire::task::Noted;

/// The kinds of refusal that say that a search was too wide.
const TOO_WIDE: [&str; 2] = ["too-wide", "too-many-hits"];

/// Lets patterns hear of a call that was let in, and of what came of it.
pub fn hear<T>(app: &App, admitted: &Admitted, noted: &Noted, performed: &Performed<T>) {
    let is_search = noted.language.is_some();
    let heard = match performed {
        Ok((disclosed, _)) => Heard {
            is_search,
            asked: &disclosed.asked,
            shown: &disclosed.shown,
            protected: &disclosed.protected,
            counties: admitted.consumer().counties,
            ..Heard::default()
        },
        Err(trouble) => Heard {
            is_search,
            is_too_wide: is_too_wide(trouble),
            ..Heard::default()
        },
    };
    app.alarms.hear(&admitted.consumer().hsa_id, &heard, now());
}

fn is_too_wide(trouble: &Trouble) -> bool {
    TOO_WIDE.contains(&trouble.kind().name)
}

/// Tells the alarms that have come: by consumer and rule, and nobody else.
pub fn ring(app: &App) {
    let state = app.store.keep();
    app.alarms.look_up(now(), |counties, who| {
        // Who is registered nowhere, or cannot be read, is outside no county.
        let home = state.record(who).ok().flatten();
        let home = home.and_then(|record| county(record).ok().flatten());
        home.is_some_and(|home| !counties.has(home))
    });
    for alarm in app.alarms.ring() {
        let (consumer, rule) = (alarm.consumer.as_str(), alarm.rule.name());
        tracing::warn!(consumer, rule, "alarm: a pattern of calls");
        app.metrics.alarm(consumer, rule);
    }
}
