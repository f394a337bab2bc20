//! One connection to the bank: orders in, reports out; after a subscription also notifications,
//! each again on every new connection until it is acknowledged.

use sunbid_bankwire::{FrameFault, FrameReader, Message, write_frame};
use tokio::net::{
    TcpStream,
    tcp::{OwnedReadHalf, OwnedWriteHalf},
};
use tokio_util::sync::CancellationToken;

use crate::desk::Desk;

/// Serves a connection until either side ends it.
pub(crate) async fn run(stream: TcpStream, desk: Desk, shutdown: CancellationToken) {
    let (read, write) = stream.into_split();
    let mut connection = Connection {
        reader: FrameReader::new(read),
        write,
        desk,
        subscribed: None,
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        ended = connection.talk() => {
            if let Err(fault) = ended {
                tracing::info!(%fault, "a connection to the bank simulator ended");
            }
        }
    }
}

struct Connection {
    reader: FrameReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    desk: Desk,
    // Where in the notifications this subscriber stands.
    subscribed: Option<usize>,
}

impl Connection {
    async fn talk(&mut self) -> Result<(), FrameFault> {
        let mut booked = self.desk.booked();
        loop {
            self.notify().await?;
            tokio::select! {
                frame = self.reader.next() => match frame? {
                    Some(bytes) => if !self.hear(&bytes).await? { return Ok(()) },
                    None => return Ok(()),
                },
                changed = booked.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    async fn notify(&mut self) -> Result<(), FrameFault> {
        while let Some(from) = self.subscribed {
            let Some((notification, next)) = self.desk.waiting(from).await else {
                return Ok(());
            };
            self.subscribed = Some(next);
            write_frame(&mut self.write, notification.to_xml().as_bytes()).await?;
        }
        Ok(())
    }

    /// Whether the connection goes on.
    async fn hear(&mut self, bytes: &[u8]) -> Result<bool, FrameFault> {
        match Message::parse(bytes) {
            Ok(Message::PaymentOrder(order)) => match self.desk.order(order).await {
                Some(report) => {
                    write_frame(&mut self.write, report.to_xml().as_bytes()).await?;
                    Ok(true)
                }
                None => Ok(false),
            },
            Ok(Message::ReportingRequest(request)) => {
                if self.desk.is_trust_account(&request.account).await {
                    self.subscribed = Some(0);
                    return Ok(true);
                }
                tracing::warn!("a subscription to an account that is not kept here");
                Ok(false)
            }
            Ok(Message::ReceiptAcknowledgement(receipt)) => {
                self.desk.acknowledge(receipt).await;
                Ok(true)
            }
            Ok(Message::CreditNotification(_) | Message::StatusReport(_)) => {
                tracing::warn!("a message that only a bank sends");
                Ok(false)
            }
            Err(fault) => {
                tracing::warn!(%fault, "a message to the bank simulator was not understood");
                Ok(false)
            }
        }
    }
}
