//! The words of the field as types that cannot be wrong: money in fen, instants, credit codes.
//! Pure values only: no I/O, no clock of its own, no knowledge of law or of any service.

pub mod credit_code;
pub mod deal_code;
pub mod money;
pub mod time;

pub use credit_code::CreditCode;
pub use deal_code::{DealClass, DealCode};
pub use money::Fen;
pub use time::{Clock, Instant, MICROS, Steady};
