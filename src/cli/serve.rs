//! `pu serve`: the service.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use clap::Args;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::config::Config;
use super::findings::{Extent, Findings, Status};
use super::settings::Written;
use super::{Common, Failure, inbox, logging, push_anchors, systemd, witnesses};
use crate::access::alarms::Alarms;
use crate::access::audit::push::Pusher;
use crate::access::audit::{Audit, Keeping};
use crate::access::gate::Reload;
use crate::base::time::Moment;
use crate::base::told::Told;
use crate::base::{files, limits};
use crate::feed::inbox::Inbox;
use crate::person::identity::Formats;
use crate::person::view::HouseholdRule;
use crate::register::desk::Desk;
use crate::register::nrid::{self, WentOn};
use crate::serve::App;
use crate::serve::anchors;
use crate::serve::descriptors::{Descriptors, TooFewDescriptors};
use crate::serve::handed::Handed;
use crate::serve::health::{self, Health};
use crate::serve::host::Hosts;
use crate::serve::households;
use crate::serve::leaving::Outgoing;
use crate::serve::listen::{ListenError, Running, start_with};
use crate::serve::metrics::Metrics;
use crate::serve::news::News;
use crate::serve::patterns;
use crate::serve::readiness::Readiness;
use crate::serve::sandbox::{self, Needs, Sandbox};
use crate::serve::scrub;
use crate::serve::sigbus;
use crate::serve::tls::{Known, Tls};
use crate::serve::wide::Wide;
use crate::store::commit::CommitError;
use crate::store::ledger::Ledger;
use crate::store::live::Live;
use crate::store::lock::DataLock;
use crate::store::loss;
use crate::store::trail::Trail;
use crate::wire::rest::Rest;
use crate::wire::soap::Soap;

/// How often histograms are gathered, and the file of consumers is looked at.
const UPKEEP: Duration = Duration::from_secs(2);

/// Serve a register.
#[derive(Args)]
pub struct Serve {
    /// Serve even as root, whom no file on the machine is closed to
    #[arg(long)]
    as_root: bool,
    #[command(flatten)]
    common: Common,
}

const ROOT: &str = "pu serve does not run as root: a mistake in it would be a mistake with every right \
     on this machine. Run it as a user of its own that owns the data folder, or say --as-root \
     (or as_root = true)";

impl Serve {
    /// Serves until told to stop.
    pub fn run(self) -> Result<(), Failure> {
        let (mut config, written) = self.common.written()?;
        config.as_root |= self.as_root;
        if nix::unistd::geteuid().is_root() && !config.as_root {
            return Err(ROOT.into());
        }
        run(&config, &written)
    }
}

fn run(config: &Config, written: &Written) -> Result<(), Failure> {
    let handed = Handed::from_environment()?;
    logging::start(&config.log)?;
    sigbus::tell_before_the_end()?;
    let findings = Findings::of(config, written, Extent::Quick);
    for finding in findings.all() {
        match finding.status {
            Status::Ok => {}
            Status::Warning => tracing::warn!("{finding}"),
            Status::Wrong => tracing::error!("{finding}"),
        }
    }
    findings.refuse()?;
    let lock = DataLock::take(&config.data)?;
    for mended in lock.mended() {
        tracing::warn!(folder = %mended.path.display(), "{mended}");
    }
    let pusher = shut_in(config)?;
    let signals = Signals::hear()?;
    let (app, mut running) = begin_with(config, pusher, handed)?;
    lock.tell_inbox(&config.inbox())?;
    running
        .companions
        .push(systemd::start(&app).map_err(ListenError::Thread)?);
    let state = app.store.keep();
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        commit = option_env!("PU_COMMIT").unwrap_or("unknown"),
        folder = %config.data.display(),
        sequence = state.sequence(),
        persons = state.persons(),
        consumers = app.gate.consumers().len(),
        address = %running.address,
        tls = running.tls.map(tracing::field::display),
        unix = config.listen_unix.as_ref().map(|it| tracing::field::display(it.display())),
        "listening"
    );
    drop(state);
    signals.until_told(&app);
    tracing::info!("stopping");
    systemd::stopping();
    running.stop();
    Ok(())
}

/// Why the process cannot be shut in.
#[derive(Debug, thiserror::Error)]
enum ShutInError {
    /// A folder in which it will write cannot be made.
    #[error("cannot make the folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// What runs the command for anchors cannot be started.
    #[error("cannot start what runs audit.anchor_command")]
    Errand(#[source] io::Error),
}

/// Shuts the process in, before any thread is started. What runs the command for anchors stays outside.
fn shut_in(config: &Config) -> Result<Option<Pusher>, Failure> {
    if config.sandbox == Sandbox::Off {
        tracing::warn!("no sandbox: the configuration turns it off");
        return Ok(config.push().map(Pusher::Own));
    }
    let errand = config.push().map(|push| push_anchors::start(&push));
    let in_force = sandbox::enter(&needs(config)?).enough(config.sandbox)?;
    if in_force.is_whole() {
        tracing::info!(%in_force, "sandbox");
    } else {
        tracing::warn!(%in_force, "sandbox: the kernel does not offer all of it");
    }
    let errand = errand.transpose().map_err(ShutInError::Errand)?;
    Ok(errand.map(Pusher::Errand))
}

/// What the service touches. Folders that are missing are made: later, nothing can be made there.
fn needs(config: &Config) -> Result<Needs, ShutInError> {
    let audit = config.audit.record.then(|| config.audit_folder());
    let mut written = vec![config.data.clone(), config.inbox()];
    written.extend(audit);
    for folder in &written {
        if !folder.is_dir() {
            make(folder).map_err(|source| ShutInError::Folder {
                path: folder.clone(),
                source,
            })?;
        }
    }
    let tls = &config.tls;
    let read = [&config.access.consumers, &tls.certificate, &tls.key]
        .into_iter()
        .flatten();
    let read = read
        .chain(&tls.client_authorities)
        .chain(&tls.revocation_lists);
    let addresses = std::iter::once(config.listen).chain(tls.listen);
    Ok(Needs {
        written,
        read: read.cloned().collect(),
        socket: config.listen_unix.clone(),
        ports: addresses.map(|address| address.port()).collect(),
    })
}

fn make(folder: &Path) -> io::Result<()> {
    files::create_folder(folder)?;
    files::give_to_owner_of_folder(&File::open(folder)?, folder)
}

/// Opens the register and listens, in a process that is not shut in.
pub fn begin(config: &Config) -> Result<(Arc<App>, Running), Failure> {
    begin_with(config, config.push().map(Pusher::Own), Handed::default())
}

/// The same: anchors are brought away by `pusher`, and sockets that were handed over are listened on.
fn begin_with(
    config: &Config,
    pusher: Option<Pusher>,
    handed: Handed,
) -> Result<(Arc<App>, Running), Failure> {
    let descriptors = descriptors(config)?;
    let formats = config.formats()?;
    let live = Arc::new(Live::open(
        &config.data,
        &formats,
        config.keeping(),
        config.snapshots.keep,
        Arc::new(Moment::now),
    )?);
    loss::check(&config.data, &live.store.pin(), witnesses::of(config)?)?;
    let most_jump = u64::from(config.changes.most_jump_hours) * 3_600;
    live.committer
        .time()
        .hold_to(Duration::from_secs(most_jump));
    let_numbers_go_on(&live, &formats)?;
    live.chains.set_longest(config.limits.linked_identities);
    if config.protection.household == HouseholdRule::Mask {
        mask(&live)?;
    }
    live.compact_in_background(config.snapshots.changes)?;
    let rule = config.protection;
    let metrics = Metrics::install();
    let gate = Arc::new(config.gate()?);
    let known: Known = {
        let gate = Arc::clone(&gate);
        Arc::new(move |hsa_id| gate.knows(hsa_id))
    };
    let tls = config.tls.files()?.map(|files| Tls::open(files, known));
    let tls = tls.transpose()?.map(Arc::new);
    let newest = live.store.pin().sequence();
    let news = Arc::new(News::since(newest, limits::WAITING_FOLLOWERS));
    let app = Arc::new(App {
        soap: Soap::compile(&formats, &config.logical_addresses(), rule),
        gate,
        alarms: Alarms::new(config.alarms),
        anchors: config.pushing(pusher),
        hosts: Hosts::new(config.listen, &config.hosts),
        audit: audit(config, live.store.pin().ledger())?,
        rest: Rest::new(&formats, rule, config.search.explain, config.rest.offered()),
        trail: Trail::default(),
        news: Arc::clone(&news),
        outgoing: Arc::new(Outgoing::new(config.room())),
        wide: Wide::new(
            config.limits.wide_searches,
            config.limits.waiting_searches,
            metrics.wide_running.clone(),
            metrics.wide_waiting.clone(),
        ),
        tls,
        callers: Arc::default(),
        descriptors: Arc::new(descriptors),
        households: households::Known::default(),
        metrics,
        readiness: Readiness::default(),
        health: Health::of(&config.data),
        body_bytes: config.limits.body_bytes,
        compression: config.compression,
        body_seconds: config.limits.body_seconds,
        answer_seconds: config.limits.answer_seconds,
        descriptions: crate::serve::route::Descriptions::default(),
        store: Arc::clone(&live.store),
        desk: Desk::new(Arc::clone(&live), formats.clone()),
        live,
    });
    app.store.on_publish(move |sequence| news.tell(sequence));
    anchors::hold(&app);
    if let Some(audit) = &app.audit {
        audit.prepare(u32::try_from(config.listening().threads()).unwrap_or(u32::MAX));
    }
    let inbox = Inbox::open(&config.inbox(), &formats)?;
    let mut running = start_with(&app, &config.listening(), app.tls.as_ref(), handed)?;
    if let Some(tls) = &app.tls {
        running.companions.push(
            tls.watch(app.readiness.clone())
                .map_err(ListenError::Thread)?,
        );
    }
    running
        .companions
        .push(inbox::start(&app, inbox, &formats).map_err(ListenError::Thread)?);
    running
        .companions
        .push(anchors::start(&app).map_err(ListenError::Thread)?);
    running
        .companions
        .push(health::start(&app).map_err(ListenError::Thread)?);
    running
        .companions
        .push(households::start(&app).map_err(ListenError::Thread)?);
    if let Some(every) = config.snapshots.scrub_every() {
        running
            .companions
            .push(scrub::start(&app, every).map_err(ListenError::Thread)?);
    }
    if config.verify_on_start {
        app.readiness.verify(&app.live)?;
    } else {
        app.readiness.warm(&app.live)?;
    }
    Ok((Arc::clone(&app), running))
}

/// Sets the marks of households. It reads every record, and so may be who finds that one is damaged.
fn mask(live: &Live) -> Result<(), Failure> {
    let Err(error) = households::mask(live) else {
        return Ok(());
    };
    let snapshot = Arc::clone(live.store.pin().snapshot());
    let Some(damage) = snapshot.what_is_damaged() else {
        return Err(error.into());
    };
    live.mend(&snapshot, &damage, || ())?;
    Ok(households::mask(live)?)
}

/// Lets numbers go on beyond what may have been issued, and says why. While records are damaged, no
/// number is issued, and it is tried again.
fn let_numbers_go_on(live: &Live, formats: &Formats) -> Result<(), CommitError> {
    match nrid::go_on(live, formats) {
        Ok(Some(WentOn::Copied)) => tracing::warn!(
            "the data folder was put back, or moved: reserve identities go on far beyond those that it knows"
        ),
        Ok(Some(WentOn::New)) => tracing::info!(
            "the register is new here: reserve identities go on far beyond those that it holds"
        ),
        Ok(None) => {}
        Err(CommitError::Damaged) => tracing::error!(
            "records are damaged: it is not known which reserve identities were issued, and none is"
        ),
        Err(error @ CommitError::Clock(_)) => {
            tracing::error!(%error, "no changes are taken");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// As many descriptors as the system gives.
fn descriptors(config: &Config) -> Result<Descriptors, TooFewDescriptors> {
    let ways =
        1 + usize::from(config.tls.listen.is_some()) + usize::from(config.listen_unix.is_some());
    let threads = config.listening().threads();
    let connections = threads
        .saturating_mul(config.limits.connections_per_thread)
        .saturating_mul(ways);
    Descriptors::take(threads, connections as u64)
}

/// The audit, where disclosures are recorded, unless it lacks what the register's log knows of it.
fn audit(config: &Config, ledger: &Ledger) -> Result<Option<Arc<Audit>>, Failure> {
    if !config.audit.record {
        return Ok(None);
    }
    let folder = config.audit_folder();
    let missing = anchors::missing(&folder, ledger)?;
    if !missing.is_empty() {
        let told: Vec<String> = missing.iter().map(ToString::to_string).collect();
        return Err(format!(
            "the audit in {} is not the one that the register's log knows: {}. Put its files back, or \
             find out who took them and say that they are lost: pu audit accept --because TEXT",
            folder.display(),
            told.join("; ")
        )
        .into());
    }
    let keeping = Keeping {
        file_bytes: config.audit.file_bytes,
        sync: Duration::from_millis(config.audit.sync_milliseconds),
    };
    Ok(Some(Audit::open(&folder, keeping)?))
}

/// Puts a changed file of consumers in force, when it is whole.
fn look_at_consumers(app: &App) {
    match app.gate.look() {
        Reload::Unchanged => {}
        Reload::InForce(consumers) => tracing::info!(consumers, "new consumers are in force"),
        Reload::Refused(error) => {
            let error = Told(&error);
            tracing::error!(%error, consumers = app.gate.consumers().len(), "the consumers in force stay: the new file is refused");
        }
    }
}

/// The signals by which a service is told what to do. They are heard from the moment this is made: one that
/// comes while the service starts must not end it in the middle of an answer.
pub struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    snapshot: Signal,
    reload: Signal,
}

impl Signals {
    /// Begins to hear.
    pub fn hear() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let within = runtime.enter();
        let (terminate, interrupt) = (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        );
        let (snapshot, reload) = (
            signal(SignalKind::user_defined1())?,
            signal(SignalKind::hangup())?,
        );
        drop(within);
        Ok(Self {
            runtime,
            terminate,
            interrupt,
            snapshot,
            reload,
        })
    }

    /// Waits for SIGTERM or SIGINT, keeping the metrics small meanwhile. SIGUSR1 asks for a new snapshot,
    /// SIGHUP for a look at the consumers and the files of TLS.
    pub fn until_told(self, app: &App) {
        let Self {
            runtime,
            mut terminate,
            mut interrupt,
            mut snapshot,
            mut reload,
        } = self;
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = terminate.recv() => return,
                    _ = interrupt.recv() => return,
                    _ = snapshot.recv() => app.live.want_snapshot(),
                    _ = reload.recv() => {
                        systemd::reloading();
                        app.tls.iter().for_each(|tls| _ = tls.look());
                        look_at_consumers(app);
                        systemd::reloaded();
                    }
                    () = tokio::time::sleep(UPKEEP) => {
                        app.metrics.upkeep();
                        look_at_consumers(app);
                        if app.live.numbers_wait.load(Ordering::Relaxed)
                            && nrid::go_on(&app.live, app.desk.formats()).is_ok()
                        {
                            tracing::info!("reserve identities are issued again");
                        }
                        patterns::ring(app);
                    }
                }
            }
        });
    }
}
