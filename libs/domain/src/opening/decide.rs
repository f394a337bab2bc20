//! What may happen in an opening session, and what may not. Each function takes the state, the
//! command and the time, and gives the events or the refusal; nothing here verifies proofs, which
//! is the caller's slow work before it asks.

use sunbid_contracts::bid::v1::LotClosing;
use sunbid_contracts::common::v1::{LogHead, Verdict};
use sunbid_contracts::opening::v1::{
    CheckedIn, ClosingSignature, ClosingSigned, HolderShares, OpeningRecord,
    OpeningRecordPublished, OpeningStarted, RescuePublished, SessionMoved, SessionScheduled,
    SessionState as Stage, SessionTerminated, SharesAccepted, SharesRefused,
};
use sunbid_contracts::tender::v1::{PartClass, Tender};
use sunbid_rules::facts::{LotCount, OpeningFacts};
use sunbid_rules::{Engine, Jurisdiction, Scope, Verdicts};
use sunbid_sealing::is_signed_by;
use sunbid_terms::Instant;

use super::closing::ClosedBids;
pub use super::objections::{answer_objection, close, confirm, raise_objection};
use super::record;
use super::session::SessionState;
use crate::refusal::FieldCheck;
use crate::{Event, Refusal, verdicts};

/// Wrong shares of one holder that are kept as evidence; more tell nothing new.
const MOST_REFUSED_SHARES: i32 = 3;
/// Events with what the rules said.
pub type Ruled = (Vec<Event>, Vec<Verdict>);

/// The tender was announced: its opening is at its deadline, to the second.
pub fn schedule(
    session: &SessionState,
    tender: Tender,
    tender_key: Vec<u8>,
    notice_head: LogHead,
) -> Vec<Event> {
    if session.exists() {
        return Vec::new();
    }
    vec![Event::of(&SessionScheduled {
        tender: Some(tender),
        notice_head: Some(notice_head),
        tender_key,
    })]
}

/// The deadline moved, and the opening with it.
pub fn move_to(session: &SessionState, deadline_us: i64) -> Vec<Event> {
    if session.stage() != Stage::Scheduled || session.deadline_us == deadline_us {
        return Vec::new();
    }
    vec![Event::of(&SessionMoved { deadline_us })]
}

/// The tender was terminated.
pub fn terminate(session: &SessionState, reason: String) -> Vec<Event> {
    if session.stage() != Stage::Scheduled {
        return Vec::new();
    }
    vec![Event::of(&SessionTerminated { reason })]
}

/// A supplier signs in. Any supplier may: to refuse those who do not bid would tell who does.
pub fn check_in(session: &SessionState, organization: &str) -> Result<Vec<Event>, Refusal> {
    if !session.exists() {
        return Err(Refusal::Forbidden);
    }
    if !matches!(
        session.stage(),
        Stage::Scheduled | Stage::Closing | Stage::Decrypting
    ) {
        return Err(Refusal::state(
            "SESSION_OVER",
            "签到已结束。",
            "Signing in is over.",
        ));
    }
    if session.checked_in.iter().any(|known| known == organization) {
        return Ok(Vec::new());
    }
    Ok(vec![Event::of(&CheckedIn {
        bidder: organization.to_owned(),
    })])
}

/// The bid log closed: the opening begins (O1), or fails where no lot has three bidders (O2).
pub fn start(
    session: &SessionState,
    closed: &ClosedBids,
    rules: &Engine,
    now: Instant,
) -> Result<Ruled, Refusal> {
    if session.stage() != Stage::Scheduled {
        return Ok((Vec::new(), Vec::new()));
    }
    let opening: Vec<&LotClosing> = closed.lots.iter().filter(|lot| lot.opens).collect();
    let said = if opening.is_empty() {
        Vec::new()
    } else {
        let facts = OpeningFacts {
            scheduled_at: Instant::from_micros(session.deadline_us),
            bid_deadline: closed.deadline,
            now,
            lots: opening
                .iter()
                .map(|lot| LotCount {
                    lot: lot.lot_id.clone(),
                    bids: u32::try_from(lot.bidders).unwrap_or(0),
                })
                .collect(),
            ..OpeningFacts::default()
        };
        ruled(
            rules.check(&scope(&closed.tender, now)?, &facts),
            &["O1", "O2"],
        )?
    };
    let started = OpeningStarted {
        closing: Some(closed.message()),
        lots: closed.lots.clone(),
        sheet_header_ids: closed.header_ids(PartClass::OpeningSheet),
        // Without a key of the evaluators nothing can be delivered.
        evaluation_header_ids: if closed.tender.evaluator_key.is_empty() {
            Vec::new()
        } else {
            closed.header_ids(PartClass::Evaluation)
        },
    };
    Ok((vec![Event::of(&started)], said))
}

/// A holder signs the closing record. Holders sign once; the same signature again changes nothing.
pub fn sign(
    session: &SessionState,
    organization: &str,
    close: &[u8],
    signature: ClosingSignature,
) -> Result<Vec<Event>, Refusal> {
    let holder = session.holder_of(organization).ok_or(Refusal::Forbidden)?;
    if session.closing.is_none() {
        return Err(Refusal::state(
            "NOT_CLOSED",
            "投标尚未截止。",
            "Bidding has not closed.",
        ));
    }
    let mut check = FieldCheck::new();
    check.require(
        signature.index == holder.index,
        "signature.index",
        format!("贵机构的序号是{}。", holder.index),
        format!("must be {}, the index of your institution.", holder.index),
    );
    check.require(
        close == session.close(),
        "close",
        "与平台的截止记录不是同一哈希；请勿继续，并保存证据。",
        "is not the hash of this closing record; do not go on, and keep the evidence.",
    );
    let signed = <[u8; 32]>::try_from(holder.identity_key.as_slice())
        .ok()
        .zip(<[u8; 64]>::try_from(signature.signature.as_slice()).ok())
        .is_some_and(|(key, bytes)| is_signed_by(&key, session.close(), &bytes));
    check.require(
        signed,
        "signature.signature",
        "不是贵机构身份密钥对截止记录的签名。",
        "is not your identity key's signature over the closing record.",
    );
    check.finish()?;
    if session.has_signed(holder.index) {
        return Ok(Vec::new());
    }
    Ok(vec![Event::of(&ClosingSigned {
        signature: Some(signature),
    })])
}

/// Whether a holder's shares are to be looked at at all; the index of the holder.
pub fn may_share(
    session: &SessionState,
    organization: &str,
    close: &[u8],
    shares: &HolderShares,
) -> Result<i32, Refusal> {
    let holder = session.holder_of(organization).ok_or(Refusal::Forbidden)?;
    if !session.shares_wanted() {
        return Err(Refusal::state(
            "SHARES_NOT_WANTED",
            "尚未有足够的持钥机构签署截止记录，或者本次开标不需要解密份额。",
            "Too few holders have signed the closing record yet, or nothing is opened here.",
        ));
    }
    let mut check = FieldCheck::new();
    check.require(
        shares.index == holder.index,
        "shares.index",
        format!("贵机构的序号是{}。", holder.index),
        format!("must be {}, the index of your institution.", holder.index),
    );
    check.require(
        close == session.close(),
        "close",
        "与平台的截止记录不是同一哈希。",
        "is not the hash of this closing record.",
    );
    check.finish()?;
    let wrong = session
        .share_faults
        .iter()
        .find(|fault| fault.index == holder.index);
    if wrong.is_some_and(|fault| fault.count >= MOST_REFUSED_SHARES) {
        return Err(Refusal::state(
            "SHARES_WRONG",
            "贵机构的份额已多次未通过验证，不再接受。",
            "Your institution's shares were wrong too often; no more are taken.",
        ));
    }
    Ok(holder.index)
}

/// Shares whose proofs all hold.
pub fn accept_shares(session: &SessionState, shares: HolderShares) -> Vec<Event> {
    if session.has_shared(shares.index) {
        return Vec::new();
    }
    vec![Event::of(&SharesAccepted {
        shares: Some(shares),
    })]
}

/// Shares that do not verify are kept as evidence, and their holder is named.
pub fn refuse_shares(shares: HolderShares, reason: &str) -> (Vec<Event>, Refusal) {
    let refusal = Refusal::state(
        "SHARES_WRONG",
        format!("解密份额未通过验证，已记录在案：{reason}"),
        format!("The shares do not verify; this is on record: {reason}"),
    );
    (
        vec![Event::of(&SharesRefused {
            shares: Some(shares),
            reason: reason.to_owned(),
        })],
        refusal,
    )
}

/// A supplier opens its own envelope, where holders failed and nothing else will. That the secret is
/// the envelope's, and the envelope the supplier's, the caller has checked.
pub fn rescue(
    session: &SessionState,
    header_id: &[u8],
    secret: &[u8],
    now: Instant,
) -> Result<Vec<Event>, Refusal> {
    if !session.is_stalled(now) {
        return Err(Refusal::state(
            "NOT_STALLED",
            "持钥机构仍在规定时间内，或开标已完成，不需要投标人自行解密。",
            "The holders are still within their time, or the opening is done; suppliers need not open their own.",
        ));
    }
    if !session
        .sheet_header_ids
        .iter()
        .any(|known| known == header_id)
    {
        return Err(Refusal::Forbidden);
    }
    if session
        .rescues
        .iter()
        .any(|known| known.header_id == header_id)
    {
        return Ok(Vec::new());
    }
    let published = RescuePublished {
        header_id: header_id.to_vec(),
        secret: secret.to_vec(),
    };
    Ok(vec![Event::of(&published)])
}

/// Every envelope is opened or judged: the record becomes public.
pub fn publish(session: &SessionState, draft: OpeningRecord, now: Instant) -> Vec<Event> {
    if !matches!(session.stage(), Stage::Closing | Stage::Decrypting) {
        return Vec::new();
    }
    let record = record::complete(draft, now, &session.checked_in, session.holder_faults(now));
    vec![Event::of(&OpeningRecordPublished {
        record: Some(record),
    })]
}

/// The law of the tender's track on a day.
pub(super) fn scope(tender: &Tender, now: Instant) -> Result<Scope, Refusal> {
    let track = verdicts::track(tender.track, "track")?;
    Ok(Scope::new(track, Jurisdiction::china(), now))
}

/// The verdicts of the rules this session can answer for; refuses if one of them refuses. The other
/// rules of the subject ask for facts that no session has, such as a recorder's state.
pub(super) fn ruled(mut said: Verdicts, rules: &[&str]) -> Result<Vec<Verdict>, Refusal> {
    said.findings
        .retain(|finding| rules.contains(&finding.rule.as_str()));
    verdicts::allowed(&said)
}
