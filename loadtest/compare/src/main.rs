//! The register beside what people use today, in one run.

fn main() {}
