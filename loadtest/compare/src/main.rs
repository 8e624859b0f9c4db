//! The register beside what people use today, in one run: bare hyper, Redis, PostgreSQL, nginx, and
//! thin services in front of the two stores. The script `run` starts everything and calls this.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program"
)]
#![expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures for people; none is near 2^52, and places in lists are not negative"
)]

mod client;
mod document;
mod figures;
mod load;
mod machine;
mod measure;
mod plan;
mod processor;
mod report;
mod request;
mod serve;
mod thin;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Whatever went wrong: it is told, and the program ends.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measures the person register beside other ways to serve the same bytes
#[derive(Parser)]
enum Command {
    /// Fill the peers with what pu answers
    Load(load::Load),
    /// Measure all in turn
    Measure(measure::Measure),
    /// Serve ready-made answers
    Bare {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
        /// Folder of the answers
        #[arg(long)]
        answers: PathBuf,
        /// Serve with so many threads, as hyper's users do: with tokio's runtime for several
        #[arg(long, default_value_t = 1)]
        threads: usize,
    },
    /// Serve persons from a store
    Thin {
        /// Where to listen
        #[arg(long)]
        listen: SocketAddr,
        #[command(flatten)]
        behind: thin::Behind,
    },
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    let runtime = match &command {
        Command::Bare { threads, .. } if *threads > 1 => Builder::new_multi_thread()
            .worker_threads(*threads)
            .enable_all()
            .build()?,
        _ => Builder::new_current_thread().enable_all().build()?,
    };
    runtime.block_on(async {
        match command {
            Command::Load(load) => load.run().await,
            Command::Measure(measure) => measure.run().await,
            Command::Bare {
                listen, answers, ..
            } => serve::bare(listen, &answers).await,
            Command::Thin { listen, behind } => thin::run(listen, behind).await,
        }
    })
}
