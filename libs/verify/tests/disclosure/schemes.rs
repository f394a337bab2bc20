//! Manipulations by a platform that signs everything again, with all witnesses in its pocket: the
//! logs are whole, and still what they say does not hold together.

use prost::Message;
use std::collections::BTreeMap;
use sunbid_certificates::trial::TrialAuthority;
use sunbid_contracts::bid::v1::{
    BidSubmitted, BiddingClosed, ClosingStatus, DeadlineMoved, Receipt,
};
use sunbid_contracts::notice::v1::TenderNoticePublished;
use sunbid_contracts::opening::v1::{
    ClosingSigned, OpeningRecordPublished, OpeningStarted, SharesAccepted, SharesRefused,
};
use sunbid_contracts::tender::v1::CeremonyMessagePosted;
use sunbid_domain::Event;
use sunbid_proofs::StreamId;
use sunbid_sealing::IdentityKey;
use sunbid_verify::{Culprit, Expectations, Fault, verify};

use crate::chronicle::{Chronicle, ORIGIN};
use crate::holders::sign_keys;
use crate::play::Play;

pub fn fault(play: &Play) -> Fault {
    verify(&play.archive.publish(), &Expectations::default()).unwrap_err()
}

/// Place of the n-th event of a type.
pub fn nth<M: Message + prost::Name + Default>(log: &Chronicle, n: usize) -> usize {
    let all = log
        .raws
        .iter()
        .enumerate()
        .filter(|(_, raw)| raw.event.is::<M>());
    all.map(|(place, _)| place).nth(n).unwrap()
}

pub fn change<M: Message + prost::Name + Default>(
    log: &mut Chronicle,
    n: usize,
    how: impl FnOnce(&mut M),
) {
    let place = nth::<M>(log, n);
    let mut message: M = log.raws[place].event.read().unwrap().unwrap();
    how(&mut message);
    log.raws[place].event = Event::of(&message);
}

/// Places of the bids of the first lot that are opened.
fn live_bids(log: &Chronicle) -> Vec<usize> {
    let closed = nth::<BiddingClosed>(log, 0);
    let said: BiddingClosed = log.raws[closed].event.read().unwrap().unwrap();
    let live = said
        .entries
        .iter()
        .filter(|e| e.status() == ClosingStatus::Live);
    let places: Vec<usize> = live.map(|e| e.seq as usize).collect();
    let lot = |place: usize| {
        let bid: BidSubmitted = log.raws[place].event.read().unwrap().unwrap();
        bid.bid.unwrap().lot_id
    };
    let first = lot(places[0]);
    places.into_iter().filter(|at| lot(*at) == first).collect()
}

/// Plays a tender, lets the platform do something, and expects the fault.
fn scheme(what: &str, codes: &[&str], how: impl FnOnce(&mut Play)) -> Fault {
    let mut play = Play::whole();
    how(&mut play);
    let fault = fault(&play);
    assert!(codes.contains(&fault.code), "{what}: {fault}");
    println!("{what}: {fault}");
    fault
}

#[test]
fn bids_cannot_be_moved_dropped_or_added() {
    scheme("two bids change places", &["BID_PLACE"], |play| {
        let log = play.log("bid");
        let (one, other) = (nth::<BidSubmitted>(log, 2), nth::<BidSubmitted>(log, 4));
        log.raws.swap(one, other);
        let (a, b) = (log.raws[one].at, log.raws[other].at);
        (log.raws[one].at, log.raws[other].at) = (b, a);
    });
    scheme(
        "a withheld bid is dropped from the closing list",
        &["WITHDRAWAL", "CLOSING"],
        |play| {
            change::<BiddingClosed>(play.log("bid"), 0, |closed| {
                closed
                    .entries
                    .retain(|entry| entry.status() != ClosingStatus::LotFailed);
            });
        },
    );
    scheme("a bid is dropped from log and list", &["CLOSING"], |play| {
        let log = play.log("bid");
        let place = nth::<BidSubmitted>(log, 5);
        log.raws.remove(place);
        change::<BiddingClosed>(log, 0, |closed| {
            closed.entries.retain(|e| e.seq != place as i64)
        });
        *play.archive.before.1.get_mut("bid").unwrap() -= 1;
    });
    scheme(
        "a bid is added after the closing",
        &["RECORD_AFTER_CLOSING"],
        |play| {
            let log = play.log("bid");
            let mut late = log.raws[nth::<BidSubmitted>(log, 4)].clone();
            late.at = log.raws.last().unwrap().at;
            log.raws.push(late);
        },
    );
    scheme("a live bid is called superseded", &["CLOSING"], |play| {
        change::<BiddingClosed>(play.log("bid"), 0, |closed| {
            let live = closed
                .entries
                .iter_mut()
                .find(|e| e.status() == ClosingStatus::Live)
                .unwrap();
            live.set_status(ClosingStatus::Superseded);
        });
    });
    scheme("two bidders share a stream", &["BID_STREAM"], |play| {
        let live = live_bids(play.log("bid"));
        let log = play.log("bid");
        log.raws[live[0]].stream = log.raws[live[1]].stream;
    });
    scheme(
        "a bidder's bid is shown in two streams",
        &["BID_STREAM"],
        |play| {
            let live = live_bids(play.log("bid"));
            let log = play.log("bid");
            let (one, other) = (live[0], live[1]);
            let first: BidSubmitted = log.raws[one].event.read().unwrap().unwrap();
            let mut second: BidSubmitted = log.raws[other].event.read().unwrap().unwrap();
            let bid = second.bid.as_mut().unwrap();
            bid.bidder = first.bid.unwrap().bidder;
            log.raws[other].event = Event::of(&second);
        },
    );
    scheme(
        "a superseded bid gets a stream of its own",
        &["CLOSING"],
        |play| {
            let log = play.log("bid");
            let closed = nth::<BiddingClosed>(log, 0);
            let said: BiddingClosed = log.raws[closed].event.read().unwrap().unwrap();
            let superseded = said
                .entries
                .iter()
                .find(|e| e.status() == ClosingStatus::Superseded);
            let place = superseded.unwrap().seq as usize;
            log.raws[place].stream = StreamId::of("bid/elsewhere");
        },
    );
    scheme("a late bid is taken", &["LATE"], |play| {
        let log = play.log("bid");
        let end = log.raws.last().unwrap().at;
        let place = log.raws.len() - 2;
        log.raws[place].at = end;
        play.archive.before.0 = end;
    });
}

#[test]
fn times_and_deadlines_cannot_be_changed() {
    scheme(
        "the notice is back-dated",
        &["NOTICE_TIME", "NOTICE"],
        |play| {
            let log = play.log("notice");
            log.raws[0].at = log.raws[0].at.plus_seconds(-10 * 86_400);
        },
    );
    scheme(
        "a bid is back-dated",
        &["BID_PLACE", "RECORD_TIME"],
        |play| {
            let log = play.log("bid");
            let place = nth::<BidSubmitted>(log, 1);
            log.raws[place].at = log.raws[place - 1].at;
        },
    );
    scheme(
        "the deadline is moved without a word",
        &["DEADLINE_UNPUBLISHED", "DEADLINE"],
        |play| {
            change::<DeadlineMoved>(play.log("bid"), 0, |moved| {
                moved.new_deadline_us += 3_600_000_000
            });
        },
    );
    scheme(
        "the deadline announced is another",
        &["NOTICE_DIFFERS"],
        |play| {
            change::<TenderNoticePublished>(play.log("notice"), 0, |published| {
                let announced = published
                    .notice
                    .as_mut()
                    .unwrap()
                    .announced
                    .as_mut()
                    .unwrap();
                announced.timetable.as_mut().unwrap().bid_deadline_us += 3_600_000_000;
            });
        },
    );
    scheme(
        "records lie after the epoch that saw them",
        &["RECORD_AFTER_EPOCH"],
        |play| {
            play.archive.after = play.archive.after.plus_seconds(-3600);
        },
    );
}

#[test]
fn what_was_opened_cannot_be_changed() {
    scheme(
        "a price is changed in the record",
        &["RECORD_DIFFERS"],
        |play| {
            change::<OpeningRecordPublished>(play.log("opening"), 0, |published| {
                let lot = &mut published.record.as_mut().unwrap().lots[0];
                lot.lines[1].values[0].value = "1".to_owned();
            });
        },
    );
    scheme(
        "a line is left out of the record",
        &["RECORD_DIFFERS"],
        |play| {
            change::<OpeningRecordPublished>(play.log("opening"), 0, |published| {
                published.record.as_mut().unwrap().lots[0].lines.pop();
            });
        },
    );
    let named = scheme("a share is changed", &["SHARES"], |play| {
        change::<SharesAccepted>(play.log("opening"), 1, |accepted| {
            let partial = &mut accepted.shares.as_mut().unwrap().partials[0];
            *partial.last_mut().unwrap() ^= 1;
        });
    });
    assert_eq!(named.culprit, Culprit::Holder(2));
    let named = scheme("a delivery is changed", &["SHARES"], |play| {
        change::<SharesAccepted>(play.log("opening"), 0, |accepted| {
            let delivery = &mut accepted.shares.as_mut().unwrap().deliveries[0];
            delivery[40] ^= 1;
        });
    });
    assert_eq!(named.culprit, Culprit::Holder(1));
    scheme("good shares are refused", &["SHARES_REFUSED"], |play| {
        let log = play.log("opening");
        let good: SharesAccepted = log.raws[nth::<SharesAccepted>(log, 1)]
            .event
            .read()
            .unwrap()
            .unwrap();
        change::<SharesRefused>(log, 0, |refused| refused.shares = good.shares);
    });
    scheme(
        "the sealed bytes are changed",
        &["RECORD_DIFFERS"],
        |play| {
            play.archive.envelopes.values_mut().next().unwrap()[9] ^= 1;
        },
    );
    scheme(
        "an opened bid's body is withheld",
        &["BODY_WITHHELD"],
        |play| {
            let log = play.log("bid");
            let place = nth::<BidSubmitted>(log, 1);
            log.raws[place].withheld = true;
        },
    );
    scheme("another closing is started from", &["SESSION"], |play| {
        change::<OpeningStarted>(play.log("opening"), 0, |started| {
            started.closing.as_mut().unwrap().closed_seconds -= 1;
        });
    });
}

#[test]
fn a_sham_of_holders_is_seen_however_whole_its_records() {
    let sham = |how: fn(&mut Play)| {
        let fault = fault(&Play::whole_with(how));
        assert_eq!(fault.code, "HOLDER_EVIDENCE", "{fault}");
        println!("{fault}");
        fault.en
    };
    // The platform made the keys itself, and an authority that would issue any certificate.
    let named = sham(|play| {
        let at = play.now;
        let own = TrialAuthority::new("Trial root", at, at.plus_seconds(900_000)).unwrap();
        let member = &mut play.members[1];
        member.evidence = sign_keys(&own, ORIGIN, &member.record, at);
    });
    assert!(named.contains("holder 2, 机构2"), "{named}");
    sham(|play| play.members[2].evidence = play.members[1].evidence.clone());
    sham(|play| play.members[0].record.display_name = "公证处".to_owned());
    sham(|play| play.members[0].evidence.signature.clear());
}

#[test]
fn holders_cannot_be_replaced_or_left_out() {
    scheme(
        "shares are given before t holders signed",
        &["SESSION", "SESSION_STATE"],
        |play| {
            let log = play.log("opening");
            let place = nth::<ClosingSigned>(log, 1);
            log.raws.drain(place..place + 2);
        },
    );
    scheme(
        "a signature on the closing is another's",
        &["CLOSING_SIGNATURE"],
        |play| {
            change::<ClosingSigned>(play.log("opening"), 0, |signed| {
                signed.signature.as_mut().unwrap().signature[3] ^= 1;
            });
        },
    );
    scheme(
        "a holder is replaced in the notice",
        &[
            "NOTICE_DIFFERS",
            "CHECKPOINT_WITNESSES",
            "COSIGNATURE_FORGED",
        ],
        |play| {
            change::<TenderNoticePublished>(play.log("notice"), 0, |published| {
                let announced = published
                    .notice
                    .as_mut()
                    .unwrap()
                    .announced
                    .as_mut()
                    .unwrap();
                announced.holders[0].identity_key =
                    IdentityKey::from_seed(&[99; 32]).unwrap().public().to_vec();
            });
        },
    );
    scheme(
        "a certificate of the ceremony is forged",
        &["NOTICE", "CEREMONY"],
        |play| {
            change::<CeremonyMessagePosted>(play.log("tender"), 9, |posted| {
                posted.message.as_mut().unwrap().signature[0] ^= 1;
            });
        },
    );
    scheme(
        "too few holders witness",
        &["CHECKPOINT_WITNESSES"],
        |play| play.archive.witnesses.truncate(1),
    );
    scheme(
        "one holder witnesses twice",
        &["CHECKPOINT_WITNESSES"],
        |play| {
            let one = play.archive.witnesses[0].clone();
            play.archive.witnesses = vec![one.clone(), one];
        },
    );
    scheme(
        "a cosignature is forged",
        &["COSIGNATURE_FORGED", "CHECKPOINT_WITNESSES"],
        |play| {
            play.archive.witnesses[0].1 = [98; 32];
            play.archive.witnesses.truncate(2);
        },
    );
}

#[test]
fn a_closing_needs_its_witnesses_even_where_nothing_opens() {
    let mut play = Play::failed();
    play.log("opening").raws.pop();
    assert_eq!(fault(&play).code, "SESSION");
    scheme("no epoch before the closing", &["CLOSING_EPOCHS"], |play| {
        play.archive.before.1.remove("bid");
    });
}

#[test]
fn receipts_bind_the_platform() {
    let play = Play::whole();
    let files = play.archive.publish();
    let with = |receipts: Vec<Receipt>| {
        verify(
            &files,
            &Expectations {
                receipts,
                ..Expectations::default()
            },
        )
    };
    // Of every act, withdrawn and superseded ones too.
    assert_eq!(play.all_receipts.len(), 7);
    with(play.all_receipts.clone()).unwrap();
    let first = play.all_receipts[0].clone();
    // A signed receipt whose record is nowhere: the platform dropped it.
    let dropped = with(vec![play.sign(Receipt {
        leaf: vec![7; 32],
        ..first.clone()
    })])
    .unwrap_err();
    assert_eq!(
        (dropped.code, dropped.culprit),
        ("RECEIPT_NOT_IN_LOG", Culprit::Platform)
    );
    for differs in [
        Receipt {
            revision: 2,
            ..first.clone()
        },
        Receipt {
            withdrawal: true,
            ..first.clone()
        },
        Receipt {
            bundle: vec![7; 32],
            ..first.clone()
        },
        Receipt {
            accept_time_us: 7,
            ..first.clone()
        },
    ] {
        let fault = with(vec![play.sign(differs.clone())]).unwrap_err();
        assert_eq!(
            (fault.code, fault.culprit),
            ("RECEIPT_DIFFERS", Culprit::Platform),
            "{differs:?}"
        );
        // Not signed by the platform: nobody's word.
        let fault = with(vec![differs]).unwrap_err();
        assert_eq!(
            (fault.code, fault.culprit),
            ("RECEIPT_FORGED", Culprit::Records)
        );
    }
    scheme(
        "a disclosed receipt is forged",
        &["RECEIPT_FORGED"],
        |play| {
            play.archive.receipts[0].signature[5] ^= 1;
        },
    );
    scheme("a disclosed receipt is left out", &["RECEIPTS"], |play| {
        play.archive.receipts.pop();
    });
}

#[test]
fn pinned_keys_must_be_the_ones() {
    let play = Play::whole();
    let files = play.archive.publish();
    let code = |n: usize| {
        play.members[n]
            .record
            .organization
            .strip_prefix("organizations/")
            .unwrap()
            .to_owned()
    };
    let holders: BTreeMap<String, [u8; 32]> = (0..3)
        .map(|n| (code(n), *play.members[n].identity.public()))
        .collect();
    let right = Expectations {
        anchors: Some(play.archive.anchors.clone()),
        holders: holders.clone(),
        receipts: Vec::new(),
    };
    assert!(verify(&files, &right).unwrap().pinned);
    let mut other = right.clone();
    other.anchors.as_mut().unwrap().receipt_key[0] ^= 1;
    assert_eq!(verify(&files, &other).unwrap_err().code, "ANCHORS");
    let mut other = right.clone();
    other.holders.get_mut(&code(1)).unwrap()[0] ^= 1;
    assert_eq!(verify(&files, &other).unwrap_err().code, "HOLDER_KEY");
    let mut fewer = right;
    fewer.holders.remove(&code(2));
    assert_eq!(verify(&files, &fewer).unwrap_err().code, "HOLDER_KEY");
}

#[test]
fn rules_are_asked_again() {
    scheme("a verdict is turned", &["VERDICTS"], |play| {
        let raw = &mut play.log("notice").raws[0];
        let verdict = raw.verdicts.iter_mut().find(|v| v.outcome == 1).unwrap();
        verdict.outcome = 3;
    });
    scheme("a verdict is left out", &["VERDICTS"], |play| {
        play.log("intent").raws[0].verdicts.pop();
    });
    scheme(
        "a breach is on record and was not refused",
        &["RULE_BREACHED"],
        |play| {
            let raw = &mut play.log("bid").raws[1];
            let verdict = raw.verdicts.iter_mut().find(|v| v.effect == 1).unwrap();
            verdict.outcome = 2;
            raw.withheld = false;
        },
    );
}
