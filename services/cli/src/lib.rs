//! Everything behind `sunbid`: one program for every role - the command line, the platform, the
//! trustee daemon, the bank simulator, the verifier and the demonstration. A library, so that
//! whole-platform tests and the load driver go through the same doors as people do.

pub mod anchors;
pub mod commands;
pub mod committee;
pub mod connection;
pub mod context;
pub mod demo;
pub mod exit;
pub mod output;
pub mod process;
pub mod profile;
pub mod progress;
pub mod sealing;
mod sending;
mod session;
