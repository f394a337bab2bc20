//! The processes of the platform: every service in one of them, or each in its own with a front door
//! before them. Each service has a database of its own and talks gRPC to the others over a socket,
//! apart or together.
//! Holds no business of its own.

pub mod config;
pub mod divide;
mod doors;
mod front;
pub mod initialise;
pub mod objects;
pub mod overrides;
pub mod readiness;
mod revoked;
mod sandbox;
pub mod serve;
mod watching;

pub use config::{Config, ConfigFault};
pub use divide::{DivideError, Division, divide};
pub use initialise::{Initialisation, InitialiseError, initialise};
pub use serve::{Part, Platform, ServeError};
