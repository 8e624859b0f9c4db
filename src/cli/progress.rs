//! Progress of long work: a bar on a terminal, nothing but the result elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for `total` of `unit`.
pub fn bar(what: &'static str, total: u64, unit: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr_with_hz(10));
    let template = match unit {
        "bytes" => "{msg:12} {bar:40} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}",
        _ => "{msg:12} {bar:40} {human_pos}/{human_len}  {per_sec}  {eta}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}
