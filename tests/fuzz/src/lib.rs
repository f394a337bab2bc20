//! Fuzz targets: every parser of bytes that come from outside, one target for each family. A target
//! is a function of bytes that panics where a parser does what it must not: panic itself, take two
//! spellings of one thing, or give something else back after writing it again.
//!
//! `tests/fuzz.sh` drives them with libFuzzer; the tests replay the committed corpus without it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a target stops where a property does not hold"
)]

mod bank;
mod ceremony;
mod certificate;
pub mod disclosure;
mod envelope;
mod event;
mod proof;
mod request;
mod text;
pub mod vectors;

/// A parser family under test.
pub struct Target {
    pub name: &'static str,
    /// Takes one input; panics where a property does not hold.
    pub run: fn(&[u8]),
}

/// Every target, in the order in which they are run.
pub const TARGETS: &[Target] = &[
    Target {
        name: "envelope",
        run: envelope::run,
    },
    Target {
        name: "ceremony",
        run: ceremony::run,
    },
    Target {
        name: "certificate",
        run: certificate::run,
    },
    Target {
        name: "proof",
        run: proof::run,
    },
    Target {
        name: "bank",
        run: bank::run,
    },
    Target {
        name: "request",
        run: request::run,
    },
    Target {
        name: "event",
        run: event::run,
    },
    Target {
        name: "disclosure",
        run: disclosure::run,
    },
    Target {
        name: "text",
        run: text::run,
    },
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// The most memory that any input of `length` bytes may take, in bytes: what a fixed machine always
/// has, and a bounded multiple of what was sent.
pub const fn most_memory(length: usize) -> usize {
    (16 << 20) + 4096 * length
}

/// The number by which inputs of `request` choose this request.
pub fn request_number(name: &str) -> Option<u8> {
    let at = request::REQUESTS
        .iter()
        .position(|(known, _)| known() == name);
    at.and_then(|at| u8::try_from(at).ok())
}

/// The number by which inputs of `event` choose this event.
pub fn event_number(name: &str) -> Option<u8> {
    let at = event::EVENTS.iter().position(|row| row(&[]).name == name);
    at.and_then(|at| u8::try_from(at).ok())
}

/// The first byte of an input chooses the parser; the rest is for it.
fn chosen(bytes: &[u8], parsers: &[fn(&[u8])]) {
    let Some((choice, rest)) = bytes.split_first() else {
        return;
    };
    if let Some(parser) = parsers.get(usize::from(*choice)) {
        parser(rest);
    }
}

/// What a canonical parser accepts it writes again byte for byte.
fn canonical(read: &[u8], written: &[u8]) {
    assert!(
        read == written,
        "two spellings of one thing were taken: {} and {}",
        hex::encode(read),
        hex::encode(written)
    );
}
