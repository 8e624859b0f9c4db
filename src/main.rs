//! The command line: arguments, configuration, run.

fn main() {}
