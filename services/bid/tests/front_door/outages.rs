//! Outages: a deadline that passed while the service was away moves before anything else happens, and
//! what the service itself could take is measured, not what its clock says.

use sunbid_contracts::bid::v1::{
    AnnounceMaintenanceRequest, DeadlineMovedByOutage, HoldBiddingRequest, IntakeEntry,
    ListOutagesRequest, Outage,
};
use sunbid_contracts::registry::v1::Role;
use sunbid_journal::LogId;
use sunbid_terms::Instant;
use tonic::{Code, Status};

use crate::house::{House, deadline, request_id, rules, with};
use crate::supplier::Plan;

const HOUR: i64 = 3600;

/// Stops the service at one moment and starts it at another.
async fn out(house: &mut House, from: Instant, until: Instant) {
    house.clock.set(from);
    // The last proof is of that moment.
    house
        .until(async || proven_at(house).await == from.micros())
        .await;
    house.stop().await;
    house.clock.set(until);
    house.start().await;
}

pub async fn proven_at(house: &House) -> i64 {
    let db = house.journal.db();
    let rows = db
        .rows("SELECT at_us FROM intake_proof", &[])
        .await
        .unwrap();
    rows.first().map_or(0, |row| row.int(0).unwrap())
}

async fn moves(house: &House) -> Vec<DeadlineMovedByOutage> {
    let events = house.events().await;
    events.iter().filter_map(|e| e.read().unwrap()).collect()
}

async fn moved(house: &House) -> DeadlineMovedByOutage {
    house.until(async || !moves(house).await.is_empty()).await;
    let all = moves(house).await;
    assert_eq!(all.len(), 1);
    all.into_iter().next().unwrap()
}

async fn listed(house: &House) -> Vec<IntakeEntry> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListOutagesRequest {
            page_size: 1,
            page_token,
        };
        // Nobody has to sign in.
        let page = house.client().list_outages(request).await.unwrap();
        let page = page.into_inner();
        assert!(page.entries.len() <= 1);
        all.extend(page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

async fn outages(house: &House) -> Vec<Outage> {
    let all = listed(house).await;
    all.into_iter().filter_map(|entry| entry.outage).collect()
}

#[tokio::test]
async fn a_deadline_that_passed_in_an_outage_moves_and_closes_nothing() {
    let mut house = House::build().await;
    let [a, ..] = house.suppliers();
    a.bid(&house, 1).await.unwrap();
    // The deadline is a Monday at 09:00.
    let (from, until) = (deadline().plus_seconds(-600), deadline().plus_seconds(1800));
    out(&mut house, from, until).await;
    let moved = moved(&house).await;
    assert_eq!(moved.old_deadline_us, deadline().micros());
    let new = until.plus_seconds(2 * HOUR);
    assert_eq!(moved.new_deadline_us, new.micros());
    let outage = moved.outage.clone().unwrap();
    assert_eq!(
        (outage.from_us, outage.until_us),
        (from.micros(), until.micros())
    );
    assert_eq!(outages(&house).await, [outage]);
    assert!(!house.is_closed().await);

    // Who bid may replace it, and who did not may bid, sealed for the new deadline.
    let [_, b, c] = house.suppliers();
    let old = b.bid(&house, 1).await.unwrap_err();
    assert!(old.message().contains("(E2)"), "{old:?}");
    for supplier in [&b, &c] {
        let plan = Plan {
            not_before: new.seconds(),
            ..supplier.plan(&house, 1)
        };
        let taken = supplier.send(supplier.request(&plan, &plan.seal())).await;
        taken.unwrap();
    }
    house.clock.set(new);
    house.until(async || house.is_closed().await).await;
    let closed = house.closing_record().await;
    assert_eq!(closed.deadline_us, new.micros());
    assert!(closed.lots[0].opens, "{closed:?}");
    assert_eq!(closed.lots[0].bidders, 3);
}

#[tokio::test]
async fn the_first_to_see_the_deadline_pass_looks_whether_bids_could_be_taken() {
    let mut house = House::build().await;
    out(
        &mut house,
        deadline().plus_seconds(-600),
        deadline().plus_seconds(1800),
    )
    .await;
    // Without timers, at once: the bid itself has to bring the outage to light.
    house.tasks.abort_all();
    while house.tasks.join_next().await.is_some() {}
    let [a, ..] = house.suppliers();
    let early = a.bid(&house, 1).await.unwrap_err();
    assert!(early.message().contains("(E2)"), "{early:?}");
    assert!(!house.is_closed().await);
    moved(&house).await;
}

#[tokio::test]
async fn a_deadline_at_which_bids_could_be_taken_closes() {
    let mut house = House::build().await;
    // The last proof is of the very deadline, or the outage was over well before.
    out(&mut house, deadline(), deadline().plus_seconds(3 * HOUR)).await;
    house.until(async || house.is_closed().await).await;
    assert_eq!(moves(&house).await, []);
    assert_eq!(
        house.closing_record().await.deadline_us,
        deadline().micros()
    );
    let late = house.suppliers()[0].bid(&house, 1).await.unwrap_err();
    assert_eq!(rules(&late)[0], "B3");
}

#[tokio::test]
async fn deadlines_far_off_stay_and_short_silences_are_none() {
    let mut house = House::build().await;
    let day = deadline().plus_seconds(-24 * HOUR);
    out(&mut house, day, day.plus_seconds(10 * HOUR)).await;
    house.until(async || outages(&house).await.len() == 1).await;
    let late = deadline().plus_seconds(-30);
    out(&mut house, late, deadline()).await;
    house.until(async || house.is_closed().await).await;
    assert_eq!(outages(&house).await.len(), 1, "half a minute is no outage");
    assert_eq!(moves(&house).await, []);
}

#[tokio::test]
async fn a_clock_that_was_set_is_no_outage() {
    let house = House::build().await;
    house
        .until(async || proven_at(&house).await == house.clock_micros())
        .await;
    house.clock.set(deadline().plus_seconds(5 * HOUR));
    house.until(async || house.is_closed().await).await;
    assert_eq!(outages(&house).await, []);
    assert_eq!(moves(&house).await, []);
}

#[tokio::test]
async fn each_outage_moves_a_deadline_once_whatever_is_repeated() {
    let mut house = House::build().await;
    let (from, until) = (deadline().plus_seconds(-600), deadline().plus_seconds(1800));
    out(&mut house, from, until).await;
    let first = moved(&house).await;
    // As if the process had died before it noted that every tender was judged.
    let before = house.events().await.len();
    house.tasks.abort_all();
    while house.tasks.join_next().await.is_some() {}
    let forget = "UPDATE intake_outage SET settled = FALSE";
    house.journal.db().exec(forget, &[]).await.unwrap();
    house.stop().await;
    house.start().await;
    house
        .until(async || proven_at(&house).await == house.clock_micros())
        .await;
    house.suppliers()[0].bid(&house, 1).await.unwrap_err();
    assert_eq!(house.events().await.len(), before);

    // A second outage over the new deadline moves it again, from where it was.
    let new = Instant::from_micros(first.new_deadline_us);
    out(
        &mut house,
        new.plus_seconds(-60),
        new.plus_seconds(3 * HOUR),
    )
    .await;
    house.until(async || moves(&house).await.len() == 2).await;
    let second = moves(&house).await.pop().unwrap();
    assert_eq!(second.old_deadline_us, first.new_deadline_us);
    let day_later = new.plus_seconds(27 * HOUR);
    assert_eq!(second.new_deadline_us, day_later.micros());
}

#[tokio::test]
async fn a_held_tender_does_not_move() {
    let mut house = House::build().await;
    house.clock.set(deadline().plus_seconds(-HOUR));
    let order = |hold, new_deadline_us| HoldBiddingRequest {
        request_id: request_id(),
        tender: house.tender.name.clone(),
        hold,
        reason: "投诉处理".into(),
        new_deadline_us,
    };
    let (hold, new) = (order(true, 0), deadline().plus_seconds(48 * HOUR));
    let release = order(false, new.micros());
    let mut client = house.client();
    client
        .hold_bidding(house.from("tender", hold))
        .await
        .unwrap();
    out(
        &mut house,
        deadline().plus_seconds(-600),
        deadline().plus_seconds(1800),
    )
    .await;
    house.until(async || outages(&house).await.len() == 1).await;
    let mut client = house.client();
    client
        .hold_bidding(house.from("tender", release))
        .await
        .unwrap();
    assert_eq!(moves(&house).await, []);
    house.clock.set(new);
    house.until(async || house.is_closed().await).await;
    assert_eq!(house.closing_record().await.deadline_us, new.micros());
}

async fn announce(house: &House, role: Role, from: Instant, until: Instant) -> Result<i64, Status> {
    let request = AnnounceMaintenanceRequest {
        request_id: request_id(),
        from_us: from.micros(),
        until_us: until.micros(),
        reason: "升级数据库".into(),
    };
    let token = house.token("organizations/12000000MB00000043", role);
    let mut client = house.client();
    let answer = client.announce_maintenance(with(&token, request)).await?;
    Ok(answer.into_inner().maintenance.unwrap().seq)
}

#[tokio::test]
async fn announced_maintenance_is_public_and_judged_by_its_own_rule() {
    let mut house = House::build().await;
    house
        .until(async || proven_at(&house).await == house.clock_micros())
        .await;
    let (from, until) = (
        deadline().plus_seconds(-2 * HOUR),
        deadline().plus_seconds(2 * HOUR),
    );
    let refused = announce(&house, Role::Purchaser, from, until).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    let refused = announce(&house, Role::Administrator, until, from).await;
    assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    let seq = announce(&house, Role::Administrator, from, until)
        .await
        .unwrap();
    assert_eq!(seq, 1);
    let shown = listed(&house).await;
    assert_eq!(shown[0].maintenance.as_ref().unwrap().reason, "升级数据库");

    // Three hours and a half: a long outage, had it not been announced.
    let recovery = until.plus_seconds(-1800);
    out(&mut house, from, recovery).await;
    let moved = moved(&house).await;
    assert!(moved.outage.unwrap().maintenance.is_some());
    assert_eq!(
        moved.new_deadline_us,
        recovery.plus_seconds(2 * HOUR).micros()
    );
}

#[tokio::test]
async fn a_payload_store_that_cannot_be_written_is_an_outage() {
    let house = House::build().await;
    let before = deadline().plus_seconds(-600);
    house.clock.set(before);
    house
        .until(async || proven_at(&house).await == before.micros())
        .await;
    // No file can be made where there is no folder.
    let away = house.data.with_file_name("away");
    std::fs::rename(&house.data, &away).unwrap();
    house.clock.set(before.plus_seconds(40));
    let refused = house.suppliers()[0].bid(&house, 1).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert!(!house.is_closed().await);
    house.clock.set(deadline().plus_seconds(60));
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!house.is_closed().await, "nobody could bid at the deadline");
    std::fs::rename(&away, &house.data).unwrap();
    // Shorter than half a minute by the steady clock: it was not down for long.
    house.until(async || house.is_closed().await).await;
    let log = LogId::of("bid", "intake");
    assert_eq!(house.journal.head(log).await.unwrap().unwrap().size, 1);
}
