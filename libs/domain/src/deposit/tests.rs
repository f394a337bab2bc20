//! Whatever comes in whatever order: the books balance, no fen appears or vanishes, and nothing is
//! paid back twice.

use proptest::prelude::*;
use sunbid_contracts::{
    common::v1::{LogHead, Track},
    deposit::v1::{
        Deposit, DepositOpened, DepositState, LiveBid, LotTerms, RefundCause, RefundDue,
        TermsClosed, TermsEnded, TermsSet,
    },
};
use sunbid_rules::Engine;
use sunbid_terms::{CreditCode, Fen, Instant};

use super::*;
use crate::{Aggregate, Event};

const DUE: i64 = 10_000;
const DEADLINE: i64 = 1_772_413_200; // 2026-03-02 09:00 China
const NUMBER: &str = "12345678901234567894";
const NAME: &str = "tenders/t/lots/01/deposits/d";
const SUPPLIER: &str = "organizations/91110108551385082Q";

fn at(seconds: i64) -> Instant {
    Instant::from_seconds(DEADLINE + seconds)
}

fn rules() -> Engine {
    Engine::new().unwrap()
}

fn bidder() -> Bidder {
    Bidder {
        code: CreditCode::parse("91110108551385082Q").unwrap(),
        name: "甲公司（集团）".into(),
        basic_account: "62220001".into(),
    }
}

fn terms() -> Terms {
    let set = TermsSet {
        tender: "tenders/t".into(),
        track: Track::GovernmentProcurement as i32,
        lots: vec![LotTerms {
            lot_id: "01".into(),
            due_fen: DUE,
        }],
        deadline_us: at(0).micros(),
        ..TermsSet::default()
    };
    let mut terms = Terms::default();
    terms.evolve(&Event::of(&set), at(-1000)).unwrap();
    terms
}

fn closed(live: bool, failed: bool) -> TermsClosed {
    let bid = LiveBid {
        lot_id: "01".into(),
        supplier: SUPPLIER.into(),
    };
    TermsClosed {
        live: if live { vec![bid] } else { Vec::new() },
        failed_lots: if failed {
            vec!["01".into()]
        } else {
            Vec::new()
        },
        cause: Some(LogHead::default()),
    }
}

/// The account with its terms and everything that happened, so that it can be told again.
struct Books {
    account: DepositAccount,
    terms: Terms,
    events: Vec<Event>,
    engine: Engine,
    seeds: u8,
}

impl Books {
    fn open() -> Self {
        let deposit = Deposit {
            name: NAME.into(),
            tender: "tenders/t".into(),
            lot_id: "01".into(),
            supplier: SUPPLIER.into(),
            virtual_account: NUMBER.into(),
            due_fen: DUE,
            state: DepositState::Required as i32,
            ..Deposit::default()
        };
        let mut books = Self {
            account: DepositAccount::default(),
            terms: terms(),
            events: Vec::new(),
            engine: rules(),
            seeds: 0,
        };
        books.happen(vec![Event::of(&DepositOpened {
            deposit: Some(deposit),
        })]);
        books
    }

    fn happen(&mut self, events: Vec<Event>) {
        for event in events {
            self.account.evolve(&event, at(0)).unwrap();
            self.events.push(event);
        }
    }

    fn seed(&mut self) -> PaymentSeed {
        self.seeds += 1;
        PaymentSeed::new([self.seeds; 32])
    }

    fn credit(&mut self, reference: &str, payer: (&str, &str), fen: i64, booked: i64) -> bool {
        let credit = Credit {
            bank_reference: reference.into(),
            virtual_account: NUMBER.into(),
            amount: Fen::new(fen),
            payer_name: payer.0.into(),
            payer_account: payer.1.into(),
            booked_at: at(booked),
        };
        let seed = self.seed();
        let received = receive(
            &self.account,
            &self.terms,
            &bidder(),
            &credit,
            &self.engine,
            at(booked),
            &seed,
        )
        .unwrap();
        let new = !received.events.is_empty();
        self.happen(received.events);
        new
    }

    fn settle(&mut self) {
        let seed = self.seed();
        let events = settle(&self.account, &self.terms, at(1), &self.engine, &seed).unwrap();
        self.happen(events);
    }

    fn release(&mut self, cause: RefundCause) {
        let seed = self.seed();
        let events = release(
            &self.account,
            &self.terms,
            cause,
            at(-5),
            &self.engine,
            &seed,
        );
        self.happen(events.unwrap());
    }

    fn pay_back(&mut self, payment_id: &str) {
        let sent = send(&self.account, payment_id);
        self.happen(sent.into_iter().collect());
        let confirmed = confirm(&self.account, NUMBER, payment_id);
        self.happen(confirmed.into_iter().collect());
    }

    fn payment_ids(&self) -> Vec<String> {
        self.account
            .refunds
            .iter()
            .map(|refund| refund.payment_id.clone())
            .collect()
    }

    fn deposit(&self) -> &Deposit {
        self.account.deposit.as_ref().unwrap()
    }
}

const OWN: (&str, &str) = ("甲公司(集团)", "62220001");
const OWN_OTHER: (&str, &str) = ("甲公司（集团）", "62220002");
const STRANGER: (&str, &str) = ("乙公司", "62229999");

#[test]
fn parts_add_up_and_the_excess_goes_back() {
    let mut books = Books::open();
    books.credit("B1", OWN, 4_000, -100);
    assert_eq!(books.deposit().state(), DepositState::Unmatched);
    assert!(
        books.deposit().note_zh.contains("60.00"),
        "{}",
        books.deposit().note_zh
    );
    assert!(
        !books.credit("B1", OWN, 4_000, -100),
        "a repeat is nothing new"
    );
    books.credit("B2", OWN_OTHER, 6_500, -90);
    assert_eq!(books.deposit().state(), DepositState::Valid);
    assert_eq!(
        (books.deposit().received_fen, books.account.refunds.len()),
        (DUE, 1)
    );
    assert_eq!(books.account.refunds[0].amount_fen, 500);
    assert_eq!(books.account.refunds[0].creditor_account, OWN_OTHER.1);
    books.release(RefundCause::Withdrawn);
    assert_eq!(books.deposit().state(), DepositState::ReturnDue);
    let back: Vec<_> = books
        .account
        .refunds
        .iter()
        .map(|r| (r.creditor_account.as_str(), r.amount_fen))
        .collect();
    assert_eq!(
        back,
        [("62220002", 500), ("62220001", 4_000), ("62220002", 6_000)]
    );
    for id in books.payment_ids() {
        books.pay_back(&id);
    }
    assert_eq!(books.deposit().state(), DepositState::Returned);
    assert_eq!(books.deposit().refunded_fen, 10_500);
    // Bidding again needs paying again, into the same account.
    books.credit("B3", OWN, DUE, -10);
    assert_eq!(books.deposit().state(), DepositState::Valid);
}

#[test]
fn money_of_others_and_money_too_late_goes_back_to_where_it_came_from() {
    for (payer, booked) in [(STRANGER, -10), (OWN, 0), (OWN, 5)] {
        let mut books = Books::open();
        books.credit("B1", payer, DUE, booked);
        assert_eq!(books.deposit().state(), DepositState::Unmatched);
        assert_eq!(books.deposit().received_fen, 0);
        assert!(!books.deposit().note_en.is_empty());
        let refund = &books.account.refunds[0];
        assert_eq!(refund.creditor_account, payer.1);
        assert_eq!(
            (refund.amount_fen, refund.cause()),
            (DUE, RefundCause::Unmatched)
        );
        let id = refund.payment_id.clone();
        books.pay_back(&id);
        assert_eq!(books.deposit().state(), DepositState::Required);
    }
}

#[test]
fn the_deadline_locks_what_stands_and_releases_the_rest() {
    for (live, failed, state, cause) in [
        (true, false, DepositState::Locked, RefundCause::Unspecified),
        (false, false, DepositState::ReturnDue, RefundCause::NoBid),
        (true, true, DepositState::ReturnDue, RefundCause::Failed),
    ] {
        let mut books = Books::open();
        books.credit("B1", OWN, DUE, -10);
        books
            .terms
            .evolve(&Event::of(&closed(live, failed)), at(0))
            .unwrap();
        books.settle();
        books.settle();
        assert_eq!(books.deposit().state(), state);
        assert_eq!(books.deposit().refund_cause(), cause);
    }
    // A credit booked in time but told after the deadline still counts if it makes the deposit whole.
    let mut books = Books::open();
    books
        .terms
        .evolve(&Event::of(&closed(true, false)), at(0))
        .unwrap();
    books.settle();
    books.credit("B1", OWN, DUE - 1, -10);
    assert_eq!(books.deposit().received_fen, 0);
    books.credit("B2", OWN, DUE, -10);
    assert_eq!(books.deposit().state(), DepositState::Locked);
    // Termination releases even what is locked.
    books
        .terms
        .evolve(&Event::of(&TermsEnded::default()), at(5))
        .unwrap();
    books.settle();
    assert_eq!(books.deposit().refund_cause(), RefundCause::Terminated);
    assert_eq!(books.deposit().received_fen, 0);
}

#[test]
fn events_that_would_make_or_lose_money_cannot_follow() {
    let mut books = Books::open();
    books.credit("B1", OWN, DUE, -10);
    books.release(RefundCause::Withdrawn);
    let due: RefundDue = books
        .events
        .iter()
        .find_map(|event| event.read::<RefundDue>().unwrap())
        .unwrap();
    let refused = |change: fn(&mut RefundDue)| {
        let mut due = due.clone();
        due.payment_id = "other".into();
        change(&mut due);
        books
            .account
            .clone()
            .evolve(&Event::of(&due), at(0))
            .is_err()
    };
    assert!(refused(|_| {}), "what went back cannot go back again");
    assert!(refused(|due| due.lines[0].amount_fen += 1));
    assert!(refused(|due| due.lines.clear()));
    let id = books.payment_ids().remove(0);
    books.pay_back(&id);
    let again = books.events.last().unwrap().clone();
    assert!(
        books.account.clone().evolve(&again, at(0)).is_err(),
        "a refund is paid once"
    );
    assert_eq!(confirm(&books.account, NUMBER, &id), None);
    assert_eq!(send(&books.account, &id), None);
    assert_eq!(reject(&books.account, &id, "AC04", at(0)), None);
}

#[test]
fn a_refused_refund_is_tried_again_ever_later() {
    let mut books = Books::open();
    books.credit("B1", STRANGER, 5, -10);
    let id = books.payment_ids().remove(0);
    books.happen(send(&books.account, &id).into_iter().collect());
    books.happen(
        reject(&books.account, &id, "AC04", at(0))
            .into_iter()
            .collect(),
    );
    assert_eq!(reject(&books.account, &id, "AC04", at(0)), None);
    assert_eq!(books.account.refunds[0].rejections, 1);
    assert_eq!(next_try(0, at(0)), at(60));
    assert_eq!(next_try(1, at(0)), at(120));
    assert_eq!(next_try(u32::MAX, at(0)), at(6 * 3600));
    books.pay_back(&id);
    assert_eq!(books.account.balance(BANK), Fen::ZERO);
}

#[test]
fn only_a_whole_deposit_passes_the_check() {
    let mut books = Books::open();
    let code = bidder().code;
    let valid = |books: &Books, account: Option<&DepositAccount>| {
        check(&books.engine, &books.terms, "01", &code, account, at(-1))
            .unwrap()
            .valid
    };
    assert!(!valid(&books, None));
    assert!(!valid(&books, Some(&books.account)));
    books.credit("B1", OWN, DUE - 1, -10);
    assert!(!valid(&books, Some(&books.account)));
    books.credit("B2", OWN, 1, -9);
    assert!(valid(&books, Some(&books.account)));
    assert!(check(&books.engine, &books.terms, "02", &code, None, at(-1)).is_err());
    books.release(RefundCause::Withdrawn);
    assert!(!valid(&books, Some(&books.account)));
}

/// One thing that may happen.
#[derive(Clone, Debug)]
enum Act {
    Credit {
        reference: u8,
        payer: usize,
        fen: i64,
        booked: i64,
    },
    Close {
        live: bool,
        failed: bool,
    },
    End,
    Withdraw,
    Send(prop::sample::Index),
    Confirm(prop::sample::Index),
    Reject(prop::sample::Index),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0_u8..6, 0_usize..3, 1..2 * DUE, -50_i64..10)
            .prop_map(|(reference, payer, fen, booked)| Act::Credit { reference, payer, fen, booked }),
        1 => (0_u8..6, 0_usize..3).prop_map(|(reference, payer)| Act::Credit {
            reference, payer, fen: if payer == 0 { i64::MAX } else { 100_000_000_000_000 }, booked: -1,
        }),
        1 => any::<(bool, bool)>().prop_map(|(live, failed)| Act::Close { live, failed }),
        1 => Just(Act::End),
        1 => Just(Act::Withdraw),
        2 => any::<prop::sample::Index>().prop_map(Act::Send),
        3 => any::<prop::sample::Index>().prop_map(Act::Confirm),
        1 => any::<prop::sample::Index>().prop_map(Act::Reject),
    ]
}

proptest! {
    #[test]
    fn no_fen_appears_or_vanishes(acts in prop::collection::vec(act(), 0..40)) {
        let mut books = Books::open();
        let (mut came, mut paid) = (0_i128, 0_i128);
        let mut seen = std::collections::HashSet::new();
        for act in acts {
            let ids = books.payment_ids();
            let pick = |at: prop::sample::Index| ids.get(at.index(ids.len().max(1))).cloned();
            match act {
                Act::Credit { reference, payer, fen, booked } => {
                    // A credit beyond the largest is refused whole.
                    let payer = [OWN, OWN_OTHER, STRANGER][payer];
                    let credit = Credit {
                        bank_reference: format!("B{reference}"),
                        virtual_account: NUMBER.into(),
                        amount: Fen::new(fen),
                        payer_name: payer.0.into(),
                        payer_account: payer.1.into(),
                        booked_at: at(booked),
                    };
                    let seed = books.seed();
                    let received = receive(
                        &books.account, &books.terms, &bidder(), &credit, &books.engine,
                        at(booked), &seed,
                    );
                    if let Ok(received) = received {
                        let new = !received.events.is_empty();
                        prop_assert_eq!(new, seen.insert(reference));
                        came += if new { i128::from(fen) } else { 0 };
                        books.happen(received.events);
                    }
                }
                Act::Close { live, failed } => {
                    if books.terms.closed.is_none() {
                        books.terms.evolve(&Event::of(&closed(live, failed)), at(0)).unwrap();
                    }
                    books.settle();
                }
                Act::End => {
                    books.terms.evolve(&Event::of(&TermsEnded::default()), at(0)).unwrap();
                    books.settle();
                }
                Act::Withdraw => books.release(RefundCause::Withdrawn),
                Act::Send(at) => if let Some(id) = pick(at) {
                    let event = send(&books.account, &id);
                    books.happen(event.into_iter().collect());
                },
                Act::Reject(index) => if let Some(id) = pick(index) {
                    let event = reject(&books.account, &id, "AC04", at(0));
                    books.happen(event.into_iter().collect());
                },
                Act::Confirm(at) => {
                    let paid_now = pick(at).and_then(|id| confirm(&books.account, NUMBER, &id).map(|e| (id, e)));
                    if let Some((id, event)) = paid_now {
                        paid += i128::from(books.account.refund(&id).unwrap().amount_fen);
                        books.happen(vec![event]);
                    }
                }
            }
            let ledger: i128 =
                books.account.ledger.iter().map(|line| i128::from(line.amount_fen)).sum();
            prop_assert_eq!(ledger, 0);
            prop_assert_eq!(i128::from(books.account.balance(BANK).get()), came - paid);
            let owed: i128 = books.account.refunds.iter().map(|r| i128::from(r.amount_fen)).sum();
            prop_assert_eq!(i128::from(books.account.kept().get()) + owed, came);
            prop_assert!(books.account.kept().get() <= DUE);
            prop_assert_eq!(
                i128::from(books.deposit().refunded_fen), paid
            );
            prop_assert_eq!(books.deposit().state(), books.account.standing());
        }
        let mut told_again = DepositAccount::default();
        for event in &books.events {
            told_again.evolve(event, at(0)).unwrap();
        }
        prop_assert_eq!(told_again, books.account);
    }
}
