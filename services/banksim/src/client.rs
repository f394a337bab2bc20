//! Paying as a supplier does at its own bank: one order, one answer.

use sunbid_bankwire::{
    FrameFault, FrameReader, Message, MessageFault, Party, Payment, PaymentOrder, PaymentStatus,
    write_frame,
};
use sunbid_terms::{Fen, Instant};
use tokio::net::TcpStream;

use crate::books::NOTIFY_TWICE;

/// A payment from a supplier's account.
#[derive(Clone, Debug)]
pub struct Transfer {
    pub payer: Party,
    /// Where to: a virtual account.
    pub account: String,
    pub payee_name: String,
    pub amount: Fen,
    /// Identifies the payment; the same one is paid once.
    pub end_to_end_id: String,
    pub remittance: String,
    /// Not before this; the past means at once.
    pub execute_at: Instant,
    /// Lets the bank notify the credit twice.
    pub notify_twice: bool,
}

/// Why the bank gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum PayFault {
    #[error("the bank cannot be reached: {0}")]
    Connection(#[from] std::io::Error),
    #[error(transparent)]
    Frame(#[from] FrameFault),
    #[error("the bank's answer cannot be read: {0}")]
    Message(#[from] MessageFault),
    #[error("the bank did not answer the order")]
    NoAnswer,
}

/// Orders a payment and waits for the bank's answer.
pub async fn pay(address: &str, transfer: Transfer) -> Result<PaymentStatus, PayFault> {
    let order = PaymentOrder {
        id: transfer.end_to_end_id.clone(),
        created_at: transfer.execute_at,
        initiator: transfer.payer.name.clone(),
        debtor: transfer.payer,
        execute_at: transfer.execute_at,
        payments: vec![Payment {
            end_to_end_id: transfer.end_to_end_id.clone(),
            amount: transfer.amount,
            creditor: Party {
                name: transfer.payee_name,
                account: transfer.account,
            },
            instruction: if transfer.notify_twice {
                NOTIFY_TWICE
            } else {
                ""
            }
            .to_owned(),
            remittance: transfer.remittance,
        }],
    };
    let (read, mut write) = TcpStream::connect(address).await?.into_split();
    write_frame(&mut write, order.to_xml().as_bytes()).await?;
    let answer = FrameReader::new(read)
        .next()
        .await?
        .ok_or(PayFault::NoAnswer)?;
    let Message::StatusReport(report) = Message::parse(&answer)? else {
        return Err(PayFault::NoAnswer);
    };
    report
        .outcomes
        .into_iter()
        .find(|outcome| outcome.end_to_end_id == transfer.end_to_end_id)
        .map(|outcome| outcome.status)
        .ok_or(PayFault::NoAnswer)
}
