//! Messages in their one form: what is read must be written again byte for byte. Otherwise two
//! readers could see two things in the same bytes, or a byte could be changed unseen.

use prost::{Message, Name};
use sunbid_contracts::{
    bid::v1 as bid, notice::v1 as notice, opening::v1 as opening, tender::v1 as tender,
};
use sunbid_domain::Event;

use crate::fault::Fault;

/// The message in exactly these bytes.
pub(crate) fn decode<M: Message + Default>(bytes: &[u8]) -> Option<M> {
    M::decode(bytes)
        .ok()
        .filter(|message| message.encode_to_vec() == bytes)
}

/// A whole file.
pub(crate) fn file<M: Message + Default>(bytes: &[u8], path: &str) -> Result<M, Fault> {
    decode(bytes).ok_or_else(|| {
        Fault::records(
            "NOT_CANONICAL",
            path,
            "文件不是规范的编码。",
            "The file is not in its canonical encoding.",
        )
    })
}

/// Whether an event of a service's log is known here and in its canonical form; `None` where the
/// service has no such event.
pub(crate) fn event(service: &str, event: &Event) -> Option<bool> {
    fn check<M: Message + Name + Default>(event: &Event) -> Option<bool> {
        (event.name == M::full_name()).then(|| decode::<M>(&event.bytes).is_some())
    }
    let checks: &[fn(&Event) -> Option<bool>] = match service {
        "intent" => &[check::<notice::IntentPublished>],
        "notice" => &[
            check::<notice::TenderNoticePublished>,
            check::<notice::ClarificationPublished>,
            check::<notice::FollowUpPublished>,
        ],
        "tender" => &[
            check::<tender::TenderCreated>,
            check::<tender::TenderUpdated>,
            check::<tender::DocumentAdded>,
            check::<tender::TenderReviewed>,
            check::<tender::CeremonyStarted>,
            check::<tender::CeremonyMessagePosted>,
            check::<tender::RehearsalSealed>,
            check::<tender::CeremonyFailed>,
            check::<tender::TenderKeyEstablished>,
            check::<tender::TenderAnnounced>,
            check::<tender::TimetableChanged>,
            check::<tender::TenderSuspended>,
            check::<tender::TenderResumed>,
            check::<tender::TenderTerminated>,
            check::<tender::TenderClosed>,
            check::<tender::TenderOpened>,
        ],
        "bid" => &[
            check::<bid::BiddingOpened>,
            check::<bid::BidSubmitted>,
            check::<bid::BidWithdrawn>,
            check::<bid::DeadlineMoved>,
            check::<bid::DeadlineMovedByOutage>,
            check::<bid::BiddingHeld>,
            check::<bid::BiddingReleased>,
            check::<bid::BiddingClosed>,
            check::<bid::BiddingEnded>,
        ],
        "intake" => &[
            check::<bid::IntakeBegan>,
            check::<bid::OutageRecorded>,
            check::<bid::MaintenanceAnnounced>,
        ],
        "opening" => &[
            check::<opening::SessionScheduled>,
            check::<opening::SessionMoved>,
            check::<opening::CheckedIn>,
            check::<opening::OpeningStarted>,
            check::<opening::ClosingSigned>,
            check::<opening::SharesAccepted>,
            check::<opening::SharesRefused>,
            check::<opening::RescuePublished>,
            check::<opening::OpeningRecordPublished>,
            check::<opening::ObjectionRaised>,
            check::<opening::ObjectionAnswered>,
            check::<opening::RecordConfirmed>,
            check::<opening::SessionClosed>,
            check::<opening::SessionTerminated>,
        ],
        _ => &[],
    };
    checks.iter().find_map(|check| check(event))
}
