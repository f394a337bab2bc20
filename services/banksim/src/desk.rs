//! The one task that owns the books and their file; connections ask it over a bounded channel.
//! What it answers is on the disk before.

use std::{sync::Arc, time::Duration};

use sunbid_bankwire::{
    CreditNotification, Message, PaymentOrder, ReceiptAcknowledgement, StatusReport,
};
use sunbid_terms::{Clock, Fen};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Options,
    books::Books,
    file::{BookFile, FileFault},
};

/// How often payments are looked at whose time had not come.
const LOOK: Duration = Duration::from_millis(50);
const QUEUE: usize = 64;

enum Ask {
    Order(Box<PaymentOrder>, oneshot::Sender<StatusReport>),
    Acknowledge(ReceiptAcknowledgement),
    Waiting(usize, oneshot::Sender<Option<(CreditNotification, usize)>>),
    IsTrust(String, oneshot::Sender<bool>),
    Closed(String, bool),
    Balance(oneshot::Sender<(Fen, usize)>),
}

/// The way to the books.
#[derive(Clone)]
pub(crate) struct Desk {
    asks: mpsc::Sender<Ask>,
    booked: watch::Receiver<u64>,
}

impl Desk {
    pub async fn open(
        options: Options,
        shutdown: CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, FileFault> {
        let (file, kept) = BookFile::open(&options.file).await?;
        let mut books = Books::new(options.trust, options.closed_accounts);
        kept.iter().for_each(|message| books.keep(message));
        let (asks, asked) = mpsc::channel(QUEUE);
        let (changed, booked) = watch::channel(0);
        let clerk = Clerk {
            books,
            file,
            clock: options.clock,
            changed,
            reports: 0,
        };
        tasks.spawn(clerk.work(asked, shutdown));
        Ok(Self { asks, booked })
    }

    /// Rises when something was booked.
    pub fn booked(&self) -> watch::Receiver<u64> {
        self.booked.clone()
    }

    /// None if the desk is closed.
    pub async fn order(&self, order: PaymentOrder) -> Option<StatusReport> {
        self.ask(|answer| Ask::Order(Box::new(order), answer)).await
    }

    pub async fn acknowledge(&self, receipt: ReceiptAcknowledgement) {
        self.tell(Ask::Acknowledge(receipt)).await;
    }

    pub async fn waiting(&self, from: usize) -> Option<(CreditNotification, usize)> {
        self.ask(|answer| Ask::Waiting(from, answer))
            .await
            .flatten()
    }

    pub async fn is_trust_account(&self, account: &str) -> bool {
        self.ask(|answer| Ask::IsTrust(account.to_owned(), answer))
            .await
            .unwrap_or(false)
    }

    pub async fn set_closed(&self, account: &str, closed: bool) {
        self.tell(Ask::Closed(account.to_owned(), closed)).await;
    }

    pub async fn balance(&self) -> (Fen, usize) {
        self.ask(Ask::Balance).await.unwrap_or((Fen::ZERO, 0))
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(ask(answer)).await.ok()?;
        answered.await.ok()
    }

    async fn tell(&self, ask: Ask) {
        if self.asks.send(ask).await.is_err() {
            tracing::debug!("the desk is closed");
        }
    }
}

struct Clerk {
    books: Books,
    file: BookFile,
    clock: Arc<dyn Clock>,
    changed: watch::Sender<u64>,
    reports: u64,
}

impl Clerk {
    async fn work(mut self, mut asked: mpsc::Receiver<Ask>, shutdown: CancellationToken) {
        loop {
            let done = tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK) => self.settle().await,
                ask = asked.recv() => match ask {
                    Some(ask) => self.answer(ask).await,
                    None => return,
                },
            };
            if let Err(fault) = done {
                // Books that cannot be written are closed: what was answered stays true.
                tracing::error!(%fault, "the bank simulator closes");
                shutdown.cancel();
                return;
            }
        }
    }

    /// Books the payments whose time has come.
    async fn settle(&mut self) -> Result<(), FileFault> {
        let due: Vec<Message> = self
            .books
            .due(self.clock.now())
            .into_iter()
            .map(Message::CreditNotification)
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        self.keep(&due).await?;
        self.changed.send_modify(|change| *change += 1);
        Ok(())
    }

    async fn keep(&mut self, messages: &[Message]) -> Result<(), FileFault> {
        self.file.append(messages).await?;
        messages.iter().for_each(|message| self.books.keep(message));
        Ok(())
    }

    async fn answer(&mut self, ask: Ask) -> Result<(), FileFault> {
        // Whoever asked and went away needs no answer, hence the unread results of `send`.
        match ask {
            Ask::Order(order, answer) => {
                let report = self.take(&order).await?;
                let _ = answer.send(report);
            }
            Ask::Acknowledge(receipt) => {
                self.keep(&[Message::ReceiptAcknowledgement(receipt)])
                    .await?;
            }
            Ask::Waiting(from, answer) => {
                let _ = answer.send(self.books.waiting(from));
            }
            Ask::IsTrust(account, answer) => {
                let _ = answer.send(self.books.is_trust_account(&account));
            }
            Ask::Closed(account, closed) => self.books.set_closed(&account, closed),
            Ask::Balance(answer) => {
                let _ = answer.send(self.books.balance());
            }
        }
        Ok(())
    }

    async fn take(&mut self, order: &PaymentOrder) -> Result<StatusReport, FileFault> {
        let (mut outcomes, kept) = self.books.judge(order);
        if let Some(kept) = kept {
            self.keep(&[Message::PaymentOrder(kept)]).await?;
            self.settle().await?;
        }
        for outcome in &mut outcomes {
            if outcome.status == sunbid_bankwire::PaymentStatus::Pending
                && self.books.is_settled(&outcome.end_to_end_id)
            {
                outcome.status = sunbid_bankwire::PaymentStatus::Settled;
            }
        }
        self.reports += 1;
        let now = self.clock.now();
        Ok(StatusReport {
            id: format!("SR{}-{}", now.micros(), self.reports),
            created_at: now,
            order_id: order.id.clone(),
            outcomes,
        })
    }
}
