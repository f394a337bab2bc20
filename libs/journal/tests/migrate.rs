//! Migrations are applied once, in order, and never silently over something else.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

#[macro_use]
mod common;

use common::Place;
use sunbid_journal::{Db, Migration, OpenError, ReadError};

const fn step(version: i64, sql: &'static str) -> Migration {
    Migration {
        version,
        name: "service",
        sql,
    }
}

const FIRST: Migration = step(1, "CREATE TABLE one (id BIGINT NOT NULL PRIMARY KEY);");
const SECOND: Migration = step(
    2,
    "ALTER TABLE one ADD COLUMN note TEXT; INSERT INTO one (id) VALUES (7)",
);

promises! {
    steps_are_applied_once,
    starting_together_is_harmless,
    a_changed_step_is_refused,
    newer_data_are_refused,
    a_failed_step_leaves_nothing,
}

async fn rows(db: &Db) -> usize {
    db.rows("SELECT id, note FROM one", &[])
        .await
        .unwrap()
        .len()
}

async fn steps_are_applied_once(place: Place) {
    place.db.migrate(&[FIRST]).await.unwrap();
    place.db.migrate(&[FIRST, SECOND]).await.unwrap();
    place.db.migrate(&[FIRST, SECOND]).await.unwrap();
    assert_eq!(rows(&place.db).await, 1);
}

async fn starting_together_is_harmless(place: Place) {
    let steps = [FIRST, SECOND];
    let (one, two, three) = tokio::join!(
        place.db.migrate(&steps),
        place.db.migrate(&steps),
        place.db.migrate(&steps)
    );
    one.unwrap();
    two.unwrap();
    three.unwrap();
    assert_eq!(rows(&place.db).await, 1);
}

async fn a_changed_step_is_refused(place: Place) {
    place.db.migrate(&[FIRST]).await.unwrap();
    let other = step(1, "CREATE TABLE one (id BIGINT)");
    let refused = place.db.migrate(&[other]).await;
    assert!(matches!(
        refused,
        Err(OpenError::MigrationChanged { version: 1, .. })
    ));
}

async fn newer_data_are_refused(place: Place) {
    place.db.migrate(&[FIRST, SECOND]).await.unwrap();
    let refused = place.db.migrate(&[FIRST]).await;
    assert!(matches!(
        refused,
        Err(OpenError::NewerData {
            found: 2,
            known: 1,
            ..
        })
    ));
}

async fn a_failed_step_leaves_nothing(place: Place) {
    let broken = step(
        1,
        "CREATE TABLE one (id BIGINT); CREATE TABLE two (id BIGINT,)",
    );
    let refused = place.db.migrate(&[broken]).await;
    assert!(matches!(
        refused,
        Err(OpenError::Database(ReadError::Statement(_)))
    ));
    place.db.migrate(&[FIRST]).await.unwrap();
}
