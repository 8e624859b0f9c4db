//! A run: draws from the register, opens the connections, lets the streams go by their schedules, and
//! gathers what they and the machine tell.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::{JoinHandle, LocalSet};

use crate::Failure;
use crate::ask::asker;
use crate::drive::{Clock, Driven};
use crate::inbox::Sender;
use crate::latency::{Latencies, rounded};
use crate::line::Target;
use crate::machine::{Machine, commit};
use crate::report::{FORM, Generator, Report, Row, Server};
use crate::sample::Sample;
use crate::scenario::{Kind, Scenario, Stream, find_scenario};
use crate::schedule::Schedule;
use crate::server::{Processor, Watched, Watcher};
use crate::tally::{Over, Tally};
use crate::tls::caller;
use crate::trend::trends;

/// Drive a running service with a scenario, and report.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// A scenario's name (`pu-loadtest scenarios` lists them), or a .toml file of one
    scenario: String,
    /// Where the service listens
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    target: String,
    /// The data folder of the register that is served: whom to ask for is drawn from its newest
    /// snapshot, and its files are counted
    #[arg(long, value_name = "DIR")]
    register: PathBuf,
    /// Requests a second, of all streams together in the scenario's shares; `max` asks as fast as
    /// is answered on every connection, which is a closed loop
    #[arg(long, value_name = "N")]
    rate: Option<Rate>,
    /// Seconds to measure
    #[arg(long, value_name = "S", default_value_t = 30.0)]
    seconds: f64,
    /// Seconds before that, in which nothing is counted
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    warm_up: f64,
    /// Connections of each stream, in place of the scenario's
    #[arg(long, value_name = "C")]
    connections: Option<usize>,
    /// The service's process on this machine: its processor and memory are read
    #[arg(long, value_name = "PID")]
    pid: Option<u32>,
    /// Where the service tells of itself without TLS, as HOST:PORT, when the target is another
    #[arg(long, value_name = "HOST:PORT")]
    status: Option<String>,
    /// Folder of certificates that `pu certs dev` made: connections are mutual TLS
    #[arg(long, value_name = "FOLDER")]
    tls: Option<PathBuf>,
    /// Whose certificate of that folder to show
    #[arg(long, value_name = "NAME", default_value = "intermediary")]
    caller: String,
    /// The HSA-id in whose name an intermediary calls, for streams that name none
    #[arg(long, value_name = "HSA-ID", default_value = "SE0000000000-REGION")]
    consumer: String,
    /// Where files from Skatteverket are put; `inbox` in the register's folder when not given
    #[arg(long, value_name = "DIR")]
    inbox: Option<PathBuf>,
    /// Folder to write SCENARIO-TIME.json and .html into
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// What draws whom to ask for, and when
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Seconds to wait for an answer
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    patience: f64,
}

const EXAMPLES: &str = "\
Examples:
  pu-loadtest run npo --register /var/lib/pu --rate 5000 --seconds 60 --pid $(pidof pu)
  pu-loadtest run svevac --register /var/lib/pu --rate max --connections 1
  pu-loadtest run mixed --register /var/lib/pu --seconds 3600 --pid $(pidof pu) --out results
  pu-loadtest run npo --register /var/lib/pu --target https://localhost:8443 --tls certs

Requests are due by a schedule that knows nothing of answers, and latency counts from when a request
was due. A service that cannot keep up shows long latencies, not fewer requests.";

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// Requests a second.
    Of(f64),
    /// As fast as is answered.
    Max,
}

impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        let rate: f64 = text.parse().map_err(|_| "a number, or max".to_owned())?;
        let is_rate = rate.is_finite() && rate > 0.0;
        is_rate
            .then_some(Self::Of(rate))
            .ok_or_else(|| "above 0".to_owned())
    }
}

/// Runs up to two minutes are told second by second, longer ones by ten seconds.
const SHORT: f64 = 120.0;

/// People that a stream of files tells of.
const MOVERS: usize = 20_000;

impl Run {
    /// Runs, and gives the report.
    pub fn perform(&self) -> Result<Report, Failure> {
        let mut scenario = find_scenario(&self.scenario)?;
        if let Some(Rate::Of(rate)) = self.rate {
            scenario.scale_to(rate);
        }
        for stream in &mut scenario.streams {
            if let Some(connections) = self.connections.filter(|it| *it > 0) {
                stream.connections = connections;
            }
            if self.tls.is_some() && stream.consumers.is_empty() {
                stream.consumers.push(self.consumer.clone());
            }
        }
        let tls = self
            .tls
            .as_deref()
            .map(|folder| caller(folder, &self.caller))
            .transpose()?;
        let seconds = |it: f64| {
            Duration::try_from_secs_f64(it)
                .map_err(|_| "--seconds, --warm-up and --patience are seconds")
        };
        let (measured, warm_up) = (seconds(self.seconds)?, seconds(self.warm_up)?);
        if measured.is_zero() {
            return Err("--seconds is above 0".into());
        }
        let target = Target::new(&self.target, tls, seconds(self.patience)?)?;
        eprintln!("drawing from {} ...", self.register.display());
        let sample = Rc::new(Sample::draw(&self.register, self.seed)?);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let driving = Driving {
            run: self,
            scenario: &scenario,
            sample: &sample,
            target: Rc::new(target),
            measured,
            warm_up,
        };
        LocalSet::new().block_on(&runtime, driving.drive())
    }

    /// Where the report goes.
    pub fn out(&self) -> Option<&Path> {
        self.out.as_deref()
    }

    /// Where the service tells of itself.
    fn status(&self) -> Option<String> {
        let plain = || self.target.strip_prefix("http://");
        let told = self.status.as_deref().or_else(plain)?;
        Some(told.trim_end_matches('/').to_owned())
    }
}

/// A run with all that it needs.
struct Driving<'r> {
    run: &'r Run,
    scenario: &'r Scenario,
    sample: &'r Rc<Sample>,
    target: Rc<Target>,
    measured: Duration,
    warm_up: Duration,
}

/// A row in the making: its tally, and what rate was asked for.
struct Counted {
    tally: Rc<RefCell<Tally>>,
    rate_asked: Option<f64>,
}

impl Driving<'_> {
    async fn drive(self) -> Result<Report, Failure> {
        /// Time to open connections and to be ready.
        const RUN_UP: Duration = Duration::from_millis(500);
        let run = self.run;
        let closed = run.rate == Some(Rate::Max);
        let watched = Watched {
            pid: run.pid,
            status: run.status(),
            register: run.register.clone(),
        };
        let before = watched.metrics();
        let begin = Instant::now() + RUN_UP;
        let zero = begin + self.warm_up;
        let clock = Clock {
            begin,
            zero,
            end: zero + self.measured,
            drain: self.target.patience,
        };
        let began = jiff::Zoned::now()
            .strftime("%Y-%m-%dT%H:%M:%S%:z")
            .to_string();
        let watcher = Watcher::begin(watched.clone(), zero, Duration::from_secs(1))?;
        let late = Rc::new(RefCell::new(Latencies::new()?));
        let stop = Arc::new(AtomicBool::new(false));
        let mut counted = Vec::new();
        let mut at_work: Vec<JoinHandle<std::io::Result<()>>> = Vec::new();
        for (number, stream) in self.scenario.streams.iter().enumerate() {
            let seed = run
                .seed
                .wrapping_mul(1_000_003)
                .wrapping_add(number as u64 * 65_537);
            let schedule = Schedule::new(
                stream.arrivals,
                stream.per_second(),
                stream.curve.as_ref(),
                self.warm_up,
                self.measured,
                seed,
            );
            if stream.kind == Kind::Import {
                let tally = self.tally(stream, "", &mut counted)?;
                at_work.push(self.files(stream, schedule, clock, seed, &stop, tally)?);
                continue;
            }
            let asker = asker(stream, self.sample)?;
            let tallies = asker
                .steps()
                .iter()
                .map(|step| self.tally(stream, step, &mut counted));
            let tallies = tallies.collect::<Result<_, _>>()?;
            let driven = Driven::new(stream, asker, tallies, &late, clock, closed);
            driven.open(stream, &self.target, seed);
            at_work.push(tokio::task::spawn_local(async move {
                if closed {
                    tokio::time::sleep_until((clock.end).into()).await;
                    return Ok(());
                }
                driven.follow(schedule).await
            }));
        }
        let mut server = Processor::of(run.pid);
        let mut own = Processor::of(Some(std::process::id()));
        let every = Duration::from_secs(if run.seconds <= SHORT { 1 } else { 10 });
        let tallies: Vec<_> = counted.iter().map(|it| Rc::clone(&it.tally)).collect();
        let intervals = tokio::task::spawn_local(end_intervals(tallies, clock, every));
        let whole = async {
            tokio::time::sleep_until(zero.into()).await;
            // Both count from the first time they are asked.
            server.seconds();
            own.seconds();
            tokio::time::sleep_until(clock.end.into()).await;
            let used = (server.seconds(), own.seconds());
            for stream in at_work {
                stream.await??;
            }
            Ok::<_, Failure>(used)
        };
        let broken_off = async { tokio::signal::ctrl_c().await.is_ok() };
        let used = tokio::select! {
            used = whole => Some(used?),
            _ = broken_off => None,
        };
        intervals.abort();
        stop.store(true, Ordering::Relaxed);
        let seconds = match used {
            Some(_) => self.measured,
            None => zero.elapsed().min(self.measured),
        };
        let seconds = seconds.as_secs_f64();
        let broken_off = used.is_none();
        let used = used.unwrap_or_else(|| (server.seconds(), own.seconds()));
        let readings = watcher.end();
        let after = watched.metrics();
        let rows: Vec<Row> = counted
            .iter()
            .map(|it| {
                it.tally
                    .borrow()
                    .row(it.rate_asked.filter(|_| !closed), seconds)
            })
            .collect();
        let mut together = Latencies::new()?;
        counted
            .iter()
            .for_each(|it| it.tally.borrow().add_to(&mut together));
        let requests: u64 = rows.iter().map(|row| row.requests).sum();
        let trend = trends(&rows, &readings, seconds);
        let late = late.borrow().quantiles();
        let kept = |(at, _): &(usize, _)| at % every.as_secs() as usize == 0;
        Ok(Report {
            form: FORM,
            scenario: self.scenario.name.clone(),
            about: self.scenario.about.clone(),
            began,
            arguments: std::env::args().skip(1).collect(),
            commit: commit(),
            machine: Machine::here(),
            closed,
            seconds,
            warm_up: self.warm_up.as_secs_f64(),
            broken_off,
            persons: self.sample.persons,
            drawn: self.sample.drawn() as u64,
            connections: self.target.opened.get(),
            reopened: self.target.reopened.get(),
            rows,
            together: together.quantiles(),
            generator: Generator {
                cpu_seconds: used.1,
                cpu_share: rounded(used.1 / seconds, 4),
                late,
            },
            server: run.pid.map(|pid| Server {
                pid,
                cpu_seconds: used.0,
                cpu_share: rounded(used.0 / seconds, 4),
                cpu_per_request: rounded(used.0 * 1e6 / requests.max(1) as f64, 2),
            }),
            readings: readings
                .into_iter()
                .enumerate()
                .filter(kept)
                .map(|(_, it)| it)
                .collect(),
            metrics: moved(&before, &after),
            trend,
        })
    }

    fn tally(
        &self,
        stream: &Stream,
        step: &str,
        counted: &mut Vec<Counted>,
    ) -> Result<Rc<RefCell<Tally>>, Failure> {
        let is_first = counted
            .last()
            .is_none_or(|it| !it.tally.borrow().is_of(&stream.name));
        let name = match step {
            "" => stream.name.clone(),
            step => format!("{}: {step}", stream.name),
        };
        let tally = Tally::new(stream.name.clone(), name, self.measured)?;
        let tally = Rc::new(RefCell::new(tally));
        counted.push(Counted {
            tally: Rc::clone(&tally),
            rate_asked: is_first.then(|| stream.per_second()),
        });
        Ok(tally)
    }

    /// A stream of files, on a thread of its own.
    fn files(
        &self,
        stream: &Stream,
        schedule: Schedule,
        clock: Clock,
        seed: u64,
        stop: &Arc<AtomicBool>,
        tally: Rc<RefCell<Tally>>,
    ) -> Result<JoinHandle<std::io::Result<()>>, Failure> {
        let run = self.run;
        let inbox = run
            .inbox
            .clone()
            .unwrap_or_else(|| run.register.join("inbox"));
        if !inbox.is_dir() {
            let inbox = inbox.display();
            return Err(
                format!("{inbox} is no folder: where is the service's inbox (--inbox)?").into(),
            );
        }
        let mut chance = fastrand::Rng::with_seed(seed);
        let sender = Sender {
            inbox,
            formats: self.sample.formats.clone(),
            people: (0..MOVERS)
                .map(|_| self.sample.changeable(&mut chance))
                .collect(),
            ids: stream.ids,
            patience: self.target.patience.max(Duration::from_mins(1)),
            // The register knows files again by their content, those of other runs too.
            seed: seed ^ u64::from(std::process::id()).rotate_left(32),
        };
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel::<Over>();
        let stop = Arc::clone(stop);
        std::thread::Builder::new()
            .name("files".to_owned())
            .spawn(move || {
                // Nobody listens any more when the run was broken off.
                sender.follow(schedule, clock, &stop, |over| drop(tell.send(over)));
            })?;
        Ok(tokio::task::spawn_local(async move {
            while let Some(over) = told.recv().await {
                tally.borrow_mut().take(&over);
            }
            Ok(())
        }))
    }
}

/// Ends the intervals of all rows in time, and shows how far the run is.
async fn end_intervals(tallies: Vec<Rc<RefCell<Tally>>>, clock: Clock, every: Duration) {
    let whole = clock.end.duration_since(clock.zero);
    let bar = ProgressBar::new(whole.as_secs());
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} s  {msg}") {
        bar.set_style(style);
    }
    bar.set_message("warming up");
    let mut next = clock.zero + every;
    loop {
        tokio::time::sleep_until(next.into()).await;
        let at = next.duration_since(clock.zero);
        let (mut requests, mut failed) = (0, 0);
        for tally in &tallies {
            let (more, wrong) = tally.borrow_mut().end_interval(at.as_secs_f64());
            (requests, failed) = (requests + more, failed + wrong);
        }
        let rate = requests as f64 / every.as_secs_f64();
        bar.set_position(at.as_secs().min(whole.as_secs()));
        bar.set_message(format!("{rate:.0}/s, {failed} failed"));
        if next >= clock.end {
            bar.finish_and_clear();
            return;
        }
        next += every;
    }
}

/// The counters that moved.
fn moved(
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
) -> BTreeMap<String, (f64, f64)> {
    let old = |name: &String| before.get(name).copied().unwrap_or_default();
    let both = after
        .iter()
        .map(|(name, new)| (name.clone(), (old(name), *new)));
    both.filter(|(_, (old, new))| (old - new).abs() > f64::EPSILON)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_above_nothing_or_max() {
        assert_eq!("max".parse(), Ok(Rate::Max));
        assert_eq!("12.5".parse(), Ok(Rate::Of(12.5)));
        for wrong in ["0", "-1", "fast", "inf", "NaN"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn counters_that_stood_still_are_not_told() {
        let of = |pairs: &[(&str, f64)]| -> BTreeMap<String, f64> {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect()
        };
        let told = moved(
            &of(&[("a", 1.0), ("b", 2.0)]),
            &of(&[("a", 1.0), ("b", 5.0), ("c", 1.0)]),
        );
        assert_eq!(told.len(), 2);
        assert_eq!(told["b"], (2.0, 5.0));
        assert_eq!(told["c"], (0.0, 1.0));
    }
}
