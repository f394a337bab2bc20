//! The SQL of the notice service's own tables, portable between SQLite and PostgreSQL.
//! Nothing here is the truth: every row can be made again from the journal.

use prost::Message;
use sunbid_contracts::notice::v1::{Notice, Question, QuestionState};
use sunbid_journal::{Db, Row, Val, Write};
use sunbid_service::Problem;
use sunbid_terms::Instant;

/// Every statement, so that all can be tried on every engine.
#[cfg(test)]
pub const SQL: &[(&str, &str)] = &[
    ("PUT_NOTICE", PUT_NOTICE),
    ("GET_NOTICE", GET_NOTICE),
    ("LIST_NOTICES", LIST_NOTICES),
    ("PUT_QUESTION", PUT_QUESTION),
    ("GET_ASKER", GET_ASKER),
    ("LIST_QUESTIONS", LIST_QUESTIONS),
    ("RESERVE", RESERVE),
    ("RELEASE", RELEASE),
];

const PUT_NOTICE: &str = "INSERT INTO notice (name, kind, tender, publish_us, search, body) \
     VALUES ($1, $2, $3, $4, $5, $6)";

const GET_NOTICE: &str = "SELECT body FROM notice WHERE name = $1";

const LIST_NOTICES: &str = "SELECT body FROM notice \
     WHERE (CAST($1 AS BIGINT) = 0 OR kind = $1) \
     AND (CAST($2 AS TEXT) = '' OR tender = $2) \
     AND search LIKE $3 ESCAPE '!' \
     AND (publish_us < $4 OR (publish_us = $4 AND name < $5)) \
     ORDER BY publish_us DESC, name DESC LIMIT $6";

const PUT_QUESTION: &str = "INSERT INTO question (name, tender, asker, answered, ask_us, body) \
     VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (name) DO UPDATE SET answered = excluded.answered, body = excluded.body";

const GET_ASKER: &str = "SELECT asker FROM question WHERE name = $1";

const LIST_QUESTIONS: &str = "SELECT asker, body FROM question WHERE tender = $1 \
     AND (CAST($2 AS TEXT) = '' OR asker = $2 OR answered = TRUE) \
     AND (ask_us < $3 OR (ask_us = $3 AND name < $4)) \
     ORDER BY ask_us DESC, name DESC LIMIT $5";

const RESERVE: &str = "INSERT INTO reservation (tender, notice, until_us) VALUES ($1, $2, $3) \
     ON CONFLICT (tender) DO UPDATE SET notice = excluded.notice, until_us = excluded.until_us \
     WHERE reservation.notice = excluded.notice OR reservation.until_us <= $4";

const RELEASE: &str = "DELETE FROM reservation WHERE tender = $1 AND notice = $2";

/// Reserves the deadline of a tender for a clarification until a moment; whether nobody else has it.
pub async fn reserve(
    db: &Db,
    tender: &str,
    notice: &str,
    now: Instant,
    until: Instant,
) -> Result<bool, Problem> {
    let values = [
        Val::Text(tender.to_owned()),
        Val::Text(notice.to_owned()),
        Val::Int(until.micros()),
        Val::Int(now.micros()),
    ];
    Ok(db.exec(RESERVE, &values).await? == 1)
}

/// Gives a reservation back, with the record that it was for.
pub fn release(tender: &str, notice: &str) -> Write {
    Write {
        sql: RELEASE,
        values: vec![Val::Text(tender.to_owned()), Val::Text(notice.to_owned())],
    }
}

/// A published notice.
pub fn put_notice(notice: &Notice) -> Write {
    Write {
        sql: PUT_NOTICE,
        values: vec![
            Val::Text(notice.name.clone()),
            Val::Int(notice.kind.into()),
            Val::Text(notice.tender.clone()),
            Val::Int(notice.publish_time_us),
            Val::Text(notice.title.to_lowercase()),
            Val::Blob(notice.encode_to_vec()),
        ],
    }
}

/// A question as it stands.
pub fn put_question(question: &Question, tender: &str, asker: &str) -> Write {
    Write {
        sql: PUT_QUESTION,
        values: vec![
            Val::Text(question.name.clone()),
            Val::Text(tender.to_owned()),
            Val::Text(asker.to_owned()),
            Val::Bool(question.state() == QuestionState::Answered),
            Val::Int(question.ask_time_us),
            Val::Blob(question.encode_to_vec()),
        ],
    }
}

fn decoded<M: Message + Default>(row: &Row, column: usize) -> Result<M, Problem> {
    M::decode(row.blob(column)?.as_slice()).map_err(Problem::internal)
}

/// A notice by its name.
pub async fn notice(db: &Db, name: &str) -> Result<Option<Notice>, Problem> {
    let rows = db.rows(GET_NOTICE, &[Val::Text(name.to_owned())]).await?;
    rows.first().map(|row| decoded(row, 0)).transpose()
}

/// Who asked a question.
pub async fn asker(db: &Db, question: &str) -> Result<Option<String>, Problem> {
    let rows = db
        .rows(GET_ASKER, &[Val::Text(question.to_owned())])
        .await?;
    Ok(rows.first().map(|row| row.text(0)).transpose()?)
}

/// What a list of notices is asked for.
#[derive(Clone, Debug)]
pub struct Filter {
    pub kind: i32,
    /// Only this tender's; empty: all.
    pub tender: String,
    pub text: String,
}

impl Filter {
    /// What page tokens are bound to.
    pub fn bound(&self) -> String {
        format!("{:?}", (self.kind, &self.tender, &self.text))
    }
}

/// Notices after a position, newest first.
pub async fn notices(
    db: &Db,
    filter: &Filter,
    after: (i64, String),
    limit: u32,
) -> Result<Vec<Notice>, Problem> {
    let values = [
        Val::Int(filter.kind.into()),
        Val::Text(filter.tender.clone()),
        Val::Text(containing(&filter.text)),
        Val::Int(after.0),
        Val::Text(after.1),
        Val::Int(limit.into()),
    ];
    db.rows(LIST_NOTICES, &values)
        .await?
        .iter()
        .map(|row| decoded(row, 0))
        .collect()
}

/// Questions about a tender after a position, newest first, with their askers; `asker` sees its
/// own and the answered ones, nobody (empty) sees all.
pub async fn questions(
    db: &Db,
    tender: &str,
    asker: &str,
    after: (i64, String),
    limit: u32,
) -> Result<Vec<(String, Question)>, Problem> {
    let values = [
        Val::Text(tender.to_owned()),
        Val::Text(asker.to_owned()),
        Val::Int(after.0),
        Val::Text(after.1),
        Val::Int(limit.into()),
    ];
    let rows = db.rows(LIST_QUESTIONS, &values).await?;
    rows.iter()
        .map(|row| Ok((row.text(0)?, decoded(row, 1)?)))
        .collect()
}

/// The pattern for texts that contain `text`, whatever its characters mean to LIKE.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for character in text.to_lowercase().chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_statement_runs_on_the_migrated_tables() {
        let folder = tempfile::tempdir().unwrap();
        let engines = sunbid_journal::trial::engines(folder.path()).await;
        for db in engines.unwrap() {
            check(db).await;
        }
    }

    async fn check(db: Db) {
        db.migrate(crate::MIGRATIONS).await.unwrap();
        for (name, sql) in SQL {
            db.prepare(sql)
                .await
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        for (at, title) in ["Desks 100%", "desks_new"].into_iter().enumerate() {
            let notice = Notice {
                name: format!("notices/{at}"),
                title: title.to_owned(),
                kind: at as i32 + 1,
                publish_time_us: at as i64,
                ..Default::default()
            };
            let write = put_notice(&notice);
            db.exec(write.sql, &write.values).await.unwrap();
        }
        let titles = async |kind, text: &str| {
            let filter = Filter {
                kind,
                tender: String::new(),
                text: text.to_owned(),
            };
            let found = notices(&db, &filter, (i64::MAX, String::new()), 9)
                .await
                .unwrap();
            found
                .into_iter()
                .map(|notice| notice.title)
                .collect::<Vec<_>>()
        };
        assert_eq!(titles(0, "").await, ["desks_new", "Desks 100%"]);
        assert_eq!(titles(1, "DESKS").await, ["Desks 100%"]);
        assert_eq!(titles(0, "0%").await, ["Desks 100%"]);
        assert_eq!(titles(0, "s_n").await, ["desks_new"]);
        assert!(notice(&db, "notices/0").await.unwrap().is_some());
        assert!(notice(&db, "notices/9").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn one_clarification_at_a_time_has_the_deadline() {
        let folder = tempfile::tempdir().unwrap();
        let engines = sunbid_journal::trial::engines(folder.path()).await;
        for db in engines.unwrap() {
            check_reservations(db).await;
        }
    }

    async fn check_reservations(db: Db) {
        db.migrate(crate::MIGRATIONS).await.unwrap();
        let ask = async |notice: &str, now| {
            let (now, until) = (Instant::from_micros(now), Instant::from_micros(now + 10));
            reserve(&db, "t", notice, now, until).await.unwrap()
        };
        assert!(ask("a", 0).await);
        assert!(!ask("b", 5).await);
        // Its own repeat holds it longer; after that it ends by itself.
        assert!(ask("a", 5).await);
        assert!(!ask("b", 14).await);
        assert!(ask("b", 15).await);
        for (notice, free) in [("a", false), ("b", true)] {
            let write = release("t", notice);
            db.exec(write.sql, &write.values).await.unwrap();
            assert_eq!(ask("c", 16).await, free);
        }
    }

    #[tokio::test]
    async fn askers_see_their_own_and_the_answered_questions() {
        let folder = tempfile::tempdir().unwrap();
        let engines = sunbid_journal::trial::engines(folder.path()).await;
        for db in engines.unwrap() {
            check_questions(db).await;
        }
    }

    async fn check_questions(db: Db) {
        db.migrate(crate::MIGRATIONS).await.unwrap();
        for (at, asker) in ["a", "b"].into_iter().enumerate() {
            let mut question = Question {
                name: format!("q{at}"),
                state: QuestionState::Asked as i32,
                ask_time_us: 1,
                ..Default::default()
            };
            let write = put_question(&question, "t", asker);
            db.exec(write.sql, &write.values).await.unwrap();
            if asker == "b" {
                question.set_state(QuestionState::Answered);
                let write = put_question(&question, "t", asker);
                db.exec(write.sql, &write.values).await.unwrap();
            }
        }
        let names = async |asker: &str| {
            let first = (i64::MAX, String::new());
            let found = questions(&db, "t", asker, first, 9).await.unwrap();
            found
                .into_iter()
                .map(|(_, question)| question.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names("").await, ["q1", "q0"]);
        assert_eq!(names("a").await, ["q1", "q0"]);
        assert_eq!(names("c").await, ["q1"]);
        assert_eq!(names("b").await, ["q1"]);
        assert_eq!(asker(&db, "q0").await.unwrap().as_deref(), Some("a"));
    }
}
