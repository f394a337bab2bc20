//! The tender and notice services through their front doors, with the bid service they work with:
//! real sockets, the platform's own guard, a clock that tests move.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod documents;
mod drafts;
mod house;
mod life;
