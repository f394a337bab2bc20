//! Bidders' streams: each bidder's records in a lot, with the closing list laid over them. Which bid
//! was replaced, withdrawn or live follows from their order alone, though bodies are withheld; the
//! list must say the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sunbid_contracts::bid::v1::{
    Bid, BidSubmitted, BidWithdrawn, BiddingClosed, ClosingEntry, ClosingStatus, LotClosing,
};
use sunbid_contracts::tender::v1::Tender;
use sunbid_domain::bid::TenderBox;
use sunbid_domain::opening::Claim;
use sunbid_domain::opening::closing::FEWEST_BIDDERS;
use sunbid_proofs::StreamId;
use sunbid_terms::Instant;

use crate::fault::Fault;
use crate::log::{Entry, Log};

/// A submission or a withdrawal.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    /// Of the submission; for a withdrawal of the bid withdrawn.
    pub revision: u64,
    pub withdrawal: bool,
    /// As the closing lists it; for a withdrawal the bundle withdrawn. Empty where bidding ended
    /// without a closing.
    pub bundle: Vec<u8>,
}

/// A record of some bidder, before it is known how it ends.
pub(crate) struct Raw<'a> {
    pub entry: &'a Entry,
    pub deadline: Instant,
    pub state: Arc<TenderBox>,
}

/// Without a closing list nothing tells submissions from withdrawals.
pub(crate) fn count_alone(raw: &[Raw<'_>]) -> BTreeMap<u64, Act> {
    let act = |one: &Raw<'_>| {
        (
            one.entry.seq,
            Act {
                revision: 0,
                withdrawal: false,
                bundle: Vec::new(),
            },
        )
    };
    raw.iter().map(act).collect()
}

/// Bidders' streams with the closing list laid over them.
pub(crate) struct Streams {
    pub acts: BTreeMap<u64, Act>,
    /// How each submission ends by its stream, in the order of the log.
    status: BTreeMap<u64, ClosingStatus>,
    /// Live bids: record, revision, deadline, body if disclosed.
    live: Vec<(u64, u64, Instant, Instant, Option<Bid>)>,
}

impl Streams {
    pub(crate) fn read(log: &Log, raw: &[Raw<'_>], said: &[ClosingEntry]) -> Result<Self, Fault> {
        let listed: HashMap<u64, &ClosingEntry> = said
            .iter()
            .filter_map(|entry| Some((u64::try_from(entry.seq).ok()?, entry)))
            .collect();
        if listed.len() != said.len() {
            return Err(closing_fault(log, "The closing list names a record twice."));
        }
        let known: HashSet<u64> = raw.iter().map(|one| one.entry.seq).collect();
        if let Some(seq) = listed.keys().find(|seq| !known.contains(seq)) {
            return Err(closing_fault(
                log,
                &format!("The closing list names record {seq}, which is no bid."),
            ));
        }
        let mut by_stream: BTreeMap<StreamId, Vec<&Raw<'_>>> = BTreeMap::new();
        for one in raw {
            by_stream.entry(one.entry.stream).or_default().push(one);
        }
        let mut streams = Self {
            acts: BTreeMap::new(),
            status: BTreeMap::new(),
            live: Vec::new(),
        };
        check_owners(log, &by_stream)?;
        for of_bidder in by_stream.values() {
            streams.bidder(log, of_bidder, &listed)?;
        }
        streams.live.sort_by_key(|(seq, ..)| *seq);
        Ok(streams)
    }

    fn bidder(
        &mut self,
        log: &Log,
        of_bidder: &[&Raw<'_>],
        listed: &HashMap<u64, &ClosingEntry>,
    ) -> Result<(), Fault> {
        let mut live: Option<&Raw<'_>> = None;
        let mut revision = 0;
        for one in of_bidder {
            let seq = one.entry.seq;
            let entry = listed.get(&seq);
            let disclosed = one
                .entry
                .said
                .is_some()
                .then(|| one.entry.read::<BidSubmitted>());
            if disclosed
                .as_ref()
                .is_some_and(|submitted| submitted.is_some() != entry.is_some())
            {
                return Err(closing_fault(
                    log,
                    &format!("Record {seq} is a bid and not listed, or listed and no bid."),
                ));
            }
            if let Some(entry) = entry {
                revision += 1;
                if let Some(earlier) = live {
                    self.status
                        .insert(earlier.entry.seq, ClosingStatus::Superseded);
                }
                live = Some(one);
                self.acts.insert(
                    seq,
                    Act {
                        revision,
                        withdrawal: false,
                        bundle: entry.bundle.clone(),
                    },
                );
            } else {
                let withdrawn = live.take().ok_or_else(|| {
                    log.fault(
                        "WITHDRAWAL",
                        seq,
                        "撤回时没有有效投标。",
                        "Nothing was live that this record could withdraw, or a bid is not listed.",
                    )
                })?;
                self.status
                    .insert(withdrawn.entry.seq, ClosingStatus::Withdrawn);
                let bundle = listed
                    .get(&withdrawn.entry.seq)
                    .map(|entry| entry.bundle.clone())
                    .unwrap_or_default();
                self.acts.insert(
                    seq,
                    Act {
                        revision,
                        withdrawal: true,
                        bundle,
                    },
                );
            }
        }
        if let Some(one) = live {
            self.status.insert(one.entry.seq, ClosingStatus::Live);
            let bid = one.entry.read::<BidSubmitted>().and_then(|event| event.bid);
            self.live
                .push((one.entry.seq, revision, one.entry.at, one.deadline, bid));
        }
        Ok(())
    }

    /// Compares with what the closing says; the lots, and the bids that open.
    pub(crate) fn check(
        &self,
        log: &Log,
        tender: &Tender,
        said: &BiddingClosed,
    ) -> Result<(Vec<LotClosing>, Vec<Claim>), Fault> {
        if said.entries.len() != self.status.len() {
            return Err(closing_fault(
                log,
                "The closing list does not list every bid.",
            ));
        }
        for (entry, (seq, status)) in said.entries.iter().zip(&self.status) {
            let same = match entry.status() {
                ClosingStatus::LotFailed => *status == ClosingStatus::Live,
                other => other == *status,
            };
            if u64::try_from(entry.seq) != Ok(*seq) || !same {
                let en = format!(
                    "The closing lists record {} as {}, its stream says {}.",
                    entry.seq,
                    entry.status().as_str_name(),
                    status.as_str_name()
                );
                return Err(closing_fault(log, &en));
            }
        }
        let opening: HashSet<i64> = said
            .entries
            .iter()
            .filter(|e| e.status() == ClosingStatus::Live)
            .map(|e| e.seq)
            .collect();
        let mut claims = Vec::new();
        let mut sealed_for_ever = 0_usize;
        for (seq, revision, at, deadline, bid) in &self.live {
            let opens = i64::try_from(*seq).is_ok_and(|seq| opening.contains(&seq));
            if !opens {
                sealed_for_ever += 1;
                continue;
            }
            let bid = bid.clone().ok_or_else(|| {
                log.fault(
                    "BODY_WITHHELD",
                    *seq,
                    "已开启的投标应当公开。",
                    "The body of a bid that was opened is withheld.",
                )
            })?;
            if u64::try_from(bid.revision) != Ok(*revision) {
                return Err(log.fault(
                    "BID_REVISION",
                    *seq,
                    "投标版次与记录不符。",
                    "The bid's revision is not the number of its bidder's submissions.",
                ));
            }
            if self
                .acts
                .get(seq)
                .is_none_or(|act| act.bundle != bid.bundle)
            {
                return Err(closing_fault(
                    log,
                    &format!("The closing lists another bundle than that of record {seq}."),
                ));
            }
            claims.push(Claim {
                seq: *seq,
                at: *at,
                deadline: *deadline,
                bid,
                status: ClosingStatus::Live,
            });
        }
        self.check_lots(log, tender, said, &claims, sealed_for_ever)?;
        Ok((said.lots.clone(), claims))
    }

    fn check_lots(
        &self,
        log: &Log,
        tender: &Tender,
        said: &BiddingClosed,
        claims: &[Claim],
        sealed_for_ever: usize,
    ) -> Result<(), Fault> {
        let names = |lots: &[LotClosing]| {
            lots.iter()
                .map(|lot| lot.lot_id.clone())
                .collect::<Vec<_>>()
        };
        if names(&said.lots)
            != tender
                .lots
                .iter()
                .map(|lot| lot.lot_id.clone())
                .collect::<Vec<_>>()
        {
            return Err(closing_fault(
                log,
                "The closing does not name the tender's lots.",
            ));
        }
        let mut failed = 0_usize;
        for lot in &said.lots {
            let bidders = usize::try_from(lot.bidders).unwrap_or(usize::MAX);
            let live = claims
                .iter()
                .filter(|claim| claim.bid.lot_id == lot.lot_id)
                .count();
            let right = if lot.opens {
                bidders == live
            } else {
                live == 0
            };
            if lot.opens != (bidders >= FEWEST_BIDDERS) || !right {
                return Err(closing_fault(
                    log,
                    &format!(
                        "Lot {} is said to have {bidders} bidders and {live} of its bids open.",
                        lot.lot_id
                    ),
                ));
            }
            if !lot.opens {
                failed = failed.saturating_add(bidders);
            }
        }
        if failed != sealed_for_ever {
            return Err(closing_fault(
                log,
                &format!(
                    "Lots that failed had {failed} bidders, but {sealed_for_ever} live bids stay sealed."
                ),
            ));
        }
        Ok(())
    }

    /// Records of the bids that open, each with the box as it stood before.
    pub(crate) fn opened_entries<'a>(&self, raw: &'a [Raw<'a>]) -> Vec<(&'a Entry, &'a TenderBox)> {
        let live: HashSet<u64> = self
            .live
            .iter()
            .filter(|one| one.4.is_some())
            .map(|one| one.0)
            .collect();
        raw.iter()
            .filter(|one| live.contains(&one.entry.seq))
            .map(|one| (one.entry, &*one.state))
            .collect()
    }
}

/// One bidder has one stream for a lot, as far as bodies show: the identifiers themselves say nothing
/// about whose they are.
fn check_owners(log: &Log, by_stream: &BTreeMap<StreamId, Vec<&Raw<'_>>>) -> Result<(), Fault> {
    let mut streams: HashMap<(String, String), StreamId> = HashMap::new();
    for (stream, of_bidder) in by_stream {
        let mut owner: Option<(String, String)> = None;
        for one in of_bidder {
            let Some(whose) = whose(one.entry) else {
                continue;
            };
            let apart = owner.as_ref().is_some_and(|owner| *owner != whose)
                || *streams.entry(whose.clone()).or_insert(*stream) != *stream;
            if apart {
                return Err(log.fault(
                    "BID_STREAM",
                    one.entry.seq,
                    "同一投标人在同一标段的投标不在同一个流中，或者流中有他人的投标。",
                    "The bids of one bidder for one lot do not stand in a stream of their own.",
                ));
            }
            owner = Some(whose);
        }
    }
    Ok(())
}

/// Lot and bidder of a record whose body is disclosed.
fn whose(entry: &Entry) -> Option<(String, String)> {
    if let Some(submitted) = entry.read::<BidSubmitted>() {
        return submitted.bid.map(|bid| (bid.lot_id, bid.bidder));
    }
    let withdrawn = entry.read::<BidWithdrawn>()?;
    Some((withdrawn.lot_id, withdrawn.bidder))
}

fn closing_fault(log: &Log, en: &str) -> Fault {
    let seq = log.entries.len().saturating_sub(1) as u64;
    log.fault("CLOSING", seq, "截标清单与投标记录不符。", en)
}
