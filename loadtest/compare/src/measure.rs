//! Rounds of all cases in turn, so that a slow minute of the machine is everybody's.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::task::LocalSet;

use crate::client::{Address, Caller, Protocol};
use crate::plan::{BATCH, MANY, ONE};
use crate::processor::{Pid, Reading};
use crate::request::{self, Digits, Question};
use crate::{Failure, plan, report};

/// Callers, each waiting for its answer.
pub const CONNECTIONS: usize = 32;

/// Questions of each kind that all who should answer alike are asked before anything is measured.
const CHECKED: usize = 50;

/// What is measured, and how long.
#[derive(clap::Args)]
pub struct Measure {
    /// Folder with what was loaded, and the process numbers of the servers in pids
    #[arg(long)]
    folder: PathBuf,
    /// First of the ports that the servers have
    #[arg(long)]
    port: u16,
    /// Rounds
    #[arg(long, default_value_t = 12)]
    rounds: usize,
    /// Seconds of a case in a round
    #[arg(long, default_value_t = 1.0)]
    window: f64,
    /// A line about the programs that were measured, as often as needed
    #[arg(long)]
    note: Vec<String>,
    /// Folder for results
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Who is asked for what in which way.
pub struct Case {
    /// The peer, as the table names it.
    pub name: &'static str,
    /// The table it stands in: only cases of one table are compared.
    pub table: &'static str,
    /// Persons in a question.
    pub count: usize,
    protocol: Protocol,
    address: Address,
    question: Question,
    processes: Vec<Pid>,
    /// Whether its answers are those of pu, byte by byte.
    same: bool,
}

/// What one case did in one round.
#[derive(Clone, Copy, Serialize)]
pub struct Window {
    /// Answers that came.
    pub requests: u64,
    /// How long it took.
    pub seconds: f64,
    /// Processor time of all who serve the case.
    pub cpu_nanoseconds: u64,
}

impl Window {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// Microseconds of processor a request.
    pub fn cpu(&self) -> f64 {
        self.cpu_nanoseconds as f64 / 1e3 / self.requests.max(1) as f64
    }
}

impl Measure {
    /// Measures, prints the table, and writes the results.
    pub async fn run(self) -> Result<(), Failure> {
        let (loaded, identities) = plan::read(&self.folder)?;
        let identities: Rc<[Digits]> = identities.into();
        let mut cases = self.cases()?;
        check(&mut cases, &identities).await?;
        let window = Duration::from_secs_f64(self.window);
        eprintln!("warming up, a window each");
        for case in &mut cases {
            load(case, &identities, 0, window).await?;
        }
        let mut windows: Vec<Vec<Window>> = vec![Vec::new(); cases.len()];
        let machine = crate::machine::describe();
        for round in 0..self.rounds {
            eprintln!("round {} of {}", round + 1, self.rounds);
            // Each round begins elsewhere.
            for turn in 0..cases.len() {
                let at = (turn + round) % cases.len();
                let seed = round as u64 + 1;
                windows[at].push(load(&mut cases[at], &identities, seed, window).await?);
            }
        }
        let report = report::Report {
            machine,
            loaded,
            notes: self.note,
            window: self.window,
            rows: report::rows(&cases, &windows),
        };
        report.give(self.out.as_deref())
    }

    fn port(&self, offset: u16) -> Address {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Address::Tcp(SocketAddr::new(here, self.port + offset))
    }

    /// Every case; the order of ports is that of the script that starts the servers.
    fn cases(&self) -> Result<Vec<Case>, Failure> {
        let pids = |names: &[&str]| -> Result<Vec<Pid>, Failure> {
            let all = names.iter().map(|it| pid(&self.folder, it));
            all.collect()
        };
        let database = Address::Unix(self.folder.join("socket/.s.PGSQL.5432"));
        let mut cases = Vec::new();
        for (table, count) in [("one person", 1), ("500 persons at once", BATCH)] {
            let soap = request::soap(count)?;
            let mut http = |name, offset, processes: &[&str], same| -> Result<(), Failure> {
                cases.push(Case {
                    name,
                    table,
                    count,
                    protocol: Protocol::Http,
                    address: self.port(offset),
                    question: soap.clone(),
                    processes: pids(processes)?,
                    same,
                });
                Ok(())
            };
            http("pu", 0, &["pu"], true)?;
            http("pu, consumers file and audit", 1, &["pu-audit"], true)?;
            http("bare hyper, same bytes", 2, &["bare"], false)?;
            http(
                "thin service on Redis",
                5,
                &["thin-redis", "redis-documents"],
                true,
            )?;
            http(
                "thin service on PostgreSQL",
                6,
                &["thin-postgres", "postgres"],
                true,
            )?;
            cases.push(Case {
                name: "Redis, stored answers",
                table,
                count,
                protocol: Protocol::Redis,
                address: self.port(3),
                question: request::redis(count),
                processes: pids(&["redis-answers"])?,
                same: false,
            });
            cases.push(Case {
                name: "PostgreSQL, stored documents",
                table,
                count,
                protocol: Protocol::Postgres,
                address: database.clone(),
                question: request::postgres(count),
                processes: pids(&["postgres"])?,
                same: false,
            });
            cases.push(Case {
                name: "nginx, a static file",
                table,
                count,
                protocol: Protocol::Http,
                address: self.port(7),
                question: request::file(if count == 1 { ONE } else { MANY }),
                processes: pids(&["nginx"])?,
                same: false,
            });
        }
        for (name, offset, process, same) in [
            ("pu, a runtime for each", 8, "pu-both", true),
            ("bare hyper, one runtime for both", 9, "bare-both", false),
        ] {
            cases.push(Case {
                name,
                table: "one person, both processors",
                count: 1,
                protocol: Protocol::Http,
                address: self.port(offset),
                question: request::soap(1)?,
                processes: pids(&[process])?,
                same,
            });
        }
        Ok(cases)
    }
}

/// The process of a server, as the script noted it.
fn pid(folder: &Path, name: &str) -> Result<Pid, Failure> {
    let path = folder.join("pids").join(name);
    let text = std::fs::read_to_string(path).map_err(|error| format!("pids/{name}: {error}"))?;
    Ok(text.trim().parse()?)
}

/// Asks everybody whose answers should be pu's the same questions, and compares every byte.
async fn check(cases: &mut [Case], identities: &[Digits]) -> Result<(), Failure> {
    for count in [1, BATCH] {
        let mut expected: Vec<Vec<u8>> = Vec::new();
        for case in cases.iter_mut().filter(|it| it.count == count) {
            let mut caller = Caller::connect(&case.address, case.protocol, count).await?;
            let mut random = fastrand::Rng::with_seed(1);
            for turn in 0..CHECKED {
                let question = case.question.with(|| draw(&mut random, identities));
                let answer = caller.ask(question).await?;
                match expected.get(turn) {
                    // pu is the first.
                    None => expected.push(answer.to_vec()),
                    Some(wanted) if case.same && wanted != answer => {
                        return Err(format!("{} does not answer as pu does", case.name).into());
                    }
                    // A stored answer stands between its length and a line's end.
                    Some(wanted)
                        if case.protocol == Protocol::Redis
                            && count == 1
                            && !holds(answer, wanted) =>
                    {
                        return Err("Redis does not hold the answers of pu".into());
                    }
                    Some(_) => {}
                }
            }
        }
    }
    Ok(())
}

fn holds(answer: &[u8], wanted: &[u8]) -> bool {
    answer.strip_suffix(b"\r\n") == Some(wanted)
}

fn draw(random: &mut fastrand::Rng, identities: &[Digits]) -> Digits {
    random
        .choice(identities.iter())
        .copied()
        .unwrap_or_default()
}

/// Loads one case for a while. The seed decides who is asked for, whichever the case.
async fn load(
    case: &mut Case,
    identities: &Rc<[Digits]>,
    seed: u64,
    window: Duration,
) -> Result<Window, Failure> {
    let (done, stop) = (Rc::new(Cell::new(0_u64)), Rc::new(Cell::new(false)));
    let mut callers = Vec::new();
    for _ in 0..CONNECTIONS {
        callers.push(Caller::connect(&case.address, case.protocol, case.count).await?);
    }
    let all = LocalSet::new();
    all.run_until(async {
        let asking = callers.into_iter().enumerate().map(|(at, mut caller)| {
            let mut question = case.question.clone();
            let (done, stop) = (Rc::clone(&done), Rc::clone(&stop));
            let identities = Rc::clone(identities);
            let mut random = fastrand::Rng::with_seed(seed * CONNECTIONS as u64 + at as u64);
            tokio::task::spawn_local(async move {
                while !stop.get() {
                    let question = question.with(|| draw(&mut random, &identities));
                    caller.ask(question).await?;
                    done.set(done.get() + 1);
                }
                Ok::<(), Failure>(())
            })
        });
        let asking: Vec<_> = asking.collect();
        tokio::time::sleep(window / 5).await;
        let before = Reading::take(&case.processes);
        let (first, began) = (done.get(), Instant::now());
        tokio::time::sleep(window).await;
        let (requests, seconds) = (done.get() - first, began.elapsed().as_secs_f64());
        let cpu_nanoseconds = Reading::take(&case.processes).since(&before);
        stop.set(true);
        for caller in asking {
            caller.await??;
        }
        Ok(Window {
            requests,
            seconds,
            cpu_nanoseconds,
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_tells_rate_and_processor_time_a_request() {
        let window = Window {
            requests: 500,
            seconds: 0.5,
            cpu_nanoseconds: 10_000_000,
        };
        assert!((window.rate() - 1000.0).abs() < 1e-9);
        assert!((window.cpu() - 20.0).abs() < 1e-9);
    }
}
