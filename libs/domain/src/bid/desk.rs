//! What may be done to a box and to a bid, decided: state and request in, event or refusal out.
//! Nothing here looks at a signature or an envelope; that was done before ([`super::envelope`]).

use sunbid_contracts::bid::v1::{
    Bid, BidSubmitted, BidWithdrawn, BiddingEnded, BiddingHeld, BiddingOpened, BiddingReleased,
    DeadlineMoved,
};
use sunbid_contracts::common::v1::LogHead;
use sunbid_contracts::tender::v1::Tender;
use sunbid_terms::{Instant, MICROS};

use super::tender_box::is_whole_second;
use super::{Fault, OwnBid, Shut, TenderBox};
use crate::{Refusal, refusal::FieldCheck};

/// Where a record will stand.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The time the record will carry.
    pub now: Instant,
    /// Its sequence number.
    pub seq: i64,
}

/// Opens bidding on a tender as announced; nothing if it is open already.
pub fn open(
    tender_box: &TenderBox,
    tender: Tender,
    notice_head: LogHead,
) -> Result<Option<BiddingOpened>, Refusal> {
    if !tender_box.tender.is_empty() {
        return Ok(None);
    }
    let deadline = tender
        .timetable
        .as_ref()
        .map_or(0, |timetable| timetable.bid_deadline_us);
    FieldCheck::new()
        .bytes(&tender.key_id, 32, "tender.key_id")
        .require(
            is_whole_second(deadline),
            "tender.timetable.bid_deadline_us",
            "投标截止时间应为整秒。",
            "must be a whole second.",
        )
        .require(
            !tender.lots.is_empty(),
            "tender.lots",
            "至少一个标段。",
            "needs at least one lot.",
        )
        .require(
            !tender.parts.is_empty(),
            "tender.parts",
            "至少一个部分。",
            "needs at least one part.",
        )
        .finish()?;
    Ok(Some(BiddingOpened {
        tender: Some(tender),
        notice_head: Some(notice_head),
    }))
}

/// Takes a checked bid that was sealed for `not_before` (whole seconds). The box's gate is open.
pub fn submit(
    tender_box: &TenderBox,
    own: &OwnBid,
    bid: Bid,
    not_before: u64,
    place: Place,
) -> Result<BidSubmitted, Fault> {
    if not_before != deadline_seconds(tender_box) {
        return Err(Fault::not_before(not_before, tender_box.deadline()));
    }
    let expected = own.last_revision() + 1;
    if bid.revision != expected {
        return Err(Fault::revision(bid.revision, expected));
    }
    Ok(BidSubmitted {
        bid: Some(Bid {
            accept_time_us: place.now.micros(),
            ..bid
        }),
        seq: place.seq,
    })
}

/// Takes back the live bid, whose bundle the supplier signed. The box's gate is open.
pub fn withdraw(
    own: &OwnBid,
    bundle: &[u8],
    proof: BidWithdrawn,
    place: Place,
) -> Result<BidWithdrawn, Refusal> {
    let Some(live) = own.live() else {
        return Err(nothing_to_withdraw());
    };
    if live.bundle != bundle {
        return Err(Refusal::Outdated {
            what: live.name.clone(),
        });
    }
    Ok(BidWithdrawn {
        bid: live.name.clone(),
        bundle: live.bundle.clone(),
        bidder: live.bidder.clone(),
        lot_id: live.lot_id.clone(),
        seq: place.seq,
        ..proof
    })
}

/// Moves the deadline later.
pub fn move_deadline(
    tender_box: &TenderBox,
    new_deadline_us: i64,
    cause: &str,
    now: Instant,
) -> Result<DeadlineMoved, Refusal> {
    tender_box
        .gate(now)
        .map_err(|shut| shut_for_orders(tender_box, shut))?;
    check_new_deadline(tender_box, new_deadline_us, now)?;
    FieldCheck::new().text(cause, 200, "cause").finish()?;
    Ok(DeadlineMoved {
        old_deadline_us: tender_box.deadline_us,
        new_deadline_us,
        cause: cause.to_owned(),
    })
}

/// Holds bidding: nothing is taken and nothing closes until it is released.
pub fn hold(tender_box: &TenderBox, reason: &str, now: Instant) -> Result<BiddingHeld, Refusal> {
    tender_box
        .gate(now)
        .map_err(|shut| shut_for_orders(tender_box, shut))?;
    FieldCheck::new().text(reason, 2000, "reason").finish()?;
    Ok(BiddingHeld {
        reason: reason.to_owned(),
    })
}

/// Releases bidding that is held, with the deadline it goes on to.
pub fn release(
    tender_box: &TenderBox,
    reason: &str,
    new_deadline_us: i64,
    now: Instant,
) -> Result<BiddingReleased, Refusal> {
    match tender_box.gate(now) {
        Err(Shut::Held) => {}
        Err(shut) => return Err(shut_for_orders(tender_box, shut)),
        Ok(()) => {
            return Err(Refusal::state(
                "BIDDING_NOT_HELD",
                "投标没有暂停，无需恢复。",
                "Bidding is not held; there is nothing to release.",
            ));
        }
    }
    check_new_deadline(tender_box, new_deadline_us, now)?;
    FieldCheck::new()
        .optional_text(reason, 2000, "reason")
        .finish()?;
    Ok(BiddingReleased {
        reason: reason.to_owned(),
        new_deadline_us,
    })
}

/// Ends bidding of a terminated tender; nothing if it has ended already.
pub fn end(
    tender_box: &TenderBox,
    reason: &str,
    now: Instant,
) -> Result<Option<BiddingEnded>, Refusal> {
    match tender_box.gate(now) {
        Ok(()) | Err(Shut::Held) => {}
        Err(Shut::Ended) => return Ok(None),
        Err(shut) => return Err(shut_for_orders(tender_box, shut)),
    }
    FieldCheck::new().text(reason, 2000, "reason").finish()?;
    Ok(Some(BiddingEnded {
        reason: reason.to_owned(),
    }))
}

/// The deadline as envelopes carry it.
pub fn deadline_seconds(tender_box: &TenderBox) -> u64 {
    u64::try_from(tender_box.deadline_us / MICROS).unwrap_or(0)
}

/// There is no live bid of the caller's.
pub fn nothing_to_withdraw() -> Refusal {
    Refusal::state(
        "NO_LIVE_BID",
        "该标段没有可撤回的投标。",
        "There is no bid for this lot that could be withdrawn.",
    )
}

/// The refusal of a supplier whom the box shuts out for another reason than lateness.
pub fn shut_for_suppliers(tender_box: &TenderBox, shut: Shut) -> Refusal {
    match shut {
        Shut::Held => Refusal::state(
            "BIDDING_HELD",
            "招标项目已暂停，暂停期间不接收、不撤回投标；恢复后截止时间顺延。",
            "The tender is suspended: no bid is taken or withdrawn until it is resumed with a later deadline.",
        ),
        other => shut_for_orders(tender_box, other),
    }
}

/// The refusal of an order that the box's state does not allow.
pub fn shut_for_orders(tender_box: &TenderBox, shut: Shut) -> Refusal {
    match shut {
        Shut::NotAnnounced => Refusal::NotFound {
            what: "tender".to_owned(),
        },
        Shut::Ended => Refusal::state(
            "BIDDING_ENDED",
            "招标项目已终止。",
            "The tender was terminated.",
        ),
        Shut::Held => Refusal::state(
            "BIDDING_HELD",
            "招标项目已暂停。",
            "The tender is suspended.",
        ),
        Shut::Closed | Shut::Due => {
            let deadline = tender_box.deadline();
            Refusal::state(
                "BIDDING_CLOSED",
                format!("投标已于{deadline}截止。"),
                format!("Bidding closed at {deadline}."),
            )
        }
    }
}

/// A deadline never moves forward: envelopes sealed for the old one may not be opened before it.
fn check_new_deadline(
    tender_box: &TenderBox,
    new_deadline_us: i64,
    now: Instant,
) -> Result<(), Refusal> {
    let old = tender_box.deadline();
    FieldCheck::new()
        .require(
            is_whole_second(new_deadline_us),
            "new_deadline_us",
            "新的投标截止时间应为整秒。",
            "must be a whole second.",
        )
        .require(
            new_deadline_us >= tender_box.deadline_us,
            "new_deadline_us",
            format!("新的投标截止时间不得早于原截止时间{old}。"),
            format!("must not be before the present deadline {old}."),
        )
        .require(
            new_deadline_us > now.micros(),
            "new_deadline_us",
            format!("新的投标截止时间须晚于现在（{now}）。"),
            format!("must be after the present moment, {now}."),
        )
        .finish()
}
