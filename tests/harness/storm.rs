//! A storm of submissions: every supplier replaces its bid again and again until told to stop, and
//! what was acknowledged is kept, to be asked after later. Interruptions are the point of it, so
//! only what no interruption explains ends it.

use std::{
    fs,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use sunbid_cli::demo::{
    acts::{make_bid, submit},
    cast::{PURCHASER, Part, SUPPLIERS},
};
use sunbid_contracts::{
    bid::v1::{GetBidRequest, Receipt},
    opening::v1::{GetSessionRequest, SessionState},
    tender::v1::Tender,
};
use tokio::task::JoinSet;

use crate::World;

/// Pause of a supplier that finds the platform away.
const PAUSE: Duration = Duration::from_millis(50);
/// How long is waited for what must come; in steps of [`PAUSE`].
const STEPS: u32 = 2400;

/// A receipt and whose it is.
pub type Acknowledged = (&'static str, Receipt);

/// A storm that is raging.
pub struct Storm {
    shared: Arc<Shared>,
    suppliers: JoinSet<anyhow::Result<()>>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    acknowledged: Mutex<Vec<Acknowledged>>,
}

impl Shared {
    fn acknowledged(&self) -> MutexGuard<'_, Vec<Acknowledged>> {
        self.acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Storm {
    /// All suppliers bid for the tender's first lot, with small bids.
    pub fn begin(world: &Arc<World>, tender: &Tender) -> Self {
        Self::of_size(world, tender, 0)
    }

    /// The same with bids of so many megabytes, which are sent ahead.
    pub fn of_size(world: &Arc<World>, tender: &Tender, megabytes: u64) -> Self {
        let shared = Arc::<Shared>::default();
        let mut suppliers = JoinSet::new();
        for supplier in &SUPPLIERS {
            let (world, tender, shared) = (world.clone(), tender.clone(), shared.clone());
            suppliers
                .spawn(async move { bid_on(&world, supplier, &tender, megabytes, &shared).await });
        }
        Self { shared, suppliers }
    }

    /// How many submissions were acknowledged so far.
    pub fn count(&self) -> usize {
        self.shared.acknowledged().len()
    }

    /// Waits for further acknowledgements.
    pub async fn wait_for(&self, more: usize) -> anyhow::Result<()> {
        let wanted = self.count() + more;
        for _ in 0..STEPS {
            if self.count() >= wanted {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        anyhow::bail!("{} of {wanted} acknowledgements came", self.count())
    }

    /// Ends the storm; everything that was acknowledged.
    pub async fn end(mut self) -> anyhow::Result<Vec<Acknowledged>> {
        self.shared.over.store(true, Ordering::SeqCst);
        while let Some(ended) = self.suppliers.join_next().await {
            ended??;
        }
        Ok(self.shared.acknowledged().clone())
    }
}

/// One supplier replaces its bid until the storm ends.
async fn bid_on(
    world: &World,
    supplier: &Part,
    tender: &Tender,
    megabytes: u64,
    shared: &Shared,
) -> anyhow::Result<()> {
    let desk = world.stage.desk(supplier.profile)?;
    while !shared.over.load(Ordering::SeqCst) {
        let connection = world.stage.of(supplier.profile).await?;
        let revision = match connection.bid().get_bid(own_bid(tender)).await {
            Ok(answer) => answer.into_inner().bid.map_or(0, |bid| bid.revision) + 1,
            Err(status) if status.code() == tonic::Code::Unavailable => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(_) => 1,
        };
        let revision = u32::try_from(revision)?;
        let _ = fs::remove_dir_all(desk.join(format!("sealed-01-{revision}")));
        let sealed = make_bid(
            &world.stage,
            supplier,
            tender,
            "01",
            "2700000.00",
            revision,
            megabytes,
        )
        .await?;
        if let Ok(receipt) = submit(&world.stage, supplier, &sealed).await {
            shared.acknowledged().push((supplier.profile, receipt));
        }
    }
    Ok(())
}

fn own_bid(tender: &Tender) -> GetBidRequest {
    GetBidRequest {
        tender: tender.name.clone(),
        lot_id: "01".into(),
    }
}

/// The receipts that their suppliers do not find on the platform any more.
pub async fn lost(
    world: &World,
    tender: &Tender,
    acknowledged: &[Acknowledged],
) -> anyhow::Result<Vec<Acknowledged>> {
    let mut lost = Vec::new();
    for supplier in &SUPPLIERS {
        let own = acknowledged
            .iter()
            .filter(|(of, _)| *of == supplier.profile);
        let connection = world.stage.of(supplier.profile).await?;
        let known = match connection.bid().get_bid(own_bid(tender)).await {
            Ok(answer) => answer.into_inner().receipts,
            // It never bid, as far as the platform knows.
            Err(status) if status.code() == tonic::Code::PermissionDenied => Vec::new(),
            Err(status) if status.code() == tonic::Code::NotFound => Vec::new(),
            Err(status) => return Err(status.into()),
        };
        lost.extend(own.filter(|(_, receipt)| !known.contains(receipt)).cloned());
    }
    Ok(lost)
}

/// Waits until the tender's opening record is public.
pub async fn announced(world: &World, tender: &Tender) -> anyhow::Result<()> {
    let connection = world.stage.of(PURCHASER.profile).await?;
    for _ in 0..STEPS {
        let request = GetSessionRequest {
            tender: tender.name.clone(),
        };
        let session = connection.opening().get_session(request).await?;
        let session = session.into_inner().session.context("there is a session")?;
        if session.state() == SessionState::Announced {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    anyhow::bail!("{} was not opened", tender.name)
}
