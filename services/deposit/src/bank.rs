//! The connection to the bank: subscribes, books what it is told and only then acknowledges, orders
//! refunds until they are confirmed. Ends and starts again as the bank does; what was not
//! acknowledged is told again, what was not confirmed is ordered again under its own identifier.

use std::{collections::HashMap, sync::Arc, time::Duration};

use sunbid_bankwire::{
    CreditNotification, FrameFault, FrameReader, Message, Party, Payment, PaymentOrder,
    PaymentStatus, ReceiptAcknowledgement, ReportingRequest, StatusReport, message_id, write_frame,
};
use sunbid_journal::Lease;
use sunbid_service::Problem;
use tokio::{
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::Instant as Tick,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    BankSettings,
    deposits::Deposits,
    money::Booking,
    standing,
    store::{self, RefundRow},
};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a connection may take to come up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often refunds are looked for whose time has come.
const LOOK: Duration = Duration::from_secs(1);
/// How long the bank may think about a payment before it is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// How often a process that has no connection to the bank looks whether it is its turn.
const WAIT_FOR_TURN: Duration = Duration::from_secs(1);
const PAGE: u32 = 50;
/// A description in an acknowledgement is Max140Text.
const LONGEST_REASON: usize = 140;

/// Why a connection ended.
#[derive(Debug)]
enum End {
    Closed,
    /// Another process on the same database talks to the bank now.
    TakenOver,
    Frame(FrameFault),
    Problem(Problem),
}

impl From<FrameFault> for End {
    fn from(fault: FrameFault) -> Self {
        Self::Frame(fault)
    }
}

impl From<Problem> for End {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Keeps a connection until the process stops; of several processes one does.
pub(crate) async fn run(
    deposits: Arc<Deposits>,
    bank: BankSettings,
    lease: Lease,
    shutdown: CancellationToken,
) {
    let mut lease = lease;
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = keep_connected(&deposits, &bank, &mut lease) => {}
    }
    if let Err(error) = lease.give_back().await {
        tracing::warn!(%error, "another process has to wait for its turn at the bank");
    }
}

async fn keep_connected(deposits: &Deposits, bank: &BankSettings, lease: &mut Lease) {
    let mut pause = FIRST_PAUSE;
    standing::show_line(false);
    loop {
        match lease.hold().await {
            Ok(Some(_)) => {}
            Ok(None) => {
                tokio::time::sleep(WAIT_FOR_TURN).await;
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "whose turn at the bank it is cannot be read");
                tokio::time::sleep(WAIT_FOR_TURN).await;
                continue;
            }
        }
        let mut heard = false;
        match connect(deposits, bank, lease, &mut heard).await {
            End::Closed => tracing::info!("the bank ended the connection"),
            End::TakenOver => tracing::info!("another process talks to the bank now"),
            End::Frame(fault) => tracing::warn!(%fault, "the connection to the bank"),
            End::Problem(problem) => tracing::warn!(?problem, "a message of the bank waits"),
        }
        pause = if heard {
            FIRST_PAUSE
        } else {
            (pause * 2).min(LONGEST_PAUSE)
        };
        tokio::time::sleep(pause).await;
    }
}

async fn connect(
    deposits: &Deposits,
    bank: &BankSettings,
    lease: &mut Lease,
    heard: &mut bool,
) -> End {
    let stream = match tokio::time::timeout(PATIENCE, TcpStream::connect(&bank.address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return End::Frame(error.into()),
        Err(_) => return End::Frame(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    };
    let (read, write) = stream.into_split();
    let mut link = Link {
        deposits,
        bank,
        reader: FrameReader::new(read),
        write,
        lease,
        asked: HashMap::new(),
    };
    standing::show_line(true);
    let end = match link.talk(heard).await {
        Ok(()) => End::Closed,
        Err(end) => end,
    };
    standing::show_line(false);
    end
}

struct Link<'a> {
    deposits: &'a Deposits,
    bank: &'a BankSettings,
    reader: FrameReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
    lease: &'a mut Lease,
    // Payments ordered on this connection and not answered, with when.
    asked: HashMap<String, Tick>,
}

impl Link<'_> {
    async fn talk(&mut self, heard: &mut bool) -> Result<(), End> {
        let mut changes = self.deposits.journal.changes();
        self.say(Message::ReportingRequest(ReportingRequest {
            id: fresh_id("SU"),
            created_at: self.deposits.clock.now(),
            account: self.bank.trust_account.clone(),
            owner: self.bank.trust_name.clone(),
        }))
        .await?;
        loop {
            let turn = self.lease.hold().await.map_err(Problem::from)?;
            if turn.is_none() {
                return Err(End::TakenOver);
            }
            self.order_refunds().await?;
            tokio::select! {
                frame = self.reader.next() => {
                    let Some(bytes) = frame? else { return Ok(()) };
                    self.hear(&bytes).await?;
                    *heard = true;
                }
                changed = changes.changed() => if changed.is_err() { return Ok(()) },
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn say(&mut self, message: Message) -> Result<(), End> {
        Ok(write_frame(&mut self.write, message.to_xml().as_bytes()).await?)
    }

    async fn hear(&mut self, bytes: &[u8]) -> Result<(), End> {
        match Message::parse(bytes) {
            Ok(Message::CreditNotification(notification)) => {
                self.hear_credits(bytes, notification).await
            }
            Ok(Message::StatusReport(report)) => self.hear_report(bytes, report).await,
            Ok(_) => {
                self.refuse(bytes, "only camt.054 and pain.002 are expected")
                    .await
            }
            Err(fault) => self.refuse(bytes, &fault.to_string()).await,
        }
    }

    async fn hear_credits(
        &mut self,
        bytes: &[u8],
        notification: CreditNotification,
    ) -> Result<(), End> {
        if notification.account != self.bank.trust_account {
            return self
                .refuse(bytes, "the notification is about another account")
                .await;
        }
        let mut reason = None;
        for credit in &notification.credits {
            if let Booking::Refused(why) = self.deposits.book(credit).await? {
                reason = Some(why);
            }
        }
        match reason {
            Some(reason) => self.refuse(bytes, &reason).await,
            None => self.acknowledge(notification.id, String::new()).await,
        }
    }

    async fn hear_report(&mut self, bytes: &[u8], report: StatusReport) -> Result<(), End> {
        for outcome in &report.outcomes {
            let (id, status) = (&outcome.end_to_end_id, &outcome.status);
            if !self
                .deposits
                .refund_reported(id, status, &report.id)
                .await?
            {
                return self
                    .refuse(bytes, "the report is about a payment that is not ours")
                    .await;
            }
            match status {
                PaymentStatus::Settled | PaymentStatus::Rejected { .. } => {
                    self.asked.remove(id);
                }
                PaymentStatus::Pending => {}
            }
        }
        Ok(())
    }

    /// Keeps what cannot be taken, and tells the bank that it need not be sent again.
    async fn refuse(&mut self, bytes: &[u8], reason: &str) -> Result<(), End> {
        tracing::error!("a message of the bank was refused and kept in the log of bank messages");
        self.deposits.refuse(bytes, reason).await?;
        match message_id(bytes) {
            Some(id) => {
                let plain: String = reason
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(LONGEST_REASON)
                    .collect();
                self.acknowledge(id, plain.trim().to_owned()).await
            }
            None => Ok(()),
        }
    }

    async fn acknowledge(&mut self, message_id: String, fault: String) -> Result<(), End> {
        self.say(Message::ReceiptAcknowledgement(ReceiptAcknowledgement {
            id: fresh_id("AK"),
            created_at: self.deposits.clock.now(),
            message_id,
            fault,
        }))
        .await
    }

    /// Orders every refund that is open and was not ordered on this connection a moment ago.
    async fn order_refunds(&mut self) -> Result<(), End> {
        let mut after = String::new();
        loop {
            let now = self.deposits.clock.now();
            let open = store::open_refunds(self.deposits.journal.db(), now, &after, PAGE)
                .await
                .map_err(Problem::from)?;
            let Some(last) = open.last() else {
                return Ok(());
            };
            after = last.payment_id.clone();
            for refund in open {
                let waits = self
                    .asked
                    .get(&refund.payment_id)
                    .is_some_and(|at| at.elapsed() < ASK_AGAIN);
                if !waits {
                    self.order(refund).await?;
                }
            }
        }
    }

    async fn order(&mut self, refund: RefundRow) -> Result<(), End> {
        let now = self.deposits.clock.now();
        let order = fresh_id("OR");
        let trust = &self.bank.trust_name;
        self.asked.insert(refund.payment_id.clone(), Tick::now());
        self.say(Message::PaymentOrder(PaymentOrder {
            id: order.clone(),
            created_at: now,
            initiator: trust.clone(),
            debtor: Party {
                name: trust.clone(),
                account: self.bank.trust_account.clone(),
            },
            execute_at: now,
            payments: vec![Payment {
                end_to_end_id: refund.payment_id.clone(),
                amount: refund.amount,
                creditor: Party {
                    name: refund.creditor_name.clone(),
                    account: refund.creditor_account.clone(),
                },
                instruction: String::new(),
                remittance: format!("退还投标保证金 {}", refund.account),
            }],
        }))
        .await?;
        if !refund.sent {
            self.deposits.refund_sent(&refund, &order).await?;
        }
        Ok(())
    }
}

/// A message identifier that no other message has: 34 characters.
fn fresh_id(kind: &str) -> String {
    format!("{kind}{}", Uuid::new_v4().simple())
}
