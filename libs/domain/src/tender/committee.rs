//! Whom a purchaser may invite to hold a tender's key, and the start of their ceremony.
//! The holders' interests must be opposed: no institution sits twice, and the purchaser sits at most
//! once, and not at all where others could take every seat.

use sunbid_contracts::{
    common::v1::{KeyEvidence, Track},
    tender::v1::{
        Ceremony, CeremonyFailed, CeremonyStarted, CeremonyState, Holder, ReviewKind, Tender,
        TenderState,
    },
};

use super::{
    Dossier,
    ceremony::{make_terms, waits_for},
    hash,
    life::passed,
    rounds,
    stage::{not_held, wrong_state},
};
use crate::{Event, Refusal, refusal::FieldCheck};

/// Most institutions that can hold one key: more only makes the ceremony slower.
pub const MOST_HOLDERS: usize = 21;

/// The institutions invited, with what the registry knows of them.
#[derive(Clone, Debug)]
pub struct Committee {
    pub holders: Vec<Holder>,
    /// For each holder its institution's signature over its keys; checked apart, in `vouched`.
    pub evidence: Vec<KeyEvidence>,
    /// How many of them open.
    pub threshold: i32,
    /// Active institutions that hold keys, the purchaser not counted.
    pub others: usize,
}

/// Freezes the draft and invites the holders, whose keys the registry gave. A ceremony that was
/// begun before ends with it.
pub fn start(
    dossier: &Dossier,
    organization: &str,
    committee: Committee,
    nonce: [u8; 32],
) -> Result<Vec<Event>, Refusal> {
    if dossier
        .tender
        .as_ref()
        .is_none_or(|t| t.purchaser != organization)
    {
        return Err(Refusal::Forbidden);
    }
    let tender = not_held(dossier)?;
    if !matches!(tender.state(), TenderState::Draft | TenderState::Ceremony) {
        return Err(wrong_state(
            tender,
            "只有编制完成的文件才能开始密钥仪式",
            "a ceremony starts from a draft",
        ));
    }
    check_committee(&committee, &tender.purchaser)?;
    let mut check = FieldCheck::new();
    check.require(
        !tender.documents.is_empty(),
        "tender.documents",
        "请先上传采购（招标）文件。",
        "has no document yet; upload the tender document first.",
    );
    check.finish()?;
    check_reviews(tender)?;
    let tender_hash = hash::document_hash(tender);
    let Committee {
        holders,
        evidence,
        threshold,
        ..
    } = committee;
    let terms = make_terms(tender_hash, threshold, &holders, nonce)
        .map_err(|error| Refusal::field("holders", error.to_string(), error.to_string()))?;
    let mut events = Vec::new();
    if let Some(before) = dossier
        .ceremony
        .as_ref()
        .filter(|c| c.state() != CeremonyState::Failed)
    {
        events.push(Event::of(&CeremonyFailed {
            fault: ended_early(before),
        }));
    }
    events.push(Event::of(&CeremonyStarted {
        ceremony: Some(Ceremony {
            name: format!("{}/ceremonies/{}", tender.name, dossier.ceremonies + 1),
            tender: tender.name.clone(),
            cid: terms.id().to_vec(),
            holders,
            evidence,
            threshold,
            tender_hash: tender_hash.to_vec(),
            nonce: nonce.to_vec(),
            state: CeremonyState::Committing as i32,
            ..Default::default()
        }),
    }));
    Ok(events)
}

fn check_committee(committee: &Committee, purchaser: &str) -> Result<(), Refusal> {
    let Committee {
        holders, threshold, ..
    } = committee;
    let count = holders.len();
    let mut check = FieldCheck::new();
    check.require(
        (3..=MOST_HOLDERS).contains(&count),
        "holders",
        format!("持有机构应为3至{MOST_HOLDERS}家，现有{count}家。"),
        format!("must be 3 to {MOST_HOLDERS} institutions, {count} are given."),
    );
    let needed = usize::try_from(*threshold).unwrap_or(0);
    check.require(
        needed * 2 > count && needed < count,
        "threshold",
        format!("应多于持有机构的一半且少于全部：{count}家时不能是{threshold}。"),
        format!(
            "must be more than half of the {count} holders and fewer than all; {threshold} is not."
        ),
    );
    for (place, holder) in holders.iter().enumerate() {
        let repeated = holders.iter().take(place).any(|earlier| {
            earlier.organization == holder.organization
                || earlier.identity_key == holder.identity_key
                || earlier.encryption_key == holder.encryption_key
        });
        check.require(
            !repeated,
            format!("holders[{place}]"),
            "与前面的机构或其密钥重复。",
            "repeats an earlier institution or its keys.",
        );
        check.require(
            holder.identity_key.len() == 32 && holder.encryption_key.len() == 32,
            format!("holders[{place}]"),
            format!("{}没有登记持有人密钥。", holder.display_name),
            format!("{} has no holder's keys on record.", holder.display_name),
        );
        // Nobody is to hold a share of the bids that it buys from, if it can be helped.
        check.require(
            holder.organization != purchaser || committee.others < count,
            format!("holders[{place}]"),
            format!(
                "采购人自己不应持有密钥份额：另有{}家有效的持有机构，足以占满{count}席。",
                committee.others
            ),
            format!(
                "is the purchaser itself: {} other institutions are active, enough for all {count} seats.",
                committee.others
            ),
        );
    }
    check.finish()
}

/// The reviews without which no lawful notice can follow.
fn check_reviews(tender: &Tender) -> Result<(), Refusal> {
    let procurement = tender.track == Track::GovernmentProcurement as i32;
    if procurement && !passed(tender, ReviewKind::Internal) {
        return Err(Refusal::state(
            "REVIEW_MISSING",
            "采购需求和实施计划尚未通过内部审查（财库〔2021〕22号第二十九条）。",
            "Demand and plan have not passed the internal review (财库〔2021〕22号, art 29).",
        ));
    }
    if !passed(tender, ReviewKind::FairCompetition) {
        return Err(Refusal::state(
            "REVIEW_MISSING",
            "采购（招标）文件尚未通过公平竞争审查。",
            "The document has not passed the fair competition review.",
        ));
    }
    Ok(())
}

fn ended_early(ceremony: &Ceremony) -> String {
    let waiting: Vec<&str> = ceremony
        .holders
        .iter()
        .map(|holder| holder.organization.as_str())
        .filter(|organization| waits_for(ceremony, organization).is_some())
        .collect();
    format!(
        "Ended by the purchaser in state {}; it waited for: {}.",
        rounds::stage(ceremony).as_str_name(),
        waiting.join(", ")
    )
}
