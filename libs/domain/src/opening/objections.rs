//! After the opening record: objections, their answers, confirmations, and the end of the session. As
//! in [`super::decide`], state, command and time in, events or a refusal out.

use sunbid_contracts::opening::v1::{
    EnvelopeFault, Objection, ObjectionAnswered, ObjectionRaised, ObjectionState, OpeningRecord,
    RecordConfirmed, SessionClosed, SessionState as Stage,
};
use sunbid_rules::Engine;
use sunbid_rules::facts::{
    DecryptionFailure, FailureCause, FailureTreatment, OpeningCloseFacts, OpeningObjectionFacts,
};
use sunbid_terms::Instant;

use super::session::SessionState;
use crate::refusal::FieldCheck;
use crate::{Event, Refusal};

use super::decide::{Ruled, ruled, scope};

const MOST_OBJECTION_CHARACTERS: usize = 4_000;
/// Objections of one bidder; a session cannot be kept open by repeating them.
const MOST_OBJECTIONS: usize = 20;

/// A bidder of this opening objects, on the spot (O6).
pub fn raise_objection(
    session: &SessionState,
    organization: &str,
    name: String,
    text: &str,
    rules: &Engine,
    now: Instant,
) -> Result<(Objection, Ruled), Refusal> {
    let tender = session.tender.as_ref().ok_or(Refusal::Forbidden)?;
    let bidder = session.bidders.iter().any(|bidder| bidder == organization);
    if session.stage() == Stage::Announced && !bidder {
        return Err(Refusal::Forbidden);
    }
    FieldCheck::new()
        .text(text, MOST_OBJECTION_CHARACTERS, "text")
        .finish()?;
    let open = session.stage() == Stage::Announced && now.micros() < session.objections_until_us;
    let facts = OpeningObjectionFacts {
        session_open: open,
        raised_by_bidder: bidder,
    };
    let said = ruled(rules.check(&scope(tender, now)?, &facts), &["O6"])?;
    if !open {
        return Err(Refusal::state(
            "OBJECTIONS_CLOSED",
            "开标异议应当在开标现场、规定时间内提出（招标投标法实施条例第四十四条）。",
            "Objections to the opening are raised at the opening and in its time (Regulation implementing the Tendering Law, art 44).",
        ));
    }
    if session
        .objections
        .iter()
        .filter(|o| o.raised_by == organization)
        .count()
        >= MOST_OBJECTIONS
    {
        return Err(Refusal::state(
            "TOO_MANY_OBJECTIONS",
            format!("每个投标人最多提出{MOST_OBJECTIONS}项异议。"),
            format!("A bidder raises at most {MOST_OBJECTIONS} objections."),
        ));
    }
    let mut objection = Objection {
        name,
        raised_by: organization.to_owned(),
        text: text.to_owned(),
        raise_time_us: now.micros(),
        ..Objection::default()
    };
    objection.set_state(ObjectionState::Raised);
    let raised = ObjectionRaised {
        objection: Some(objection.clone()),
    };
    Ok((objection, (vec![Event::of(&raised)], said)))
}

/// The purchaser answers, once, on record.
pub fn answer_objection(
    session: &SessionState,
    name: &str,
    answer: &str,
    answered_by: &str,
) -> Result<Vec<Event>, Refusal> {
    let objection = session
        .objections
        .iter()
        .find(|o| o.name == name)
        .ok_or(Refusal::Forbidden)?;
    FieldCheck::new()
        .text(answer, MOST_OBJECTION_CHARACTERS, "answer")
        .finish()?;
    if session.stage() != Stage::Announced {
        return Err(Refusal::state(
            "SESSION_OVER",
            "开标已结束。",
            "The session is over.",
        ));
    }
    if objection.state() == ObjectionState::Answered {
        return Err(Refusal::state(
            "ALREADY_ANSWERED",
            "该异议已答复。",
            "This objection has been answered.",
        ));
    }
    Ok(vec![Event::of(&ObjectionAnswered {
        objection: name.to_owned(),
        answer: answer.to_owned(),
        answered_by: answered_by.to_owned(),
    })])
}

/// A bidder confirms the record it saw.
pub fn confirm(
    session: &SessionState,
    organization: &str,
    record_sha256: &[u8],
) -> Result<Vec<Event>, Refusal> {
    if !session.bidders.iter().any(|bidder| bidder == organization) {
        return Err(Refusal::Forbidden);
    }
    FieldCheck::new()
        .require(
            record_sha256 == session.record_sha256,
            "record_sha256",
            "不是已公布的开标记录的摘要。",
            "is not the digest of the record that was published.",
        )
        .finish()?;
    if session.confirmed.iter().any(|known| known == organization) {
        return Ok(Vec::new());
    }
    if session.stage() != Stage::Announced {
        return Err(Refusal::state(
            "SESSION_OVER",
            "开标已结束。",
            "The session is over.",
        ));
    }
    let confirmed = RecordConfirmed {
        bidder: organization.to_owned(),
        record_sha256: record_sha256.to_vec(),
    };
    Ok(vec![Event::of(&confirmed)])
}

/// The purchaser ends the session: never over an open objection, nor while one may still be raised
/// (O6), nor without a record (O5).
pub fn close(
    session: &SessionState,
    record: &OpeningRecord,
    rules: &Engine,
    now: Instant,
) -> Result<Ruled, Refusal> {
    let tender = session.tender.as_ref().ok_or(Refusal::Forbidden)?;
    match session.stage() {
        Stage::Closed => return Ok((Vec::new(), Vec::new())),
        Stage::Announced => {}
        _ => {
            return Err(Refusal::state(
                "NOT_ANNOUNCED",
                "开标记录尚未公布，不能结束开标。",
                "The opening record is not public yet; the session cannot be closed.",
            ));
        }
    }
    if now.micros() < session.objections_until_us {
        let until = Instant::from_micros(session.objections_until_us);
        return Err(Refusal::state(
            "OBJECTIONS_OPEN",
            format!("异议期至{until}，之前不能结束开标（O6，招标投标法实施条例第四十四条）。"),
            format!(
                "Objections may be raised until {until}; the session is not closed before (O6, Regulation implementing the Tendering Law, art 44)."
            ),
        ));
    }
    let open = session
        .objections
        .iter()
        .filter(|o| o.state() == ObjectionState::Raised)
        .count();
    let facts = OpeningCloseFacts {
        failures: failures(record),
        open_objections: u32::try_from(open).unwrap_or(u32::MAX),
        record_generated: !session.record_sha256.is_empty(),
        record_published: !session.record_sha256.is_empty(),
        ..OpeningCloseFacts::default()
    };
    let said = ruled(
        rules.check(&scope(tender, now)?, &facts),
        &["O4", "O5", "O6"],
    )?;
    if open > 0 {
        return Err(Refusal::state(
            "OBJECTIONS_UNANSWERED",
            format!("尚有{open}项异议未答复，不能结束开标（O6，招标投标法实施条例第四十四条）。"),
            format!(
                "{open} objections have no answer; the session is not closed over them (O6, Regulation implementing the Tendering Law, art 44)."
            ),
        ));
    }
    let reason = "objections answered, window over".to_owned();
    Ok((vec![Event::of(&SessionClosed { reason })], said))
}

fn failures(record: &OpeningRecord) -> Vec<DecryptionFailure> {
    let lines = record
        .lots
        .iter()
        .flat_map(|lot| lot.lines.iter().map(move |line| (lot, line)));
    lines
        .filter_map(|(lot, line)| {
            let (cause, treatment) = match line.fault() {
                EnvelopeFault::Supplier => (FailureCause::Bidder, FailureTreatment::Revoked),
                EnvelopeFault::Store => (FailureCause::Other, FailureTreatment::Withdrawn),
                EnvelopeFault::None | EnvelopeFault::Unspecified => return None,
            };
            let bid = format!("{}/{}", lot.lot_id, line.bidder);
            Some(DecryptionFailure {
                bid,
                cause,
                treatment: Some(treatment),
            })
        })
        .collect()
}
