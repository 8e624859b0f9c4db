//! The command line: arguments, configuration, run.

use std::process::ExitCode;

use clap::Parser;
use pu::cli::Arguments;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Arguments::parse().run()
}
