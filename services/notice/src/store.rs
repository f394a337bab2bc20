//! The service's own tables: notices, intents and questions as they are read and listed.

use prost::Message;
use sunbid_contracts::notice::v1::{Intent, Notice, Question};
use sunbid_domain::Refusal;
use sunbid_journal::{Db, Migration, Row, Val, Write};
use sunbid_service::Problem;

pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "notice",
    sql: include_str!("../../../migrations/notice/0001_notice.sql"),
}];

const ADD_NOTICE: &str =
    "INSERT INTO notice (name, kind, tender, title, publish_us, body) VALUES ($1, $2, $3, $4, $5, $6)";
const NOTICE: &str = "SELECT body FROM notice WHERE name = $1";
/// Newest first, before a position; kind 0 and empty texts mean any.
const NOTICES: &str = "SELECT body FROM notice WHERE (publish_us < $1 OR (publish_us = $1 AND name < $2)) \
     AND ($3 = 0 OR kind = $3) AND ($4 = '' OR tender = $4) AND title LIKE $5 ESCAPE '\\' \
     ORDER BY publish_us DESC, name DESC LIMIT $6";
const ADD_INTENT: &str = "INSERT INTO intent (name, publish_us, body) VALUES ($1, $2, $3)";
const INTENT: &str = "SELECT body FROM intent WHERE name = $1";
const KEEP_QUESTION: &str = "INSERT INTO question (name, tender, asker, ask_us, body) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO UPDATE SET body = excluded.body";
const ASKER: &str = "SELECT asker FROM question WHERE name = $1";
/// In order of asking, after a position.
const QUESTIONS: &str = "SELECT body, asker FROM question WHERE tender = $1 \
     AND (ask_us > $2 OR (ask_us = $2 AND name > $3)) ORDER BY ask_us, name LIMIT $4";

/// Every statement, for the test that prepares them.
#[cfg(test)]
pub const SQL: &[(&str, &str)] = &[
    ("add_notice", ADD_NOTICE),
    ("notice", NOTICE),
    ("notices", NOTICES),
    ("add_intent", ADD_INTENT),
    ("intent", INTENT),
    ("keep_question", KEEP_QUESTION),
    ("asker", ASKER),
    ("questions", QUESTIONS),
];

/// Where a page of notices starts.
#[derive(Clone, Debug)]
pub struct Before {
    pub publish_us: i64,
    pub name: String,
}

/// What is listed.
#[derive(Clone, Debug)]
pub struct Filter<'a> {
    pub kind: i32,
    pub tender: &'a str,
    pub text: &'a str,
}

pub fn add_notice(notice: &Notice) -> Write {
    Write {
        sql: ADD_NOTICE,
        values: vec![
            Val::Text(notice.name.clone()),
            Val::Int(i64::from(notice.kind)),
            Val::Text(notice.tender.clone()),
            Val::Text(notice.title.clone()),
            Val::Int(notice.publish_time_us),
            Val::Blob(notice.encode_to_vec()),
        ],
    }
}

pub fn add_intent(intent: &Intent) -> Write {
    Write {
        sql: ADD_INTENT,
        values: vec![
            Val::Text(intent.name.clone()),
            Val::Int(intent.publish_time_us),
            Val::Blob(intent.encode_to_vec()),
        ],
    }
}

pub fn keep_question(tender: &str, asker: &str, question: &Question) -> Write {
    Write {
        sql: KEEP_QUESTION,
        values: vec![
            Val::Text(question.name.clone()),
            Val::Text(tender.to_owned()),
            Val::Text(asker.to_owned()),
            Val::Int(question.ask_time_us),
            Val::Blob(question.encode_to_vec()),
        ],
    }
}

fn read<M: Message + Default>(row: &Row) -> Result<M, Problem> {
    M::decode(row.blob(0)?.as_slice()).map_err(Problem::internal)
}

pub async fn notice(db: &Db, name: &str) -> Result<Notice, Problem> {
    let rows = db.rows(NOTICE, &[Val::Text(name.to_owned())]).await?;
    let row = rows.first().ok_or_else(|| Refusal::NotFound { what: name.to_owned() })?;
    read(row)
}

pub async fn notices(
    db: &Db,
    before: Before,
    filter: Filter<'_>,
    limit: u32,
) -> Result<Vec<Notice>, Problem> {
    let values = [
        Val::Int(before.publish_us),
        Val::Text(before.name),
        Val::Int(i64::from(filter.kind)),
        Val::Text(filter.tender.to_owned()),
        Val::Text(pattern(filter.text)),
        Val::Int(i64::from(limit)),
    ];
    db.rows(NOTICES, &values).await?.iter().map(read).collect()
}

pub async fn intent(db: &Db, name: &str) -> Result<Option<Intent>, Problem> {
    let rows = db.rows(INTENT, &[Val::Text(name.to_owned())]).await?;
    rows.first().map(read).transpose()
}

pub async fn asker(db: &Db, question: &str) -> Result<Option<String>, Problem> {
    let rows = db.rows(ASKER, &[Val::Text(question.to_owned())]).await?;
    Ok(rows.first().map(|row| row.text(0)).transpose()?)
}

/// Questions with their askers.
pub async fn questions(
    db: &Db,
    tender: &str,
    after: (i64, String),
    limit: u32,
) -> Result<Vec<(Question, String)>, Problem> {
    let values = [
        Val::Text(tender.to_owned()),
        Val::Int(after.0),
        Val::Text(after.1),
        Val::Int(i64::from(limit)),
    ];
    let rows = db.rows(QUESTIONS, &values).await?;
    rows.iter().map(|row| Ok((read(row)?, row.text(1)?))).collect()
}

/// A LIKE pattern for titles that contain `text` as it is.
fn pattern(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("%{escaped}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_statement_is_sound_and_search_takes_text_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::sqlite(&folder.path().join("notice.db")).await.unwrap();
        db.migrate(MIGRATIONS).await.unwrap();
        for (name, sql) in SQL {
            db.prepare(sql).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        for (name, title) in [("notices/1", "100%_节能"), ("notices/2", "1000节能")] {
            let notice = Notice { name: name.into(), title: title.into(), ..Notice::default() };
            let write = add_notice(&notice);
            db.exec(write.sql, &write.values).await.unwrap();
        }
        let before = Before { publish_us: i64::MAX, name: String::new() };
        let filter = Filter { kind: 0, tender: "", text: "0%_" };
        let found = notices(&db, before, filter, 10).await.unwrap();
        assert_eq!(found.len(), 1);
    }
}
