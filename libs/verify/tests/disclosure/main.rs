//! The verifier against whole tenders, played with the real decisions and published as a platform
//! would: what is right passes, and whatever is touched is found.

#[cfg(test)]
mod chronicle;
#[cfg(test)]
mod holders;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod play;
#[cfg(test)]
mod schemes;
#[cfg(test)]
mod touched;

use sunbid_verify::{Expectations, Outcome, verify};

use play::Play;

#[test]
fn an_opened_tender_verifies() {
    let play = Play::whole();
    let files = play.archive.publish();
    let report = verify(&files, &Expectations::default()).unwrap();
    assert_eq!(report.outcome, Outcome::Opened);
    assert_eq!(
        (report.holders.len(), report.threshold, report.pinned),
        (3, 2, false)
    );
    assert!(
        report.checks.iter().all(|check| check.count > 0),
        "{:#?}",
        report.checks
    );
    println!("{:#?}", report.checks);
}

#[test]
fn tenders_where_nothing_opens_verify_too() {
    for (play, outcome) in [
        (Play::failed(), Outcome::Failed),
        (Play::terminated(), Outcome::Terminated),
    ] {
        let expectations = Expectations {
            receipts: play.all_receipts.clone(),
            ..Expectations::default()
        };
        let report = verify(&play.archive.publish(), &expectations).unwrap();
        assert_eq!(report.outcome, outcome);
    }
}

/// Says how long a large tender takes; run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn how_long_a_thousand_bids_take() {
    let mut play = Play::announced(1000);
    for bidder in 0..1000 {
        play.submit(bidder, "01", &format!("{}", 2_000_000 + bidder));
    }
    let closed = play.closed();
    let begun = std::time::Instant::now();
    play.opened(&closed);
    let opening = begun.elapsed();
    let files = play.archive.publish();
    let begun = std::time::Instant::now();
    let report = verify(&files, &Expectations::default()).unwrap();
    let verifying = begun.elapsed();
    println!(
        "opening by three holders and the service, all on one machine: {opening:?}; verifying: {verifying:?}; {} bytes",
        files.values().map(Vec::len).sum::<usize>()
    );
    for check in report.checks {
        println!("{:>7} {}", check.count, check.en);
    }
}
