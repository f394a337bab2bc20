//! A closed tender's bids in memory while it is being opened: the log, the checked envelopes, the
//! sealed sheets, the shares that stand. All of it can be read again from the logs at any time; kept
//! because five holders, a thousand bids and five seconds leave no time to read it twice.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sunbid_certificates::{verify_chain, verify_signature};
use sunbid_contracts::{
    bid::v1::ReadPayloadsRequest,
    common::v1::LogHead,
    journal::v1::{LogEntry, ReadLogRequest},
    opening::v1::{HolderShares, SharesAccepted},
};
use sunbid_domain::opening::{
    BidLog, CheckedBids, ClosedBids, Envelope, SessionState, Supplier, check, closing, parallel,
    record,
};
use sunbid_domain::{Event, Refusal};
use sunbid_sealing::{Delivery, Element, Partial, TenderKey, VerifiedPartial};
use sunbid_service::{Peers, Problem, names};
use tokio::sync::OnceCell;

use crate::{Opening, SERVICE};

/// Cases kept at once; the oldest goes first.
const MOST_CASES: usize = 16;
const PAGE: i32 = 1000;

/// A sealed payload, or why the store does not have it.
pub type Payload = Result<Vec<u8>, String>;

/// One closed tender.
pub struct Case {
    pub closed: ClosedBids,
    /// Records of the bid log up to and with its closing.
    pub entries: Vec<LogEntry>,
    pub key: TenderKey,
    pub close: [u8; 32],
    /// Whom parts of class 1 are delivered to.
    reader: Option<Element>,
    checked: OnceCell<Arc<CheckedBids>>,
    payloads: OnceCell<Arc<HashMap<[u8; 32], Payload>>>,
    // Written when shares are accepted; locked for the length of a copy of pointers.
    shares: Mutex<BTreeMap<i32, Arc<Accepted>>>,
    /// One at a time may make the record.
    pub announcing: tokio::sync::Mutex<()>,
}

/// A holder's shares whose proofs hold.
pub struct Accepted {
    pub shares: HolderShares,
    /// In the order of the sheets.
    pub partials: Vec<VerifiedPartial>,
}

type Slot = Arc<OnceCell<Arc<Case>>>;

/// The cases of this process.
#[derive(Default)]
pub struct Cases {
    // Newest last; locked for the length of a lookup.
    slots: Mutex<Vec<(String, Slot)>>,
}

impl Cases {
    fn slot(&self, tender: &str) -> Slot {
        let mut slots = lock(&self.slots);
        if let Some((_, slot)) = slots.iter().find(|(name, _)| name == tender) {
            return slot.clone();
        }
        if slots.len() >= MOST_CASES {
            slots.remove(0);
        }
        let slot = Slot::default();
        slots.push((tender.to_owned(), slot.clone()));
        slot
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Opening {
    /// The case of a tender whose opening has started.
    pub async fn case(self: &Arc<Self>, tender: &str) -> Result<Arc<Case>, Problem> {
        let slot = self.cases.slot(tender);
        slot.get_or_try_init(|| async {
            let session = self.session(tender).await?;
            let closing = session.closing.as_ref().ok_or_else(not_closed)?;
            let head = closing.bid_head.clone().unwrap_or_default();
            let (closed, entries) = self.read_closed(tender, &head).await?;
            if closed.close().as_slice() != session.close() {
                return Err(Problem::internal(format!(
                    "the bid log of {tender} is not the one that was closed on"
                )));
            }
            let case = Arc::new(Case::new(&session, closed, entries)?);
            self.recall_shares(tender, &case).await?;
            Ok(case)
        })
        .await
        .cloned()
    }

    /// Reads a closed bid log and folds it; every record is checked against the head.
    pub async fn read_closed(
        &self,
        tender: &str,
        head: &LogHead,
    ) -> Result<(ClosedBids, Vec<LogEntry>), Problem> {
        let log = closing::log_of(tender);
        let size = usize::try_from(head.size).unwrap_or(0);
        let mut entries: Vec<LogEntry> = Vec::with_capacity(size);
        while entries.len() < size {
            let request = ReadLogRequest {
                service: "bid".to_owned(),
                log_id: log.as_bytes().to_vec(),
                from_seq: i64::try_from(entries.len()).unwrap_or(i64::MAX),
                limit: PAGE,
            };
            let page = self
                .setting
                .peers
                .logs("bid")
                .read_log(request)
                .await?
                .into_inner();
            if page.entries.is_empty() {
                return Err(Problem::Unavailable(format!(
                    "the bid log of {tender} ends early"
                )));
            }
            entries.extend(page.entries);
        }
        entries.truncate(size);
        let (name, head, origin) = (tender.to_owned(), head.clone(), self.setting.origin.clone());
        blocking(move || {
            let log = BidLog::read(log, &entries).map_err(Problem::internal)?;
            log.agrees_with(&head).map_err(Problem::internal)?;
            let closed =
                closing::fold(&name, &origin, &log.events, &head).map_err(Problem::internal)?;
            Ok((closed, entries))
        })
        .await
    }

    /// The envelopes of a case, once all their proofs and signatures are checked.
    pub async fn checked(&self, case: &Arc<Case>) -> Result<Arc<CheckedBids>, Problem> {
        let checked = case.checked.get_or_try_init(|| async {
            let (case, roots) = (case.clone(), self.setting.roots.clone());
            blocking(move || {
                let supplier = |certificate: &[u8],
                                between: &[Vec<u8>],
                                message: &[u8],
                                signature: &[u8],
                                at| {
                    let holder = verify_chain(certificate, between, &roots, at)
                        .map_err(|e| e.to_string())?;
                    verify_signature(certificate, message, signature).map_err(|e| e.to_string())?;
                    Ok(Supplier {
                        credit_code: holder.credit_code.as_str().to_owned(),
                        organization_name: holder.organization_name,
                    })
                };
                check::check(&case.closed, &supplier)
                    .map(Arc::new)
                    .map_err(Problem::internal)
            })
            .await
        });
        checked.await.cloned()
    }

    /// The sealed sheets of a case, by their roots.
    pub async fn payloads(
        &self,
        case: &Case,
        checked: &CheckedBids,
    ) -> Result<Arc<HashMap<[u8; 32], Payload>>, Problem> {
        let tender = &case.closed.tender.name;
        let read = case.payloads.get_or_try_init(|| async {
            let wanted: Vec<[u8; 32]> = checked
                .sheets
                .iter()
                .filter(|sheet| !record::is_too_large(&sheet.header))
                .map(|sheet| *sheet.header.payload_root())
                .collect();
            read_payloads(&self.setting.peers, tender, &wanted)
                .await
                .map(Arc::new)
        });
        read.await.cloned()
    }

    /// Makes sure that the shares on record are at hand, whichever process took them.
    pub async fn gather_shares(
        self: &Arc<Self>,
        tender: &str,
        case: &Arc<Case>,
        session: &SessionState,
    ) -> Result<(), Problem> {
        if self.journal.db().is_shared() && case.shares_of(&session.share_holders).is_none() {
            self.recall_shares(tender, case).await?;
        }
        Ok(())
    }

    /// Shares that were accepted before this process kept the case, or by another process.
    async fn recall_shares(
        self: &Arc<Self>,
        tender: &str,
        case: &Arc<Case>,
    ) -> Result<(), Problem> {
        let log = names::log_of(SERVICE, tender);
        let mut next = 0;
        let mut found = Vec::new();
        loop {
            let entries = self.journal.read(log, next, 100).await?;
            let Some(last) = entries.last() else { break };
            next = last.seq + 1;
            for entry in &entries {
                let Some(body) = entry.body() else { continue };
                let body = <sunbid_contracts::common::v1::Record as prost::Message>::decode(body)
                    .map_err(Problem::internal)?;
                let event = Event {
                    name: body.r#type,
                    bytes: body.event,
                };
                if let Some(accepted) = event.read::<SharesAccepted>()? {
                    found.extend(accepted.shares);
                }
            }
        }
        found.retain(|shares| case.shares_of(&[shares.index]).is_none());
        if found.is_empty() {
            return Ok(());
        }
        let checked = self.checked(case).await?;
        for shares in found {
            let (verifying, envelopes) = (case.clone(), checked.clone());
            let accepted = blocking(move || {
                verifying
                    .verify(&envelopes, shares)
                    .map_err(|(_, reason)| Problem::internal(reason))
            });
            case.keep(accepted.await?);
        }
        Ok(())
    }
}

fn not_closed() -> Problem {
    Refusal::state("NOT_CLOSED", "投标尚未截止。", "Bidding has not closed.").into()
}

impl Case {
    fn new(
        session: &SessionState,
        closed: ClosedBids,
        entries: Vec<LogEntry>,
    ) -> Result<Self, Problem> {
        let key = TenderKey::parse(&session.tender_key).map_err(Problem::internal)?;
        let reader = match <[u8; 32]>::try_from(closed.tender.evaluator_key.as_slice()) {
            Ok(bytes) => Some(Element::decode(&bytes).map_err(Problem::internal)?),
            Err(_) => None,
        };
        Ok(Self {
            close: closed.close(),
            closed,
            entries,
            key,
            reader,
            checked: OnceCell::new(),
            payloads: OnceCell::new(),
            shares: Mutex::default(),
            announcing: tokio::sync::Mutex::new(()),
        })
    }

    /// Remembers shares whose proofs hold.
    pub fn keep(&self, accepted: Accepted) {
        lock(&self.shares).insert(accepted.shares.index, Arc::new(accepted));
    }

    /// The shares of the holders named, where all of them are here.
    pub fn shares_of(&self, holders: &[i32]) -> Option<Vec<Arc<Accepted>>> {
        let shares = lock(&self.shares);
        holders
            .iter()
            .map(|index| shares.get(index).cloned())
            .collect()
    }

    /// The envelopes whose deliveries are wanted.
    pub fn delivered<'a>(&self, checked: &'a CheckedBids) -> &'a [Envelope] {
        if self.reader.is_some() {
            &checked.evaluations
        } else {
            &[]
        }
    }

    /// Checks every proof of a holder's shares, on all cores. The shares come back either way.
    pub fn verify(
        &self,
        checked: &CheckedBids,
        shares: HolderShares,
    ) -> Result<Accepted, (HolderShares, String)> {
        match self.verify_all(checked, &shares) {
            Ok(partials) => Ok(Accepted { shares, partials }),
            Err(reason) => Err((shares, reason)),
        }
    }

    fn verify_all(
        &self,
        checked: &CheckedBids,
        shares: &HolderShares,
    ) -> Result<Vec<VerifiedPartial>, String> {
        let deliveries = self.delivered(checked);
        let (sheets, parts) = (checked.sheets.len(), deliveries.len());
        if shares.partials.len() != sheets || shares.deliveries.len() != parts {
            return Err(format!(
                "{} partials and {} deliveries were given, {sheets} and {parts} are wanted",
                shares.partials.len(),
                shares.deliveries.len()
            ));
        }
        let holder =
            u16::try_from(shares.index).map_err(|_| format!("{} is no holder", shares.index))?;
        let pairs: Vec<_> = checked.sheets.iter().zip(&shares.partials).collect();
        let partials = parallel::try_map(&pairs, |(sheet, bytes)| {
            let partial = Partial::parse(bytes).map_err(|e| e.to_string())?;
            if partial.holder() != holder {
                return Err(format!(
                    "a partial of holder {} was given by holder {holder}",
                    partial.holder()
                ));
            }
            partial
                .verify(&self.key, &sheet.header, &self.close)
                .map_err(|e| e.to_string())
        })?;
        if let Some(reader) = &self.reader {
            let pairs: Vec<_> = deliveries.iter().zip(&shares.deliveries).collect();
            parallel::try_map(&pairs, |(part, bytes)| {
                let delivery = Delivery::parse(bytes).map_err(|e| e.to_string())?;
                if delivery.holder() != holder {
                    return Err(format!(
                        "a delivery of holder {} was given by holder {holder}",
                        delivery.holder()
                    ));
                }
                delivery
                    .verify(&self.key, &part.header, &self.close, reader)
                    .map(|_| ())
                    .map_err(|e| e.to_string())
            })?;
        }
        Ok(partials)
    }
}

/// Work that keeps a core busy, away from the threads that answer calls.
pub async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Problem> + Send + 'static,
) -> Result<R, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(Problem::internal)?
}

async fn read_payloads(
    peers: &Peers,
    tender: &str,
    wanted: &[[u8; 32]],
) -> Result<HashMap<[u8; 32], Payload>, Problem> {
    let mut payloads: HashMap<[u8; 32], Payload> = HashMap::with_capacity(wanted.len());
    if wanted.is_empty() {
        return Ok(payloads);
    }
    let request = ReadPayloadsRequest {
        tender: tender.to_owned(),
        payload_roots: wanted.iter().map(|root| root.to_vec()).collect(),
    };
    let mut stream = peers.bid().read_payloads(request).await?.into_inner();
    while let Some(message) = stream.message().await? {
        let root =
            <[u8; 32]>::try_from(message.payload_root.as_slice()).map_err(Problem::internal)?;
        if !message.fault.is_empty() {
            payloads.insert(root, Err(message.fault));
        } else if let Ok(bytes) = payloads.entry(root).or_insert_with(|| Ok(Vec::new())) {
            // Bounded by the sealed size of the headers asked for, which the store has verified.
            bytes.extend_from_slice(&message.chunk);
        }
    }
    Ok(payloads)
}
