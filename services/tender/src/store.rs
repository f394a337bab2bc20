//! The SQL of the tender service's own tables, portable between SQLite and PostgreSQL.
//! Nothing here is the truth: every row can be made again from the journal.

use prost::Message;
use sunbid_contracts::tender::v1::{CeremonyState, Tender};
use sunbid_domain::tender::{Dossier, aggregate::is_public, ceremony::waits_for};
use sunbid_journal::{Db, Row, Val, Write};
use sunbid_service::Problem;

/// Every statement, so that all can be tried on every engine.
#[cfg(test)]
pub const SQL: &[(&str, &str)] = &[
    ("PUT_TENDER", PUT_TENDER),
    ("LIST_TENDERS", LIST_TENDERS),
    ("CLEAR_WAITS", CLEAR_WAITS),
    ("PUT_WAIT", PUT_WAIT),
    ("LIST_WAITS", LIST_WAITS),
];

const PUT_TENDER: &str = "INSERT INTO tender \
     (name, state, track, purchaser, public, create_us, search, body) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (name) DO UPDATE SET state = excluded.state, track = excluded.track, \
     purchaser = excluded.purchaser, public = excluded.public, create_us = excluded.create_us, \
     search = excluded.search, body = excluded.body";

const LIST_TENDERS: &str = "SELECT body FROM tender \
     WHERE (purchaser = $1 OR (CAST($1 AS TEXT) = '' AND public = TRUE)) \
     AND (CAST($2 AS BIGINT) = 0 OR state = $2) \
     AND (CAST($3 AS BIGINT) = 0 OR track = $3) \
     AND search LIKE $4 ESCAPE '!' \
     AND (create_us < $5 OR (create_us = $5 AND name < $6)) \
     ORDER BY create_us DESC, name DESC LIMIT $7";

const CLEAR_WAITS: &str = "DELETE FROM ceremony_wait WHERE tender = $1";

const PUT_WAIT: &str = "INSERT INTO ceremony_wait (tender, organization) VALUES ($1, $2)";

const LIST_WAITS: &str = "SELECT tender FROM ceremony_wait WHERE organization = $1 ORDER BY tender";

/// The writes that bring the tables up to a tender's new state.
pub fn writes(before: &Dossier, after: &Dossier) -> Vec<Write> {
    let Some(tender) = &after.tender else {
        return Vec::new();
    };
    let mut writes = vec![Write {
        sql: PUT_TENDER,
        values: vec![
            Val::Text(tender.name.clone()),
            Val::Int(tender.state.into()),
            Val::Int(tender.track.into()),
            Val::Text(tender.purchaser.clone()),
            Val::Bool(is_public(tender)),
            Val::Int(tender.create_time_us),
            Val::Text(tender.title.to_lowercase()),
            Val::Blob(tender.encode_to_vec()),
        ],
    }];
    if before.ceremony == after.ceremony {
        return writes;
    }
    writes.push(Write {
        sql: CLEAR_WAITS,
        values: vec![Val::Text(tender.name.clone())],
    });
    let running = after
        .ceremony
        .iter()
        .filter(|c| c.state() != CeremonyState::Failed);
    for ceremony in running {
        let waiting = ceremony
            .holders
            .iter()
            .filter(|holder| waits_for(ceremony, &holder.organization).is_some());
        writes.extend(waiting.map(|holder| Write {
            sql: PUT_WAIT,
            values: vec![
                Val::Text(tender.name.clone()),
                Val::Text(holder.organization.clone()),
            ],
        }));
    }
    writes
}

/// What a list is asked for.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Only this purchaser's, drafts included; empty: everything public.
    pub purchaser: String,
    pub state: i32,
    pub track: i32,
    pub text: String,
}

impl Filter {
    /// What page tokens are bound to.
    pub fn bound(&self) -> String {
        format!(
            "{:?}",
            (&self.purchaser, self.state, self.track, &self.text)
        )
    }
}

/// Tenders after a position, newest first.
pub async fn list(
    db: &Db,
    filter: &Filter,
    after: (i64, String),
    limit: u32,
) -> Result<Vec<Tender>, Problem> {
    let values = [
        Val::Text(filter.purchaser.clone()),
        Val::Int(filter.state.into()),
        Val::Int(filter.track.into()),
        Val::Text(containing(&filter.text)),
        Val::Int(after.0),
        Val::Text(after.1),
        Val::Int(limit.into()),
    ];
    let tender = |row: &Row| Tender::decode(row.blob(0)?.as_slice()).map_err(Problem::internal);
    db.rows(LIST_TENDERS, &values)
        .await?
        .iter()
        .map(tender)
        .collect()
}

/// Names of the tenders whose ceremonies wait for an institution.
pub async fn waits(db: &Db, organization: &str) -> Result<Vec<String>, Problem> {
    let rows = db
        .rows(LIST_WAITS, &[Val::Text(organization.to_owned())])
        .await?;
    rows.iter().map(|row| Ok(row.text(0)?)).collect()
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
        let mut after = Dossier::default();
        for (at, title) in ["100% 桌子", "Chairs_A", "chairs B"]
            .into_iter()
            .enumerate()
        {
            let tender = Tender {
                name: format!("tenders/{at}"),
                title: title.to_owned(),
                purchaser: "organizations/x".to_owned(),
                create_time_us: 7,
                announce_time_us: i64::from(at > 0),
                ..Default::default()
            };
            after.tender = Some(tender);
            for write in writes(&Dossier::default(), &after) {
                db.exec(write.sql, &write.values).await.unwrap();
            }
        }
        let titles = async |purchaser: &str, text: &str, after: (i64, &str), limit| {
            let filter = Filter {
                purchaser: purchaser.to_owned(),
                state: 0,
                track: 0,
                text: text.to_owned(),
            };
            let found = list(&db, &filter, (after.0, after.1.to_owned()), limit)
                .await
                .unwrap();
            found
                .into_iter()
                .map(|tender| tender.title)
                .collect::<Vec<_>>()
        };
        let first = (i64::MAX, "");
        assert_eq!(titles("", "", first, 9).await, ["chairs B", "Chairs_A"]);
        assert_eq!(titles("", "CHAIRS", first, 1).await, ["chairs B"]);
        assert_eq!(titles("", "", (7, "tenders/2"), 9).await, ["Chairs_A"]);
        assert_eq!(titles("", "s_a", first, 9).await, ["Chairs_A"]);
        assert_eq!(
            titles("organizations/x", "0%", first, 9).await,
            ["100% 桌子"]
        );
        assert!(titles("organizations/y", "", first, 9).await.is_empty());
    }
}
