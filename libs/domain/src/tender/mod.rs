//! A tender from its first draft to its opening: what may happen to it and what follows.
//! Owns the tender's log. Never sees a bid, and learns of bidding only that it closed.

pub mod aggregate;
pub mod ceremony;
pub mod committee;
pub mod draft;
mod form;
pub mod hash;
pub mod life;
pub mod rounds;
#[cfg(test)]
pub(crate) mod sample;
mod stage;
#[cfg(test)]
mod tests;
pub mod vouched;

pub use aggregate::Dossier;
