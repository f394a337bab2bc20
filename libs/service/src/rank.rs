//! Which calls are let in when there is more to do than there are hands. While a process works on few
//! calls it takes all; the more it has, the more it refuses at once instead of letting all wait: first
//! what is bulk, and what counts at a deadline last. Never the small calls for the sake of the large.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// What a call is worth when not all can be taken; a later one is let in longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Reading, listing, downloading: it can be done a moment later.
    Bulk,
    /// What changes something, and files that are sent.
    Work,
    /// Small, and too late if it does not come through: bids at the deadline, an opening's shares, and
    /// signing in, without which none of it can be done.
    Vital,
}

/// RPCs that are vital.
const VITAL: [&str; 20] = [
    "/grpc.health.v1.Health/Check",
    "/sunbid.bid.v1.BidService/EndBidding",
    "/sunbid.bid.v1.BidService/GetUpload",
    "/sunbid.bid.v1.BidService/HoldBidding",
    "/sunbid.bid.v1.BidService/MoveDeadline",
    "/sunbid.bid.v1.BidService/SubmitBid",
    "/sunbid.bid.v1.BidService/WithdrawBid",
    "/sunbid.opening.v1.OpeningService/CheckIn",
    "/sunbid.opening.v1.OpeningService/PostShares",
    "/sunbid.opening.v1.OpeningService/SignClosing",
    "/sunbid.registry.v1.AccountService/BeginProviderSignIn",
    "/sunbid.registry.v1.AccountService/FinishPasskeySignIn",
    "/sunbid.registry.v1.AccountService/FinishProviderSignIn",
    "/sunbid.registry.v1.AccountService/RefreshSession",
    "/sunbid.registry.v1.AccountService/SignInWithPassword",
    "/sunbid.registry.v1.RegistryService/CreateChallenge",
    "/sunbid.registry.v1.RegistryService/GetPlatform",
    "/sunbid.registry.v1.RegistryService/SignIn",
    "/sunbid.tender.v1.TenderService/PostCeremonyMessage",
    "/sunbid.tender.v1.TenderService/SuspendTender",
];

/// How RPCs that only read begin.
const READING: [&str; 6] = [
    "Get",
    "List",
    "Watch",
    "Download",
    "Read",
    "ServerReflection",
];

impl Rank {
    pub fn of(path: &str) -> Self {
        if VITAL.contains(&path) {
            return Self::Vital;
        }
        let method = path.rsplit('/').next().unwrap_or_default();
        if READING.iter().any(|verb| method.starts_with(verb)) {
            Self::Bulk
        } else {
            Self::Work
        }
    }

    /// How many calls may be worked on when one of this rank is still taken, of `most` in all.
    const fn room(self, most: u32) -> u32 {
        let room = match self {
            Self::Bulk => most / 64,
            Self::Work => most / 2,
            Self::Vital => most,
        };
        if room == 0 { 1 } else { room }
    }
}

/// The calls that a process works on.
#[derive(Clone, Debug)]
pub struct Hands {
    busy: Arc<AtomicU32>,
    most: u32,
}

/// A call that is worked on, until it is dropped.
#[derive(Debug)]
pub struct InWork {
    busy: Arc<AtomicU32>,
}

impl Hands {
    pub fn new(most: u32) -> Self {
        Self {
            busy: Arc::default(),
            most,
        }
    }

    /// Takes a call, if there is a hand for it.
    pub fn take(&self, rank: Rank) -> Option<InWork> {
        let before = self.busy.fetch_add(1, Ordering::Relaxed);
        let taken = InWork {
            busy: self.busy.clone(),
        };
        (before < rank.room(self.most)).then_some(taken)
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access;

    #[test]
    fn bulk_is_refused_first_and_what_counts_at_a_deadline_last() {
        let hands = Hands::new(128);
        let take = |rank, times| -> Vec<_> { (0..times).map_while(|_| hands.take(rank)).collect() };
        let bulk = take(Rank::Bulk, 200);
        assert_eq!(bulk.len(), 2);
        let work = take(Rank::Work, 200);
        assert_eq!(bulk.len() + work.len(), 64);
        let vital = take(Rank::Vital, 200);
        assert_eq!(vital.len(), 64);
        drop(vital);
        assert!(hands.take(Rank::Vital).is_some());
        assert!(hands.take(Rank::Work).is_none());
        drop((work, bulk));
        assert!(hands.take(Rank::Bulk).is_some());
    }

    #[test]
    fn every_vital_rpc_is_one() {
        for path in VITAL {
            assert!(access::row(path).is_some(), "{path}");
        }
        let upload = Rank::of("/sunbid.bid.v1.BidService/UploadPart");
        assert_eq!(upload, Rank::Work);
        assert_eq!(Rank::of("/sunbid.bid.v1.BidService/ListBids"), Rank::Bulk);
    }
}
