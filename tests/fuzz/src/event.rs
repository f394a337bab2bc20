//! Events as the journal keeps them, folded: whatever bytes were recorded, a state follows or the record
//! is named as unreadable.

use prost::{Message, Name};
use sunbid_contracts::{
    audit::v1 as audit_v1, bid::v1 as bid_v1, deposit::v1 as deposit_v1, notice::v1 as notice_v1,
    opening::v1 as opening_v1, registry::v1 as registry_v1, tender::v1 as tender_v1,
};
use sunbid_domain::{
    Aggregate, Event,
    bid::{Intake, OwnBid, TenderBox, intake::Gap},
    deposit::{DepositAccount, Terms},
    notice::{Board, IntentState, Questions},
    opening::{LoggedEvent, SessionState, closing},
    registry::{OrganizationState, SubjectState},
    tender::Dossier,
};
use sunbid_terms::Instant;

use crate::chosen;

/// An event of a kind, from its bytes.
type Row = fn(&[u8]) -> Event;

/// Every event. An input chooses among them by number; new ones are put at the end, so that inputs
/// keep their meaning.
pub const EVENTS: &[Row] = &[
    row::<audit_v1::LogFaultFound>,
    row::<bid_v1::BiddingOpened>,
    row::<bid_v1::BidSubmitted>,
    row::<bid_v1::BidWithdrawn>,
    row::<bid_v1::DeadlineMoved>,
    row::<bid_v1::BiddingHeld>,
    row::<bid_v1::BiddingReleased>,
    row::<bid_v1::BiddingClosed>,
    row::<bid_v1::BiddingEnded>,
    row::<deposit_v1::TermsSet>,
    row::<deposit_v1::TermsMoved>,
    row::<deposit_v1::TermsClosed>,
    row::<deposit_v1::TermsEnded>,
    row::<deposit_v1::DepositOpened>,
    row::<deposit_v1::CreditReceived>,
    row::<deposit_v1::DepositLocked>,
    row::<deposit_v1::RefundDue>,
    row::<deposit_v1::RefundSent>,
    row::<deposit_v1::RefundConfirmed>,
    row::<deposit_v1::RefundRejected>,
    row::<deposit_v1::BankMessageRefused>,
    row::<notice_v1::IntentPublished>,
    row::<notice_v1::TenderNoticePublished>,
    row::<notice_v1::ClarificationPublished>,
    row::<notice_v1::QuestionAsked>,
    row::<notice_v1::QuestionAnswered>,
    row::<notice_v1::FollowUpPublished>,
    row::<opening_v1::SessionScheduled>,
    row::<opening_v1::SessionMoved>,
    row::<opening_v1::CheckedIn>,
    row::<opening_v1::OpeningStarted>,
    row::<opening_v1::ClosingSigned>,
    row::<opening_v1::SharesAccepted>,
    row::<opening_v1::SharesRefused>,
    row::<opening_v1::RescuePublished>,
    row::<opening_v1::OpeningRecordPublished>,
    row::<opening_v1::ObjectionRaised>,
    row::<opening_v1::ObjectionAnswered>,
    row::<opening_v1::RecordConfirmed>,
    row::<opening_v1::SessionClosed>,
    row::<opening_v1::SessionTerminated>,
    row::<registry_v1::OrganizationRegistered>,
    row::<registry_v1::OrganizationApproved>,
    row::<registry_v1::OrganizationSuspended>,
    row::<registry_v1::OrganizationReinstated>,
    row::<registry_v1::SubjectAdded>,
    row::<registry_v1::SubjectRevoked>,
    row::<registry_v1::SignedIn>,
    row::<registry_v1::SignedOut>,
    row::<tender_v1::TenderCreated>,
    row::<tender_v1::TenderUpdated>,
    row::<tender_v1::DocumentAdded>,
    row::<tender_v1::TenderReviewed>,
    row::<tender_v1::CeremonyStarted>,
    row::<tender_v1::CeremonyMessagePosted>,
    row::<tender_v1::RehearsalSealed>,
    row::<tender_v1::CeremonyFailed>,
    row::<tender_v1::TenderKeyEstablished>,
    row::<tender_v1::TenderAnnounced>,
    row::<tender_v1::TimetableChanged>,
    row::<tender_v1::TenderSuspended>,
    row::<tender_v1::TenderResumed>,
    row::<tender_v1::TenderTerminated>,
    row::<tender_v1::TenderClosed>,
    row::<tender_v1::TenderOpened>,
    row::<audit_v1::LossDeclared>,
    row::<bid_v1::DeadlineMovedByOutage>,
    row::<bid_v1::IntakeBegan>,
    row::<bid_v1::MaintenanceAnnounced>,
    row::<bid_v1::OutageRecorded>,
    row::<registry_v1::IdentityLinked>,
    row::<registry_v1::PasskeyAdded>,
    row::<registry_v1::PasswordSet>,
    row::<registry_v1::PersonEnrolled>,
    row::<registry_v1::PersonReset>,
    row::<registry_v1::SessionEnded>,
    row::<registry_v1::SessionRefreshed>,
    row::<registry_v1::SessionsEnded>,
    row::<registry_v1::SignInFailed>,
];

fn row<M: Message + Name>(bytes: &[u8]) -> Event {
    Event {
        name: M::full_name(),
        bytes: bytes.to_vec(),
    }
}

pub fn run(bytes: &[u8]) {
    chosen(
        bytes,
        &[
            organization,
            subject,
            tender,
            intent,
            board,
            questions,
            terms,
            deposit,
            tender_box,
            own_bid,
            session,
            closed,
            intake,
        ],
    );
}

/// Events one after the other: the kind in a byte, the length of its bytes in two.
fn events(bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut rest = bytes;
    while let Some(([kind, high, low], tail)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (bytes, tail) = tail.split_at(length);
        if let Some(row) = EVENTS.get(usize::from(*kind)) {
            events.push(row(bytes));
        }
        rest = tail;
    }
    events
}

fn at(place: usize) -> Instant {
    Instant::from_micros(1_800_000_000_000_000 + 1_000_000 * place as i64)
}

/// The state after all events, or after those before the first that cannot be read.
fn folded<A: Aggregate + PartialEq>(bytes: &[u8]) -> A {
    let mut state = A::default();
    for (place, event) in events(bytes).iter().enumerate() {
        let before = state.clone();
        if state.evolve(event, at(place)).is_err() {
            state = before;
            break;
        }
    }
    let snapshot = state.encode_to_vec();
    let loaded = A::load(Some(&snapshot)).expect("a snapshot can be read");
    assert!(
        loaded.encode_to_vec() == snapshot,
        "a snapshot is another state"
    );
    state
}

fn organization(bytes: &[u8]) {
    let state: OrganizationState = folded(bytes);
    let _ = (state.active(), state.known(), state.approve());
}

fn subject(bytes: &[u8]) {
    let state: SubjectState = folded(bytes);
    let _ = state.known();
    let _ = state.sign_in([1; 16], at(1000));
}

fn tender(bytes: &[u8]) {
    let state: Dossier = folded(bytes);
    let _ = (state.state(), state.is_public());
    if let Some(ceremony) = &state.ceremony {
        let _ = sunbid_domain::tender::ceremony::terms(ceremony);
    }
}

fn intent(bytes: &[u8]) {
    let _: IntentState = folded(bytes);
}

fn board(bytes: &[u8]) {
    let state: Board = folded(bytes);
    let _ = (state.deadline(), state.bidding(at(1000)).is_ok());
}

fn questions(bytes: &[u8]) {
    let _: Questions = folded(bytes);
}

fn terms(bytes: &[u8]) {
    let state: Terms = folded(bytes);
    let _ = (
        state.is_public(),
        state.takes_deposits(at(1000)),
        state.due("01"),
    );
}

fn deposit(bytes: &[u8]) {
    let state: DepositAccount = folded(bytes);
    let _ = (state.kept(), state.balance("bank"));
}

fn tender_box(bytes: &[u8]) {
    let state: TenderBox = folded(bytes);
    let _ = sunbid_domain::bid::closing(&state, &[]);
}

fn own_bid(bytes: &[u8]) {
    let state: OwnBid = folded(bytes);
    let _ = state.live();
}

fn session(bytes: &[u8]) {
    let state: SessionState = folded(bytes);
    let _ = state.seen(at(1000));
    let _ = (state.is_stalled(at(1000)), state.holder_faults(at(1000)));
}

fn intake(bytes: &[u8]) {
    let state: Intake = folded(bytes);
    let gap = Gap {
        from: at(1),
        until: at(1000),
        steady_us: 0,
        clock_moved_us: 0,
    };
    let _ = sunbid_domain::bid::intake::record(&state, &gap, "", 1);
}

/// A tender's whole bid log, as it is closed.
fn closed(bytes: &[u8]) {
    let logged: Vec<LoggedEvent> = events(bytes)
        .into_iter()
        .zip(0_u64..)
        .map(|(event, seq)| LoggedEvent {
            seq,
            at: at(seq as usize),
            event,
        })
        .collect();
    let tender = "tenders/00000000-0000-4000-8000-000000000000";
    let head = Default::default();
    if let Ok(closed) = closing::fold(tender, "platform.example", &logged, &head) {
        let _ = (closed.close(), closed.message(), closed.opens());
    }
}
