//! What an operator sees of a running platform: metrics, strain, traces, and the address to read them at.
//! Must never say who bids, how many, or when: what is counted one by one, and what only in steps, is decided
//! in [`metrics`] and [`strain`], and whoever adds to them decides it again.

pub mod export;
pub mod metrics;
pub mod scrape;
pub mod strain;
pub mod trace;

pub use metrics::metrics;
