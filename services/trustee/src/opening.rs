//! Opening: the closed bid log is read whole, recomputed and found in the public log, its closing is
//! signed once, and shares are given when t holders have signed the same. Never before the deadline of the records, and
//! never before it by this machine's own clock.

use std::{sync::Arc, time::Duration};

use sunbid_certificates::{verify_chain, verify_signature};
use sunbid_contracts::{
    journal::v1::LogEntry,
    opening::v1::{
        ClosingSignature, HolderShares, PostSharesRequest, ReadClosingRequest, SignClosingRequest,
        WatchOpeningsRequest, WatchOpeningsResponse,
    },
    tender::v1::{Ceremony, GetCeremonyRequest},
};
use sunbid_domain::{
    opening::{
        bid_log::BidLog,
        check::{self, CheckedBids, Supplier},
        closing::{self, ClosedBids},
        parallel,
    },
    tender::{
        ceremony::{terms, verify},
        hash::document_hash,
    },
};
use sunbid_sealing::{CloseSignature, Delivery, Element, OsRng, Partial, TenderKey, check_quorum};
use sunbid_terms::Instant;

use crate::{
    Behaviour, Trustee, TrusteeFault,
    shown::{self, Shown},
};

/// Clocks may differ by so much, microseconds: a holder waits that long and no longer.
const A_MOMENT: i64 = 10_000_000;
/// A sandbox's clock may jump, so the clock is looked at this often.
const LOOK_AT_CLOCK: Duration = Duration::from_millis(10);

/// Does this institution's part of every opening, until the daemon stops.
pub async fn duty(trustee: &Arc<Trustee>) -> Result<(), TrusteeFault> {
    if trustee.behaviour == Behaviour::Absent {
        trustee.shutdown.cancelled().await;
        return Ok(());
    }
    loop {
        if let Err(fault) = watch(trustee).await {
            tracing::warn!(%fault, "openings");
            trustee.connection.forget().await;
        }
        if trustee.pause().await {
            return Ok(());
        }
    }
}

async fn watch(trustee: &Arc<Trustee>) -> Result<(), TrusteeFault> {
    let mut openings = trustee.connection.opening(&trustee.folder).await?;
    let mut stream = openings
        .watch_openings(WatchOpeningsRequest {})
        .await?
        .into_inner();
    // What was checked is kept for the shares that follow the signature.
    let mut case: Option<Arc<Case>> = None;
    loop {
        let next = tokio::select! {
            () = trustee.shutdown.cancelled() => return Ok(()),
            next = stream.message() => next?,
        };
        let Some(wanted) = next else { return Ok(()) };
        if let Err(fault) = take_part(trustee, &wanted, &mut case).await {
            tracing::error!(%fault, "an opening does not get this institution's part");
            if fault.may_pass() {
                return Err(fault);
            }
        }
    }
}

/// A closed tender as this institution has recomputed it.
struct Case {
    ceremony: Ceremony,
    key: TenderKey,
    closed: ClosedBids,
    bids: CheckedBids,
    index: u16,
}

async fn take_part(
    trustee: &Arc<Trustee>,
    wanted: &WatchOpeningsResponse,
    kept: &mut Option<Arc<Case>>,
) -> Result<(), TrusteeFault> {
    let asked = wanted.closing.clone().unwrap_or_default();
    let tender = asked.tender.clone();
    let case = match kept {
        Some(case) if case.closed.message() == asked => case.clone(),
        _ => {
            let case = Arc::new(read_case(trustee, &tender).await?);
            *kept = Some(case.clone());
            case
        }
    };
    if case.closed.message() != asked {
        return Err(TrusteeFault::OtherClosing);
    }
    wait_until_past(trustee, &case).await?;
    let close = case.closed.close();
    if !wanted.signed {
        trustee.folder.commit_to_closing(&asked.key_id, &close)?;
        let signature = ClosingSignature {
            index: i32::from(case.index),
            signature: trustee.folder.identity.sign(&close).to_vec(),
            signed_time_us: trustee.clock.now().micros(),
        };
        let request = SignClosingRequest {
            tender: tender.clone(),
            close: close.to_vec(),
            signature: Some(signature),
        };
        let mut openings = trustee.connection.opening(&trustee.folder).await?;
        openings.sign_closing(request).await?;
    }
    if wanted.shares_wanted && !wanted.shared {
        require_quorum(&case, &close, wanted)?;
        let (own, of) = (trustee.clone(), case.clone());
        let shares = tokio::task::spawn_blocking(move || make_shares(&own, &of, &close)).await??;
        let request = PostSharesRequest {
            tender,
            close: close.to_vec(),
            shares: Some(shares),
        };
        let mut openings = trustee.connection.opening(&trustee.folder).await?;
        openings.post_shares(request).await?;
    }
    Ok(())
}

/// Reads the whole closed bid log and recomputes all of it.
async fn read_case(trustee: &Arc<Trustee>, tender: &str) -> Result<Case, TrusteeFault> {
    let organization = trustee.connection.organization(&trustee.folder).await?;
    let request = GetCeremonyRequest {
        tender: tender.to_owned(),
    };
    let mut tenders = trustee.connection.tender(&trustee.folder).await?;
    let ceremony = tenders
        .get_ceremony(request)
        .await?
        .into_inner()
        .ceremony
        .unwrap_or_default();
    let (entries, shown) =
        tokio::try_join!(closed_log(trustee, tender), shown::ask(trustee, tender))?;
    let own = trustee.clone();
    let tender = tender.to_owned();
    let case = tokio::task::spawn_blocking(move || {
        check_case(&own, &organization, &tender, ceremony, &entries, &shown)
    });
    case.await?
}

async fn closed_log(trustee: &Trustee, tender: &str) -> Result<Vec<LogEntry>, TrusteeFault> {
    let mut openings = trustee.connection.opening(&trustee.folder).await?;
    let request = ReadClosingRequest {
        tender: tender.to_owned(),
    };
    let mut stream = openings.read_closing(request).await?.into_inner();
    let mut entries: Vec<LogEntry> = Vec::new();
    while let Some(page) = stream.message().await? {
        entries.extend(page.entries);
    }
    Ok(entries)
}

fn check_case(
    trustee: &Trustee,
    organization: &str,
    tender: &str,
    ceremony: Ceremony,
    entries: &[LogEntry],
    shown: &Shown,
) -> Result<Case, TrusteeFault> {
    let folder = &trustee.folder;
    let key = verify(&ceremony)?;
    let own = ceremony.holders.iter().find(|holder| {
        holder.organization == organization && holder.identity_key == folder.identity.public()
    });
    let index = own
        .and_then(|holder| u16::try_from(holder.index).ok())
        .ok_or(TrusteeFault::NotOurKeys)?;
    let log = BidLog::read(closing::log_of(tender), entries)?;
    let closed = closing::fold(tender, &folder.settings.origin, &log.events, &log.head())?;
    if closed.tender.key_id != key.id() {
        return Err(TrusteeFault::OtherClosing);
    }
    shown.require(trustee, tender, &log, &closed)?;
    if document_hash(&closed.tender).as_slice() != ceremony.tender_hash {
        return Err(TrusteeFault::OtherDocument(tender.to_owned()));
    }
    let roots = &folder.roots;
    let supplier = |certificate: &[u8],
                    intermediates: &[Vec<u8>],
                    message: &[u8],
                    signature: &[u8],
                    at: Instant| {
        let holder = verify_chain(certificate, intermediates, roots, at)
            .map_err(|fault| fault.to_string())?;
        verify_signature(certificate, message, signature).map_err(|fault| fault.to_string())?;
        Ok(Supplier {
            credit_code: holder.credit_code.to_string(),
            organization_name: holder.organization_name,
        })
    };
    let bids = check::check(&closed, &supplier)?;
    Ok(Case {
        ceremony,
        key,
        closed,
        bids,
        index,
    })
}

/// Waits out the moment by which this machine's clock is behind the platform's; more than a moment
/// is refused.
async fn wait_until_past(trustee: &Trustee, case: &Case) -> Result<(), TrusteeFault> {
    loop {
        let early = micros_early(&case.closed, &case.bids, trustee.clock.now());
        if early <= 0 {
            return Ok(());
        }
        if early > A_MOMENT || trustee.shutdown.is_cancelled() {
            return Err(TrusteeFault::TooEarly);
        }
        let pause = Duration::from_micros(early.unsigned_abs());
        tokio::time::sleep(pause.min(LOOK_AT_CLOCK)).await;
    }
}

/// By how much it is too early to sign, microseconds: the deadline must have passed by the records,
/// by every envelope, and by this machine's own clock.
fn micros_early(closed: &ClosedBids, bids: &CheckedBids, now: Instant) -> i64 {
    let envelopes = bids.sheets.iter().chain(&bids.evaluations);
    let floor = envelopes
        .map(|envelope| envelope.header.subject().not_before)
        .max()
        .unwrap_or(0);
    let floor = Instant::from_seconds(i64::try_from(floor).unwrap_or(i64::MAX));
    if closed.closed_at < closed.deadline {
        return i64::MAX;
    }
    closed
        .deadline
        .max(floor)
        .micros()
        .saturating_sub(now.micros())
}

/// t holders have signed exactly this closing.
fn require_quorum(
    case: &Case,
    close: &[u8; 32],
    wanted: &WatchOpeningsResponse,
) -> Result<(), TrusteeFault> {
    let signatures: Vec<CloseSignature> = wanted
        .signatures
        .iter()
        .filter_map(|signature| {
            Some(CloseSignature {
                holder: u16::try_from(signature.index).ok()?,
                signature: signature.signature.as_slice().try_into().ok()?,
            })
        })
        .collect();
    let terms = terms(&case.ceremony)?;
    check_quorum(close, &terms.identities(), terms.threshold(), &signatures)
        .map(drop)
        .map_err(|error| TrusteeFault::NoQuorum(error.to_string()))
}

fn make_shares(
    trustee: &Trustee,
    case: &Case,
    close: &[u8; 32],
) -> Result<HolderShares, TrusteeFault> {
    let terms = terms(&case.ceremony)?;
    let share = trustee.folder.share(terms.id(), case.index)?;
    let key = &case.key;
    let partials = parallel::try_map(&case.bids.sheets, |envelope| {
        let partial = Partial::make(key, &share, &envelope.header, close, &mut OsRng)?;
        Ok::<_, TrusteeFault>(said(trustee.behaviour, partial.encode().to_vec()))
    })?;
    let deliveries = match evaluators(case) {
        None => Vec::new(),
        Some(reader) => parallel::try_map(&case.bids.evaluations, |envelope| {
            let delivery =
                Delivery::make(key, &share, &envelope.header, close, &reader, &mut OsRng)?;
            Ok::<_, TrusteeFault>(delivery.encode().to_vec())
        })?,
    };
    Ok(HolderShares {
        index: i32::from(case.index),
        partials,
        deliveries,
    })
}

/// The evaluators' key, if the tender names one.
fn evaluators(case: &Case) -> Option<Element> {
    let bytes: [u8; 32] = case
        .closed
        .tender
        .evaluator_key
        .as_slice()
        .try_into()
        .ok()?;
    Element::decode(&bytes).ok()
}

/// What is sent of a partial: the partial itself, or in a trial of lying another one whose proof
/// cannot hold.
fn said(behaviour: Behaviour, mut partial: Vec<u8>) -> Vec<u8> {
    if behaviour == Behaviour::Lying
        && let Some(byte) = partial.get_mut(Partial::LENGTH - 32)
    {
        *byte ^= 1;
    }
    partial
}

#[cfg(test)]
mod tests {
    use super::*;
    use sunbid_contracts::{
        bid::v1::{BiddingClosed, BiddingOpened},
        tender::v1::{PartClass, PartRequirement, Tender, Timetable},
    };
    use sunbid_domain::{Event, opening::bid_log::LoggedEvent};

    /// A log without a bid, closed at `closed` seconds for the deadline of 100 seconds.
    fn closed(closed: i64) -> ClosedBids {
        let at = Instant::from_seconds;
        let part = PartRequirement {
            class: PartClass::OpeningSheet as i32,
            required: true,
            ..PartRequirement::default()
        };
        let timetable = Timetable {
            bid_deadline_us: at(100).micros(),
            ..Timetable::default()
        };
        let tender = Tender {
            name: "tenders/t".into(),
            key_id: vec![1; 32],
            parts: vec![part],
            timetable: Some(timetable),
            ..Tender::default()
        };
        let opened = BiddingOpened {
            tender: Some(tender),
            ..BiddingOpened::default()
        };
        let ended = BiddingClosed {
            deadline_us: at(100).micros(),
            ..BiddingClosed::default()
        };
        let events = [
            LoggedEvent {
                seq: 0,
                at: at(1),
                event: Event::of(&opened),
            },
            LoggedEvent {
                seq: 1,
                at: at(closed),
                event: Event::of(&ended),
            },
        ];
        let head = sunbid_contracts::common::v1::LogHead {
            size: 2,
            root: vec![0; 32],
            ..Default::default()
        };
        closing::fold("tenders/t", "sandbox.test", &events, &head).unwrap()
    }

    #[test]
    fn nothing_is_signed_before_the_deadline_by_the_own_clock() {
        let bids = CheckedBids {
            sheets: Vec::new(),
            evaluations: Vec::new(),
        };
        let early = |now| micros_early(&closed(100), &bids, now);
        assert!(early(Instant::from_seconds(99)) > 0);
        assert_eq!(early(Instant::from_micros(99_999_999)), 1);
        assert!(early(Instant::from_seconds(100)) <= 0);
        assert!(
            early(Instant::from_seconds(50)) > A_MOMENT,
            "not waited for"
        );
    }

    #[test]
    fn a_lie_is_told_in_trials_only_and_shows() {
        let partial = vec![7; Partial::LENGTH];
        assert_eq!(said(Behaviour::Honest, partial.clone()), partial);
        assert_ne!(said(Behaviour::Lying, partial.clone()), partial);
        let settings = |sandbox| crate::Settings {
            endpoint: String::new(),
            authority: None,
            origin: String::new(),
            log_verifier_key: String::new(),
            receipt_key: String::new(),
            sandbox,
        };
        assert!(Behaviour::Lying.check(&settings(false)).is_err());
        assert!(Behaviour::Absent.check(&settings(false)).is_err());
        assert!(Behaviour::Lying.check(&settings(true)).is_ok());
        assert!(Behaviour::Honest.check(&settings(false)).is_ok());
    }
}
