//! Progress of long work on a terminal; silent where nobody watches.

use std::{
    io::{self, IsTerminal, Read},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

/// A bar over `bytes`, shown on standard error if that is a terminal.
pub fn bytes(label: &str, bytes: u64) -> ProgressBar {
    bar(
        label,
        bytes,
        "{msg:24} [{bar:32}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
    )
}

/// A bar over `count` things.
pub fn count(label: &str, count: u64) -> ProgressBar {
    bar(label, count, "{msg:24} [{bar:32}] {pos}/{len}")
}

fn bar(label: &str, length: u64, template: &str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length).with_message(label.to_owned());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A reader that moves a bar.
pub struct Watched<R> {
    inner: R,
    bar: ProgressBar,
}

impl<R> Watched<R> {
    pub const fn new(inner: R, bar: ProgressBar) -> Self {
        Self { inner, bar }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bar.inc(read as u64);
        Ok(read)
    }
}
