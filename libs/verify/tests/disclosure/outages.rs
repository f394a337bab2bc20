//! A tender whose deadline an outage moved: right it verifies, and every way to use an outage for more
//! than it was is found.

use sunbid_contracts::bid::v1::{DeadlineMovedByOutage, OutageRecorded};
use sunbid_contracts::notice::v1::FollowUpPublished;
use sunbid_verify::{Expectations, verify};

use crate::play::Play;
use crate::schemes::{change, fault, nth};

#[test]
fn a_deadline_that_an_outage_moved_verifies() {
    let play = Play::after_outage();
    let report = verify(&play.archive.publish(), &Expectations::default()).unwrap();
    let recomputed = report
        .checks
        .iter()
        .find(|check| check.en == "deadlines moved by outages, recomputed");
    assert_eq!(recomputed.unwrap().count, 1);
}

fn scheme(code: &str, how: impl FnOnce(&mut Play)) {
    let mut play = Play::after_outage();
    how(&mut play);
    let found = fault(&play);
    assert_eq!(found.code, code, "{found:?}");
}

#[test]
fn an_outage_is_not_used_for_more_than_it_was() {
    let hour = 3_600_000_000;
    // Nobody else was told of the outage.
    scheme("OUTAGE", |play| {
        play.archive.logs.remove("intake");
        play.archive.before.1.remove("intake");
    });
    // The intake log tells of another one.
    scheme("OUTAGE", |play| {
        change::<OutageRecorded>(play.log("intake"), 0, |recorded| {
            recorded.outage.as_mut().unwrap().from_us -= hour;
        });
    });
    // A deadline further than the rule leads to; in all other logs as well, it would not help.
    scheme("OUTAGE", |play| {
        change::<DeadlineMovedByOutage>(play.log("bid"), 0, |moved| moved.new_deadline_us += hour);
        change::<FollowUpPublished>(play.log("notice"), 0, |published| {
            published.notice.as_mut().unwrap().deadline_us += hour;
        });
    });
    // The notice says something else.
    scheme("NOTICE_DIFFERS", |play| {
        change::<FollowUpPublished>(play.log("notice"), 0, |published| {
            let notice = published.notice.as_mut().unwrap();
            notice.outage_extension.as_mut().unwrap().old_deadline_us -= hour;
        });
    });
    // There is no notice of it.
    scheme("DEADLINE_UNPUBLISHED", |play| {
        let place = nth::<FollowUpPublished>(play.log("notice"), 0);
        play.log("notice").raws.remove(place);
        let size = play.log("notice").raws.len();
        play.archive.before.1.insert("notice", size.min(2));
    });
    // The rules said nothing of it.
    scheme("VERDICTS", |play| {
        let place = nth::<DeadlineMovedByOutage>(play.log("bid"), 0);
        play.log("bid").raws[place].verdicts.clear();
    });
}

#[test]
fn a_bid_taken_in_an_outage_shows_that_it_was_none() {
    // The platform says that it was away since well before the last bid it took.
    let play = Play::with_outage(-40_000, true);
    assert_eq!(fault(&play).code, "OUTAGE_FALSE");
}

#[test]
fn a_deadline_that_passed_in_an_outage_was_to_move() {
    let play = Play::with_outage(-600, false);
    assert_eq!(fault(&play).code, "OUTAGE_OVERLOOKED");
}
