//! The bid service through its front door: a real socket, the platform's own guard, real
//! certificates and envelopes, a clock that tests move.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bounds;
mod closing;
mod house;
mod orders;
mod outages;
mod remote;
mod rush;
mod submission;
mod supplier;
mod uploads;
