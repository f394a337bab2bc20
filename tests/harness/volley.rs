//! Many submissions at set moments, sent by one thread that stays on one processor: the driver of a
//! rush must not take the whole machine from what it measures. A bid's wait counts from the moment
//! when it was due to be sent, so that a driver that lags behind hides nothing.

use std::{
    sync::mpsc::{self, Sender},
    thread::JoinHandle,
    time::{Duration, Instant as Timer},
};

use anyhow::Context as _;
use rustix::{
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
};
use sunbid_contracts::bid::v1::{Receipt, SubmitBidRequest, bid_service_client::BidServiceClient};
use tokio::{runtime, task::JoinSet, time};
use tonic::{Request, Status, transport::Channel};

/// After so long without an answer a bid counts as unanswered.
const PATIENCE: Duration = Duration::from_secs(120);

/// One bid and when it is sent, counted from the beginning.
pub struct Shot {
    pub due: Duration,
    pub request: Request<SubmitBidRequest>,
}

/// What became of one bid.
pub struct Hit {
    /// Its place among the shots.
    pub shot: usize,
    /// From when it was due to its answer.
    pub waited: Duration,
    pub answer: Result<Receipt, Status>,
}

/// What became of all.
pub struct Landed {
    pub hits: Vec<Hit>,
    /// How late the driver sent, at worst.
    pub lagged: Duration,
    /// Processor time of the driver.
    pub spent: Duration,
}

/// A driver that has its connections and waits for the word.
pub struct Volley {
    begin: Sender<Timer>,
    driver: JoinHandle<anyhow::Result<Landed>>,
}

impl Volley {
    /// Connects as often as said and takes the shots, which are in the order in which they are due.
    pub async fn ready(
        endpoint: String,
        connections: usize,
        shots: Vec<Shot>,
    ) -> anyhow::Result<Self> {
        let (begin, word) = mpsc::channel();
        let (say, said) = tokio::sync::oneshot::channel();
        let driver = std::thread::spawn(move || {
            keep_to_one_processor()?;
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let channels = runtime.block_on(connect(&endpoint, connections))?;
            // Whoever waits may have given up: then no word comes either.
            let _ = say.send(());
            let begin = word.recv().context("nobody gave the word")?;
            let landed = runtime.block_on(send_all(&channels, begin, shots))?;
            Ok(landed)
        });
        if said.await.is_err() {
            let ended = driver.join().map_err(|_| anyhow::anyhow!("it panicked"))?;
            ended.context("the driver cannot begin")?;
        } else {
            return Ok(Self { begin, driver });
        }
        anyhow::bail!("the driver ended before it began")
    }

    /// Sends everything from `begin` on; returns when the last answer is there.
    pub async fn fire(self, begin: Timer) -> anyhow::Result<Landed> {
        self.begin.send(begin).context("the driver is gone")?;
        let driver = self.driver;
        tokio::task::spawn_blocking(move || driver.join())
            .await?
            .map_err(|_| anyhow::anyhow!("the driver panicked"))?
    }
}

/// Keeps this thread on the last of the processors that it may use.
fn keep_to_one_processor() -> anyhow::Result<()> {
    let allowed = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU)
        .rev()
        .find(|processor| allowed.is_set(*processor))
        .context("no processor may be used")?;
    let mut one = CpuSet::new();
    one.set(last);
    sched_setaffinity(None, &one)?;
    Ok(())
}

async fn connect(endpoint: &str, connections: usize) -> anyhow::Result<Vec<Channel>> {
    let mut channels = Vec::new();
    for _ in 0..connections {
        let endpoint = sunbid_trustee::endpoint(endpoint, None)?.tcp_nodelay(true);
        channels.push(endpoint.connect().await?);
    }
    Ok(channels)
}

async fn send_all(channels: &[Channel], begin: Timer, shots: Vec<Shot>) -> anyhow::Result<Landed> {
    let before = own_time();
    let mut flying = JoinSet::new();
    let mut lagged = Duration::ZERO;
    let mut next = channels.iter().cycle();
    for (at, shot) in shots.into_iter().enumerate() {
        let due = begin + shot.due;
        if Timer::now() < due {
            time::sleep_until(due.into()).await;
        } else if at.is_multiple_of(16) {
            // Answers want to be read, too.
            tokio::task::yield_now().await;
        }
        lagged = lagged.max(due.elapsed());
        let channel = next.next().context("there is a connection")?.clone();
        flying.spawn(async move {
            let mut client = BidServiceClient::new(channel);
            let sent = time::timeout(PATIENCE, client.submit_bid(shot.request)).await;
            let answer = match sent {
                Ok(Ok(answer)) => answer
                    .into_inner()
                    .receipt
                    .ok_or_else(|| Status::unknown("a bid was taken without a receipt")),
                Ok(Err(status)) => Err(status),
                Err(_) => Err(Status::unknown("no answer came")),
            };
            Hit {
                shot: at,
                waited: due.elapsed(),
                answer,
            }
        });
    }
    let mut hits = Vec::with_capacity(flying.len());
    while let Some(hit) = flying.join_next().await {
        hits.push(hit?);
    }
    Ok(Landed {
        hits,
        lagged,
        spent: own_time().saturating_sub(before),
    })
}

/// Processor time of this thread so far.
fn own_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
