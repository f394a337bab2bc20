//! A storm of suppliers that do not give up: each sends its next small bid, and the same again, by the
//! same request, until it is acknowledged, whatever dies meanwhile. So at the end nothing is unknown:
//! what stands on the platform must be exactly what was acknowledged.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use sunbid_contracts::{
    bid::v1::{Receipt, SubmitBidRequest},
    tender::v1::Tender,
};
use tokio::{task::JoinSet, time};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::crowd::{Bidder, Crowd};

/// Revisions of one supplier for one lot: as many as the platform takes.
const REVISIONS: u32 = 100;
/// Pause of a supplier whose bid was acknowledged, so that the lots last for long storms.
const THOUGHT: Duration = Duration::from_millis(100);
/// Pause of one that finds the platform away.
const PAUSE: Duration = Duration::from_millis(20);
/// A call that is not answered is given up and sent again.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the same bid is sent: far longer than anything stays away.
const ATTEMPTS: u32 = 6000;

/// Receipts of one supplier for one lot, in the order in which they came.
#[derive(Clone)]
pub struct Acknowledged {
    pub bidder: usize,
    pub lot_id: String,
    pub receipts: Vec<Receipt>,
}

/// A storm that is raging.
pub struct Stubborn {
    crowd: Arc<Crowd>,
    shared: Arc<Shared>,
    suppliers: JoinSet<anyhow::Result<Vec<Acknowledged>>>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    count: Mutex<usize>,
    /// What suppliers were told instead, and how often.
    told: Mutex<BTreeMap<String, usize>>,
}

impl Shared {
    fn count(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, status: &Status) {
        let details = status.get_error_details();
        let hint = if details.retry_info().is_some() {
            " with a hint"
        } else {
            ""
        };
        *self
            .told()
            .entry(format!("{:?}{hint}", status.code()))
            .or_default() += 1;
    }
}

impl Stubborn {
    /// Everybody bids for the tender's lots, one after the other.
    pub fn begin(crowd: &Arc<Crowd>, tender: &Tender) -> Self {
        let shared = Arc::<Shared>::default();
        let mut suppliers = JoinSet::new();
        for bidder in 0..crowd.bidders.len() {
            let (crowd, tender, shared) = (crowd.clone(), tender.clone(), shared.clone());
            suppliers.spawn(async move { bid_on(&crowd, bidder, &tender, &shared).await });
        }
        Self {
            crowd: crowd.clone(),
            shared,
            suppliers,
        }
    }

    /// How many submissions were acknowledged so far.
    pub fn count(&self) -> usize {
        *self.shared.count()
    }

    /// What suppliers were told so far where they got no receipt.
    pub fn told(&self) -> String {
        let told = self.shared.told();
        let parts: Vec<_> = told
            .iter()
            .map(|(what, count)| format!("{what} {count}"))
            .collect();
        if parts.is_empty() {
            return "nothing".to_owned();
        }
        parts.join(", ")
    }

    /// Waits for further acknowledgements; an error where none comes any more.
    pub async fn wait_for(&mut self, more: usize) -> anyhow::Result<()> {
        let wanted = self.count() + more;
        while self.count() < wanted {
            if let Some(ended) = self.suppliers.try_join_next() {
                ended??;
                anyhow::bail!("a supplier ran out of lots: more are needed for so long a storm");
            }
            time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// Ends the storm, each supplier's last bid acknowledged. Every supplier then finds exactly what was
    /// acknowledged to it: none lost, none twice. How many there were.
    pub async fn end(mut self, tender: &Tender) -> anyhow::Result<usize> {
        self.shared.over.store(true, Ordering::SeqCst);
        let mut count = 0;
        while let Some(ended) = self.suppliers.join_next().await {
            for own in ended?? {
                count += own.receipts.len();
                compare(&self.crowd, tender, &own).await?;
            }
        }
        ensure!(
            count == *self.shared.count(),
            "every receipt is counted once"
        );
        Ok(count)
    }
}

async fn compare(crowd: &Crowd, tender: &Tender, own: &Acknowledged) -> anyhow::Result<()> {
    let bidder = &crowd.bidders[own.bidder];
    crowd.renew(bidder).await?;
    let found = crowd.own_bid(bidder, &tender.name, &own.lot_id).await?;
    let known = |receipt: &Receipt| found.receipts.contains(receipt);
    let lost = own
        .receipts
        .iter()
        .filter(|receipt| !known(receipt))
        .count();
    ensure!(
        lost == 0 && found.receipts.len() == own.receipts.len(),
        "{} was given {} receipts for lot {} and finds {}; {lost} are lost",
        bidder.code,
        own.receipts.len(),
        own.lot_id,
        found.receipts.len()
    );
    let mut leaves: Vec<_> = found.receipts.iter().map(|receipt| &receipt.leaf).collect();
    leaves.sort();
    leaves.dedup();
    ensure!(
        leaves.len() == found.receipts.len(),
        "{} has one record twice for lot {}",
        bidder.code,
        own.lot_id
    );
    Ok(())
}

/// One supplier bids until the storm ends.
async fn bid_on(
    crowd: &Crowd,
    number: usize,
    tender: &Tender,
    shared: &Shared,
) -> anyhow::Result<Vec<Acknowledged>> {
    let bidder = &crowd.bidders[number];
    let mut all = Vec::new();
    for lot in &tender.lots {
        let mut own = Acknowledged {
            bidder: number,
            lot_id: lot.lot_id.clone(),
            receipts: Vec::new(),
        };
        for revision in 1..=REVISIONS {
            if shared.over.load(Ordering::SeqCst) {
                break;
            }
            let bid = bidder.sealed(tender, &lot.lot_id, revision)?;
            own.receipts
                .push(submitted(crowd, bidder, bid, shared).await?);
            *shared.count() += 1;
            time::sleep(THOUGHT).await;
        }
        if !own.receipts.is_empty() {
            all.push(own);
        }
    }
    Ok(all)
}

/// Sends one bid until it is acknowledged.
async fn submitted(
    crowd: &Crowd,
    bidder: &Bidder,
    bid: SubmitBidRequest,
    shared: &Shared,
) -> anyhow::Result<Receipt> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        let mut client = crowd.bids();
        let sent = client.submit_bid(bidder.request(bid.clone()));
        let Ok(answer) = time::timeout(PATIENCE, sent).await else {
            continue;
        };
        match answer {
            Ok(answer) => {
                return answer
                    .into_inner()
                    .receipt
                    .context("a bid was taken without a receipt");
            }
            Err(status) => {
                shared.note(&status);
                match status.code() {
                    Code::Unauthenticated => {
                        // Away again, perhaps: then the next attempt tells.
                        let _ = crowd.renew(bidder).await;
                    }
                    // A connection that broke in the middle is told in several ways.
                    Code::Unavailable
                    | Code::Unknown
                    | Code::Cancelled
                    | Code::DeadlineExceeded
                    | Code::ResourceExhausted
                    | Code::Internal => last = Some(status),
                    _ => return Err(status.into()),
                }
            }
        }
        time::sleep(PAUSE).await;
    }
    anyhow::bail!("a bid was never answered; at last: {last:?}")
}
