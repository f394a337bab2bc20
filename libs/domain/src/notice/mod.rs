//! What is published, and what follows from publishing: intents, tender notices, clarifications,
//! questions, and the notices that follow from other areas' records.
//! A published notice never changes. Who asked a question is nobody's business but the asker's.

pub mod board;
pub mod facts;
pub mod follow_up;
pub mod intent;
pub mod question;
#[cfg(test)]
mod tests;
pub mod text;

pub use board::Board;
pub use intent::IntentState;
pub use question::Questions;
