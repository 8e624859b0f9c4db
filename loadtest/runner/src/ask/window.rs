//! Who keeps a copy: changes by their time, page by page, and the log of changes from a cursor on.

use bytes::Bytes;
use fastrand::Rng;
use hyper::{Method, Uri};
use jiff::civil;
use jiff::tz::TimeZone;

use super::soap::{Writer, search};
use super::{About, Ask, AskError, Asked, profile};
use crate::answer::{Expected, Verdict, cursor};
use crate::sample::Sample;
use crate::scenario::Stream;

const DAY: i64 = 86_400;

/// Seconds of the first page.
const FIRST_PAGE: i64 = 900;

/// With fewer hits than these on a page, the next one is twice as long.
const FEW: u64 = 150;

/// Searches by change time: the last day of the register as it was drawn from, and the day up to
/// now. A page with too many hits is halved, as the contract tells its callers to.
pub struct ChangedSince {
    writer: Writer,
    profiles: Vec<String>,
    /// The newest change when the register was drawn from, in seconds.
    newest: i64,
    /// Seconds that cannot be paged through: too many persons changed in them.
    crowded: Vec<i64>,
    /// What is still to be asked of this pass, the next last.
    left: Vec<(i64, i64)>,
    /// How long a page is.
    length: i64,
}

impl ChangedSince {
    pub fn new(stream: &Stream, sample: &Sample) -> Result<Self, AskError> {
        Ok(Self {
            writer: Writer::new(stream.contract(), stream.major)?,
            profiles: stream.profiles.clone(),
            newest: seconds(sample.newest),
            crowded: sample.crowded.iter().map(|it| seconds(*it)).collect(),
            left: Vec::new(),
            length: FIRST_PAGE,
        })
    }

    /// Begins a pass: stretches of time without those seconds that cannot be paged through.
    fn begin(&mut self, now: i64) {
        let mut days = vec![(self.newest - DAY, self.newest)];
        if now > self.newest {
            days.push(((now - DAY).max(self.newest + 1), now));
        }
        for (from, to) in days.into_iter().rev() {
            let day = from..=to;
            let crowds = self.crowded.iter().rev().filter(|it| day.contains(*it));
            let mut until = to;
            for second in crowds {
                self.left.push((second + 1, until));
                until = second - 1;
            }
            self.left.push((from, until));
        }
        self.left.retain(|(from, to)| from <= to);
    }

    /// The next page, from one second to another.
    fn page(&mut self) -> (i64, i64) {
        if self.left.is_empty() {
            self.begin(now());
        }
        let Some((from, to)) = self.left.pop() else {
            return (self.newest, self.newest);
        };
        let end = to.min(from + self.length - 1);
        if end < to {
            self.left.push((end + 1, to));
        }
        (from, end)
    }
}

impl Ask for ChangedSince {
    fn ask(&mut self, chance: &mut Rng) -> Asked {
        let (from, to) = self.page();
        let query = format!(
            "FROM PersonRecord WHERE version BETWEEN '{}' AND '{}'",
            written(from),
            written(to)
        );
        let mut asked = self.writer.request(Expected::Hits(0), |out| {
            search(out, &query, profile(&self.profiles, chance));
        });
        asked.about = About::Window(from, to);
        asked
    }

    fn answered(
        &mut self,
        asked: &Asked,
        verdict: Verdict,
        _body: &[u8],
        _chance: &mut Rng,
    ) -> Option<Asked> {
        match (verdict, asked.about) {
            (Verdict::Refused, About::Window(from, to)) => {
                self.length = ((to - from) / 2).max(1);
                // One second with too many in it is passed over.
                if from < to {
                    self.left.push((from, to));
                }
            }
            (Verdict::Right(hits), _) if hits < FEW => self.length = (self.length * 2).min(DAY),
            _ => {}
        }
        None
    }
}

/// `GET /v1/changes`, from the first change of the run on, and from there again at the end.
pub struct Changes {
    profile: String,
    limit: usize,
    first: Option<u64>,
    next: Option<u64>,
}

impl Changes {
    pub fn new(stream: &Stream) -> Self {
        Self {
            profile: stream.profiles.first().cloned().unwrap_or_default(),
            limit: stream.ids,
            first: None,
            next: None,
        }
    }
}

impl Ask for Changes {
    fn ask(&mut self, _chance: &mut Rng) -> Asked {
        let (profile, limit) = (&self.profile, self.limit);
        let since = self.next.map_or(String::new(), |it| format!("&since={it}"));
        let path = format!("/v1/changes?profile={profile}&limit={limit}{since}");
        Asked {
            method: Method::GET,
            // The profile was checked with the scenario; the rest is numbers.
            uri: path.parse().unwrap_or_else(|_| Uri::from_static("/")),
            content: None,
            body: Bytes::new(),
            expected: Expected::Changes,
            step: 0,
            about: About::Nothing,
        }
    }

    fn answered(
        &mut self,
        _asked: &Asked,
        verdict: Verdict,
        body: &[u8],
        _chance: &mut Rng,
    ) -> Option<Asked> {
        match verdict {
            Verdict::Right(changes) => {
                let reached = cursor(body);
                self.first = self.first.or(reached);
                self.next = if changes == 0 { self.first } else { reached };
            }
            // The log no longer reaches back that far.
            Verdict::Refused => (self.first, self.next) = (None, None),
            Verdict::Failed(_) => {}
        }
        None
    }
}

/// Seconds that order as moments of Swedish local time do.
fn seconds(packed: u64) -> i64 {
    let part = |div: u64| i8::try_from(packed / div % 100).unwrap_or_default();
    let year = i16::try_from(packed / 10_000_000_000).unwrap_or_default();
    civil::DateTime::new(
        year,
        part(100_000_000),
        part(1_000_000),
        part(10_000),
        part(100),
        part(1),
        0,
    )
    .and_then(|at| at.to_zoned(TimeZone::UTC))
    .map_or(0, |at| at.timestamp().as_second())
}

/// The same as the contracts write it.
fn written(seconds: i64) -> String {
    let at = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    at.strftime("%Y%m%d%H%M%S").to_string()
}

/// Now, in Swedish local time.
fn now() -> i64 {
    let packed = pu::base::time::Moment::now().timestamp.number();
    seconds(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(crowded: &[i64]) -> ChangedSince {
        ChangedSince {
            writer: Writer::new("SearchPersonsForProfile", 5).unwrap(),
            profiles: vec!["P1".to_owned()],
            newest: 2 * DAY,
            crowded: crowded.to_vec(),
            left: Vec::new(),
            length: FIRST_PAGE,
        }
    }

    /// A pass over the last day before `now`, with a page's hits told by `hits`.
    fn pass(
        pages: &mut ChangedSince,
        now: i64,
        hits: impl Fn(i64, i64) -> Verdict,
    ) -> Vec<(i64, i64)> {
        let (mut chance, mut seen) = (Rng::with_seed(1), Vec::new());
        pages.begin(now);
        while !pages.left.is_empty() {
            let asked = pages.ask(&mut chance);
            let About::Window(from, to) = asked.about else {
                panic!("no window");
            };
            let verdict = hits(from, to);
            if verdict != Verdict::Refused {
                seen.push((from, to));
            }
            pages.answered(&asked, verdict, b"", &mut chance);
        }
        seen
    }

    #[test]
    fn pages_cover_the_day_without_gap_or_overlap_however_they_are_halved() {
        // Ten changes a second, of which a page may show 500.
        let seen = pass(&mut pages(&[]), 0, |from, to| match (to - from + 1) * 10 {
            hits if hits > 500 => Verdict::Refused,
            hits => Verdict::Right(hits as u64),
        });
        assert_eq!((seen[0].0, seen.last().unwrap().1), (DAY, 2 * DAY));
        assert!(seen.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
    }

    #[test]
    fn seconds_with_a_crowd_are_left_out() {
        let crowd = [DAY + 500, 2 * DAY];
        let seen = pass(&mut pages(&crowd), 0, |_, _| Verdict::Right(400));
        let within = |second: i64| {
            seen.iter()
                .any(|(from, to)| (*from..=*to).contains(&second))
        };
        assert!(!within(crowd[0]) && !within(crowd[1]));
        assert!(within(crowd[0] - 1) && within(crowd[0] + 1) && within(crowd[1] - 1));
    }

    #[test]
    fn a_register_that_is_changed_now_is_asked_for_today_too() {
        let now = 9 * DAY;
        let seen = pass(&mut pages(&[]), now, |_, _| Verdict::Right(0));
        assert_eq!(seen[0].0, DAY);
        assert!(seen.iter().any(|(from, _)| *from == now - DAY));
        assert_eq!(seen.last().unwrap().1, now);
        assert!(seen.len() < 40, "empty pages grow: {}", seen.len());
    }

    #[test]
    fn seconds_and_moments_are_the_same() {
        for packed in [20_250_107_060_000, 20_241_231_235_959, 20_240_229_000_000] {
            assert_eq!(written(seconds(packed)), packed.to_string());
        }
    }
}
