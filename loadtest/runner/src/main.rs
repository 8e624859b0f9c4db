//! Drives a running register as its consumers do, and tells what that cost.

fn main() {}
