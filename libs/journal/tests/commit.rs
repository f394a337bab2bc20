//! What a commit promises, one promise to a test, on every engine at hand.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

#[macro_use]
mod common;

use common::{Place, command, deciding, event, log, stream};
use sunbid_journal::{
    Addition, CommitError, Many, Migration, NewEvent, Outcome, Reads, StreamState, Val, Write,
    cursor_write,
};
use sunbid_proofs::merkle::{inclusion_proof, root_of, verify_inclusion};
use sunbid_terms::Instant;

promises! {
    state_and_record_appear_together,
    the_same_command_has_its_effect_once,
    a_refusal_leaves_nothing_behind_unless_it_says_so,
    time_inside_a_log_never_goes_back,
    nothing_changes_without_a_record,
    a_deleted_state_keeps_the_count,
    a_decision_sees_what_it_reads_and_no_more,
    one_poisoned_command_fails_alone,
    rows_that_are_added_go_together_and_once,
    a_damaged_log_does_not_stop_the_others,
    a_consumer_sees_exactly_what_it_has_not_read,
    reading_is_bounded_and_goes_on_where_it_ended,
    a_stopped_journal_commits_what_waits_and_takes_no_more,
    a_dropped_caller_harms_nobody,
}

async fn checked(place: &Place) {
    let report = place.journal.check().await.unwrap();
    assert!(report.is_ok(), "{}: {:?}", place.engine, report.wrong);
}

async fn state_and_record_appear_together(place: Place) {
    let journal = &place.journal;
    place.clock.set(1_000);
    let done = journal
        .commit(command("a", 1, event(b"one")))
        .await
        .unwrap();
    assert_eq!(done.reply, 0_u64.to_be_bytes());
    assert!(!done.replayed);
    place.clock.set(2_000);
    journal
        .commit(command("a", 2, event(b"two")))
        .await
        .unwrap();
    let entries = journal.read(log("a"), 0, 10).await.unwrap();
    let bodies: Vec<_> = entries.iter().map(|entry| entry.body().unwrap()).collect();
    assert_eq!(bodies, [b"one", b"two"]);
    assert_eq!(entries[0].reference(log("a")), done.entries[0]);
    assert_eq!((entries[1].seq, entries[1].version), (1, 2));
    let state = journal.state(log("a"), stream("main")).await.unwrap();
    let body = b"two".to_vec();
    assert_eq!(state, Some(StreamState { version: 2, body }));
    let head = journal.head(log("a")).await.unwrap().unwrap();
    assert_eq!(
        (head.size, head.scope.as_str(), head.closed),
        (2, "a", false)
    );
    assert_eq!(head.last, Instant::from_micros(2_000));
    let leaves = journal.leaves(log("a"), 2).await.unwrap();
    assert_eq!(head.root, root_of(&leaves));
    let proof = inclusion_proof(&leaves, 1).unwrap();
    assert!(verify_inclusion(&entries[1].leaf, 1, 2, &proof, &head.root));
    assert_eq!(journal.head(log("b")).await.unwrap(), None);
    checked(&place).await;
}

async fn the_same_command_has_its_effect_once(place: Place) {
    let journal = &place.journal;
    let twice = tokio::join!(
        journal.commit(command("a", 1, event(b"x"))),
        journal.commit(command("a", 1, event(b"x")))
    );
    let (first, second) = (twice.0.unwrap(), twice.1.unwrap());
    assert!(first.replayed != second.replayed);
    let third = journal.commit(command("a", 1, event(b"x"))).await.unwrap();
    assert!(third.replayed);
    assert_eq!(
        (&first.reply, &first.entries),
        (&second.reply, &second.entries)
    );
    assert_eq!(
        (&first.reply, &first.entries),
        (&third.reply, &third.entries)
    );
    let mut other = command("a", 1, event(b"y"));
    other.digest = [9; 32];
    let reused = journal.commit(other).await;
    assert!(matches!(reused, Err(CommitError::CommandReused)));
    assert_eq!(journal.head(log("a")).await.unwrap().unwrap().size, 1);
    checked(&place).await;
}

async fn a_refusal_leaves_nothing_behind_unless_it_says_so(place: Place) {
    let journal = &place.journal;
    let refused = journal
        .commit(deciding("a", 1, |_| Err(Box::new("too late"))))
        .await;
    let Err(CommitError::Refused(why)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(why.downcast_ref(), Some(&"too late"));
    assert_eq!(journal.head(log("a")).await.unwrap(), None);
    assert_eq!(journal.heads(None, 10).await.unwrap(), []);
    let closing = || Outcome {
        close: true,
        refusal: Some(Box::new(7_u32)),
        ..event(b"closed")
    };
    let refused = journal.commit(command("a", 2, closing())).await;
    assert!(matches!(refused, Err(CommitError::Refused(why)) if why.is::<u32>()));
    let head = journal.head(log("a")).await.unwrap().unwrap();
    assert_eq!((head.size, head.closed), (1, true));
    // It was not remembered: sent again it meets the closed log.
    let again = journal.commit(command("a", 2, closing())).await;
    assert!(matches!(again, Err(CommitError::Closed(closed)) if closed == log("a")));
    let mut after = command("a", 3, event(b"opened"));
    after.allow_closed = true;
    assert_eq!(journal.commit(after).await.unwrap().entries[0].seq, 1);
    assert!(journal.head(log("a")).await.unwrap().unwrap().closed);
    checked(&place).await;
}

async fn time_inside_a_log_never_goes_back(place: Place) {
    let journal = &place.journal;
    let mut times = Vec::new();
    for (id, clock) in [(1, 500), (2, 100), (3, 700), (4, 699)] {
        place.clock.set(clock);
        let done = journal.commit(command("a", id, event(b"x"))).await.unwrap();
        times.push(done.entries[0].at.micros());
    }
    assert_eq!(times, [500, 500, 700, 700]);
    checked(&place).await;
}

async fn nothing_changes_without_a_record(place: Place) {
    let journal = &place.journal;
    let silent = Outcome {
        events: Vec::new(),
        ..event(b"x")
    };
    let refused = journal.commit(command("a", 1, silent)).await;
    assert!(matches!(refused, Err(CommitError::Unrecorded)));
    let silent = Outcome {
        close: true,
        ..Outcome::default()
    };
    let refused = journal.commit(command("a", 2, silent)).await;
    assert!(matches!(refused, Err(CommitError::Unrecorded)));
    let huge = event(&vec![0; 5 * 1024 * 1024]);
    let refused = journal.commit(command("a", 3, huge)).await;
    assert!(matches!(refused, Err(CommitError::Invalid(_))));
    let mut unnamed = command("a", 4, event(b"x"));
    unnamed.scope = "a\0b".into();
    let refused = journal.commit(unnamed).await;
    assert!(matches!(refused, Err(CommitError::Invalid(_))));
    assert_eq!(journal.check().await.unwrap().logs, 0);
}

async fn a_deleted_state_keeps_the_count(place: Place) {
    let journal = &place.journal;
    journal.commit(command("a", 1, event(b"x"))).await.unwrap();
    let delete = Outcome {
        states: vec![(stream("main"), None)],
        ..event(b"gone")
    };
    journal.commit(command("a", 2, delete)).await.unwrap();
    assert_eq!(journal.state(log("a"), stream("main")).await.unwrap(), None);
    assert_eq!(journal.states(log("a")).await.unwrap(), []);
    let next = deciding("a", 3, |view| {
        assert_eq!(view.state(stream("main")), None);
        Ok(event(b"back"))
    });
    assert_eq!(journal.commit(next).await.unwrap().entries[0].version, 3);
    checked(&place).await;
}

async fn a_decision_sees_what_it_reads_and_no_more(place: Place) {
    let journal = &place.journal;
    let both = || Outcome {
        events: ["main", "side"]
            .map(|name| NewEvent {
                stream: stream(name),
                body: name.into(),
            })
            .into(),
        states: ["main", "side"]
            .map(|name| (stream(name), Some(name.into())))
            .into(),
        ..Outcome::default()
    };
    journal.commit(command("a", 1, both())).await.unwrap();
    let narrow = deciding("a", 2, move |view| {
        assert!(view.state(stream("main")).is_some());
        assert_eq!(view.state(stream("side")), None);
        assert_eq!(view.states().count(), 1);
        assert_eq!(view.head.map(|head| head.size), Some(2));
        Ok(both())
    });
    // "side" is changed without having been read: its count is found all the same.
    let done = journal.commit(narrow).await.unwrap();
    assert_eq!(
        done.entries.iter().map(|e| e.version).collect::<Vec<_>>(),
        [2, 2]
    );
    let mut wide = deciding("a", 3, |view| {
        assert_eq!(view.states().count(), 2);
        Ok(event(b"x"))
    });
    wide.reads = Reads::WholeLog;
    assert_eq!(journal.commit(wide).await.unwrap().entries[0].version, 3);
    checked(&place).await;
}

const TABLE: Migration = Migration {
    version: 1,
    name: "test",
    sql: "CREATE TABLE account (id BIGINT NOT NULL PRIMARY KEY, note TEXT, proven BOOLEAN, \
          balance BIGINT NOT NULL CHECK (balance >= 0));\n\
          CREATE INDEX account_balance ON account (balance);",
};

fn account(id: i64, balance: i64) -> Write {
    Write {
        sql: "INSERT INTO account (id, note, proven, balance) VALUES ($1, $2, $3, $4)",
        values: vec![Val::Int(id), Val::Null, Val::Bool(true), Val::Int(balance)],
    }
}

async fn one_poisoned_command_fails_alone(place: Place) {
    let journal = &place.journal;
    place.db.migrate(&[TABLE]).await.unwrap();
    let with = |id: u64, writes: Vec<Write>| {
        let outcome = Outcome {
            writes,
            ..event(b"x")
        };
        journal.commit(command("a", id, outcome))
    };
    let (good, poisoned, half, panicking, other) = tokio::join!(
        with(1, vec![account(1, 5)]),
        with(2, vec![account(2, -1)]),
        with(3, vec![account(3, 5), account(1, 5)]),
        journal.commit(deciding("a", 4, |_| panic!("a bug"))),
        journal.commit(command("b", 5, event(b"x"))),
    );
    assert!(good.is_ok() && other.is_ok());
    assert!(
        matches!(poisoned, Err(CommitError::Statement(_))),
        "{poisoned:?}"
    );
    assert!(matches!(half, Err(CommitError::Statement(_))), "{half:?}");
    assert!(matches!(panicking, Err(CommitError::Panicked(why)) if why == "a bug"));
    let rows = place
        .db
        .rows("SELECT id, note, proven, balance FROM account", &[]);
    let rows = rows.await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].int(0).unwrap(), 1);
    assert_eq!(rows[0].opt_text(1).unwrap(), None);
    assert!(rows[0].bool(2).unwrap());
    assert!(rows[0].text(1).is_err());
    assert_eq!(journal.head(log("a")).await.unwrap().unwrap().size, 1);
    checked(&place).await;
}

static ADD_ACCOUNT: Many = Many {
    sql: "INSERT INTO account (id, note, proven, balance) VALUES {rows} ON CONFLICT (id) DO NOTHING",
    columns: 4,
};

async fn rows_that_are_added_go_together_and_once(place: Place) {
    let journal = &place.journal;
    place.db.migrate(&[TABLE]).await.unwrap();
    place.db.prepare_many(&ADD_ACCOUNT).await.unwrap();
    let with = |name: &'static str, id: u64, rows: Vec<Vec<Val>>| {
        let into = &ADD_ACCOUNT;
        let additions = rows.into_iter().map(|values| Addition { into, values });
        let outcome = Outcome {
            additions: additions.collect(),
            ..event(b"x")
        };
        journal.commit(command(name, id, outcome))
    };
    let row = |id, balance| account(id, balance).values;
    let (first, other, again, short) = tokio::join!(
        with("a", 1, vec![row(1, 5), row(2, 6)]),
        with("b", 2, vec![row(3, 7)]),
        with("a", 3, vec![row(1, 99)]),
        with("a", 4, vec![vec![Val::Int(4)]]),
    );
    assert!(first.is_ok() && other.is_ok() && again.is_ok());
    assert!(matches!(short, Err(CommitError::Invalid(_))), "{short:?}");
    let found = "SELECT id, balance FROM account ORDER BY id";
    let rows = place.db.rows(found, &[]).await.unwrap();
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.int(0).unwrap(), row.int(1).unwrap()))
        .collect();
    assert_eq!(rows, [(1, 5), (2, 6), (3, 7)]);
    // In the transaction of the records: what fails takes them with it.
    let broken = with("a", 5, vec![row(5, -1)]).await;
    assert!(broken.is_err());
    assert_eq!(journal.head(log("a")).await.unwrap().unwrap().size, 2);
    checked(&place).await;
}

async fn a_damaged_log_does_not_stop_the_others(place: Place) {
    let journal = &place.journal;
    for (id, name) in [(1, "bad"), (2, "good"), (3, "worse")] {
        journal
            .commit(command(name, id, event(b"x")))
            .await
            .unwrap();
    }
    // A row in the way of the next record, and a root that does not follow.
    place
        .db
        .exec(
            "INSERT INTO journal (log_id, seq, stream_id, version, at_us, leaf, record, body) \
                 SELECT log_id, 1, stream_id, 2, at_us, leaf, record, body FROM journal \
                 WHERE log_id = $1",
            &[Val::Blob(log("bad").as_bytes().to_vec())],
        )
        .await
        .unwrap();
    let spoil = "UPDATE journal_head SET root = frontier, frontier = log_id WHERE log_id = $1";
    let worse = Val::Blob(log("worse").as_bytes().to_vec());
    place.db.exec(spoil, &[worse]).await.unwrap();
    let (bad, good, worse, new) = tokio::join!(
        journal.commit(command("bad", 11, event(b"y"))),
        journal.commit(command("good", 12, event(b"y"))),
        journal.commit(command("worse", 13, event(b"y"))),
        journal.commit(command("new", 14, event(b"y"))),
    );
    assert!(matches!(bad, Err(CommitError::Conflict)), "{bad:?}");
    assert!(matches!(worse, Err(CommitError::Corrupt(_))), "{worse:?}");
    assert_eq!(good.unwrap().entries[0].seq, 1);
    assert_eq!(new.unwrap().entries[0].seq, 0);
}

async fn a_consumer_sees_exactly_what_it_has_not_read(place: Place) {
    let journal = &place.journal;
    let mut changes = journal.changes();
    journal.commit(command("a", 1, event(b"x"))).await.unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    journal.commit(command("b", 2, event(b"x"))).await.unwrap();
    assert_eq!(journal.behind("audit", 10).await.unwrap().len(), 2);
    assert_eq!(journal.cursor("audit", log("a")).await.unwrap(), 0);
    // An effect without an event of its own: the cursor moves alone.
    for (id, next) in [(3, 1), (4, 1)] {
        let moved = Outcome {
            writes: vec![cursor_write("audit", log("a"), next)],
            ..Outcome::default()
        };
        journal
            .commit(command("followed", id, moved))
            .await
            .unwrap();
    }
    assert_eq!(journal.cursor("audit", log("a")).await.unwrap(), 1);
    let behind = journal.behind("audit", 10).await.unwrap();
    assert_eq!(behind.len(), 1);
    let first = (
        behind[0].log,
        behind[0].scope.as_str(),
        behind[0].next_seq,
        behind[0].size,
    );
    assert_eq!(first, (log("b"), "b", 0, 1));
    assert_eq!(journal.behind("other", 10).await.unwrap().len(), 2);
    assert_eq!(journal.heads(None, 10).await.unwrap().len(), 2);
}

async fn reading_is_bounded_and_goes_on_where_it_ended(place: Place) {
    let journal = &place.journal;
    for id in 0..6 {
        let large = event(&vec![id as u8; 1024 * 1024]);
        journal.commit(command("a", id, large)).await.unwrap();
    }
    let mut from = 0;
    let mut seen = Vec::new();
    while from < 6 {
        let entries = journal.read(log("a"), from, 100).await.unwrap();
        assert!(!entries.is_empty() && entries.len() < 6);
        from += entries.len() as u64;
        seen.extend(entries.iter().map(|entry| entry.body().unwrap()[0]));
    }
    assert_eq!(seen, [0, 1, 2, 3, 4, 5]);
    assert_eq!(journal.read(log("a"), 6, 100).await.unwrap(), []);
    let heads = journal.heads(None, 1).await.unwrap();
    assert_eq!(journal.heads(Some(heads[0].log), 1).await.unwrap(), []);
}

async fn a_stopped_journal_commits_what_waits_and_takes_no_more(place: Place) {
    let journal = place.journal.clone();
    let waiting: Vec<_> = (0..50)
        .map(|id| {
            let journal = journal.clone();
            tokio::spawn(async move { journal.commit(command("a", id, event(b"x"))).await })
        })
        .collect();
    let mut done = 0;
    journal.stop().await;
    for task in waiting {
        match task.await.unwrap() {
            Ok(_) => done += 1,
            Err(error) => assert!(matches!(error, CommitError::Stopped), "{error}"),
        }
    }
    let size = journal
        .head(log("a"))
        .await
        .unwrap()
        .map_or(0, |head| head.size);
    assert_eq!(size, done);
    checked(&place).await;
}

async fn a_dropped_caller_harms_nobody(place: Place) {
    let journal = &place.journal;
    for id in 0..40 {
        let journal = journal.clone();
        let task = tokio::spawn(async move { journal.commit(command("a", id, event(b"x"))).await });
        if id % 3 == 0 {
            tokio::task::yield_now().await;
        }
        task.abort();
    }
    let size = || async {
        journal
            .head(log("a"))
            .await
            .unwrap()
            .map_or(0, |head| head.size)
    };
    journal
        .commit(command("a", 1000, event(b"x")))
        .await
        .unwrap();
    let before = size().await;
    // Whatever was dropped can be sent again: each has one effect in the end.
    for id in 0..40 {
        journal.commit(command("a", id, event(b"x"))).await.unwrap();
    }
    assert!(before <= 41);
    assert_eq!(size().await, 41);
    checked(&place).await;
}
