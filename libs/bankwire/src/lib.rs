//! What is said between the platform and a bank: five ISO 20022 messages and how they are framed.
//! Pure but for the framing's reads and writes; judges the form of a message, never its business.
//!
//! | message | who says it | what it says |
//! |---|---|---|
//! | camt.060.001.05 | platform | tell me of every credit to this account |
//! | camt.054.001.08 | bank | these credits were booked |
//! | admi.007.001.01 | platform | this message of yours is kept |
//! | pain.001.001.09 | payer | pay this |
//! | pain.002.001.10 | bank | this was paid, or refused and why |
//!
//! Only the elements written here are taken. An element that is not known may change the meaning of
//! one that is (a reversal, a charge), so a message that holds one is refused as a whole.

mod credit;
mod fault;
mod field;
mod frame;
mod message;
mod order;
mod receipt;
mod report;
mod request;
mod scan;
mod xml;

pub use credit::{Credit, CreditNotification};
pub use fault::MessageFault;
pub use frame::{FrameFault, FrameReader, LARGEST_FRAME, frame, write_frame};
pub use message::Message;
pub use order::{Payment, PaymentOrder};
pub use receipt::ReceiptAcknowledgement;
pub use report::{Outcome, PaymentStatus, StatusReport};
pub use request::ReportingRequest;
pub use scan::message_id;
pub use xml::Party;
