//! The whole platform in one process with embedded storage: every service, each with a database of
//! its own, talking gRPC to each other over a socket as they would on ten machines.
//! Holds no business of its own.

pub mod config;
pub mod initialise;
mod sandbox;
pub mod serve;

pub use config::{Config, ConfigFault};
pub use initialise::{Initialisation, InitialiseError, initialise};
pub use serve::{Platform, ServeError};
