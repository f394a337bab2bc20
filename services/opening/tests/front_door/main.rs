//! The opening service through its front door: a real socket, the platform's own guard, real
//! certificates, envelopes, ceremony and shares. Notices and bids are logs that the tests write; the
//! tender and bid services answer just what the opening asks them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where its house falls"
)]

mod committee;
mod fakes;
mod house;
mod openings;
