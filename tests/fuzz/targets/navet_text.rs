//! A Navet file in the text format: any bytes are read to the end, however they arrive, and what is
//! understood makes whole records.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pu::feed::read::Navet;

fuzz_target!(|file: &[u8]| shared::read_posts(file, Navet::Text));
