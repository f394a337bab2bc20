//! The structure of a database: whether SQLite finds it whole, and whether its tables and indexes are
//! those that the migrations make which it says were applied, no more and no fewer. An earlier program
//! applied fewer, in their order; what a table that is not there yet would hold is asked for all the same.

use sunbid_journal::{Db, ReadError};

use crate::{Report, literal};

const JOURNAL: [&str; 2] = [
    include_str!("../../../migrations/journal/0001_journal.sql"),
    include_str!("../../../migrations/journal/0002_lease.sql"),
];
const PUBLIC_LOG: &str = include_str!("../../../migrations/journal/0001_public_log.sql");

/// Every service and the migrations of its own tables.
pub const SERVICES: &[(&str, &[&str])] = &[
    (
        "registry",
        &[
            include_str!("../../../migrations/registry/0001_registry.sql"),
            include_str!("../../../migrations/registry/0002_accounts.sql"),
        ],
    ),
    (
        "notice",
        &[
            include_str!("../../../migrations/notice/0001_notice.sql"),
            include_str!("../../../migrations/notice/0002_reservation.sql"),
        ],
    ),
    (
        "tender",
        &[include_str!("../../../migrations/tender/0001_tender.sql")],
    ),
    (
        "deposit",
        &[include_str!("../../../migrations/deposit/0001_deposit.sql")],
    ),
    (
        "bid",
        &[
            include_str!("../../../migrations/bid/0001_bid.sql"),
            include_str!("../../../migrations/bid/0002_unclaimed_uploads.sql"),
            include_str!("../../../migrations/bid/0003_secret.sql"),
            include_str!("../../../migrations/bid/0004_intake.sql"),
            include_str!("../../../migrations/bid/0005_objects.sql"),
        ],
    ),
    (
        "opening",
        &[
            include_str!("../../../migrations/opening/0001_opening.sql"),
            include_str!("../../../migrations/opening/0002_holder_seen.sql"),
        ],
    ),
    (
        "audit",
        &[include_str!("../../../migrations/audit/0001_audit.sql")],
    ),
];

/// A migration that stands under another name than its service's: set, version, name.
const NAMED: &[(&str, i64, &str)] = &[("registry", 2, "accounts")];

const INTEGRITY: &str = "PRAGMA integrity_check(1)";
/// SQLite keeps the statement that made each table and index.
const STATEMENTS: &str = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL";
/// The journal's own table of migrations.
const VERSIONS: &str = "CREATE TABLE schema_version (name TEXT NOT NULL, version BIGINT NOT NULL, \
     digest BYTEA NOT NULL, PRIMARY KEY (name, version))";
/// Values of another type than their column's, which SQLite keeps and may read as if they were of it.
const TYPES: &[(&str, &str)] = &[
    (
        "journal",
        "SELECT CAST(COUNT(*) AS TEXT) FROM journal WHERE typeof(log_id) <> 'blob' \
         OR typeof(seq) <> 'integer' OR typeof(stream_id) <> 'blob' OR typeof(version) <> 'integer' \
         OR typeof(at_us) <> 'integer' OR typeof(leaf) <> 'blob' OR typeof(record) <> 'blob' \
         OR typeof(body) NOT IN ('blob', 'null')",
    ),
    (
        "journal_head",
        "SELECT CAST(COUNT(*) AS TEXT) FROM journal_head WHERE typeof(log_id) <> 'blob' \
         OR typeof(scope) <> 'text' OR typeof(size) <> 'integer' OR typeof(frontier) <> 'blob' \
         OR typeof(root) <> 'blob' OR typeof(last_us) <> 'integer' OR typeof(closed) <> 'integer' \
         OR closed NOT IN (0, 1)",
    ),
    (
        "stream_state",
        "SELECT CAST(COUNT(*) AS TEXT) FROM stream_state WHERE typeof(log_id) <> 'blob' \
         OR typeof(stream_id) <> 'blob' OR typeof(version) <> 'integer'",
    ),
    (
        "consumer_cursor",
        "SELECT CAST(COUNT(*) AS TEXT) FROM consumer_cursor WHERE typeof(consumer) <> 'text' \
         OR typeof(log_id) <> 'blob' OR typeof(next_seq) <> 'integer'",
    ),
    (
        "epoch",
        "SELECT CAST(COUNT(*) AS TEXT) FROM epoch WHERE typeof(n) <> 'integer' \
         OR typeof(at_us) <> 'integer' OR typeof(root) <> 'blob' OR typeof(checkpoint) <> 'text'",
    ),
    (
        "epoch_head",
        "SELECT CAST(COUNT(*) AS TEXT) FROM epoch_head WHERE typeof(log_id) <> 'blob' \
         OR typeof(n) <> 'integer' OR typeof(size) <> 'integer' OR typeof(root) NOT IN ('blob', 'null')",
    ),
    (
        "cosignature",
        "SELECT CAST(COUNT(*) AS TEXT) FROM cosignature WHERE typeof(witness) <> 'text' \
         OR typeof(size) <> 'integer' OR typeof(seconds) <> 'integer' OR typeof(line) <> 'text'",
    ),
    (
        "mirror",
        "SELECT CAST(COUNT(*) AS TEXT) FROM mirror WHERE typeof(service) <> 'text' \
         OR typeof(log_id) <> 'blob' OR typeof(scope) <> 'text' OR typeof(size) <> 'integer' \
         OR typeof(frontier) <> 'blob' OR typeof(last_us) <> 'integer' \
         OR typeof(closed) <> 'integer' OR closed NOT IN (0, 1)",
    ),
    (
        "small_payload",
        "SELECT CAST(COUNT(*) AS TEXT) FROM small_payload WHERE typeof(root) <> 'blob' \
         OR typeof(payload) <> 'blob'",
    ),
    (
        "secret",
        "SELECT CAST(COUNT(*) AS TEXT) FROM secret WHERE typeof(name) <> 'text' \
         OR typeof(secret) <> 'blob'",
    ),
    (
        "intake_proof",
        "SELECT CAST(COUNT(*) AS TEXT) FROM intake_proof WHERE typeof(name) <> 'text' \
         OR typeof(at_us) <> 'integer' OR typeof(boot) <> 'text' OR typeof(steady_us) <> 'integer' \
         OR typeof(beat) <> 'integer'",
    ),
    (
        "intake_outage",
        "SELECT CAST(COUNT(*) AS TEXT) FROM intake_outage WHERE typeof(settled) <> 'integer' \
         OR settled NOT IN (0, 1)",
    ),
    (
        "account",
        "SELECT CAST(COUNT(*) AS TEXT) FROM account WHERE typeof(subject) <> 'text' \
         OR typeof(version) <> 'integer' OR typeof(password) <> 'text' OR typeof(passkeys) <> 'blob'",
    ),
    (
        "attempt",
        "SELECT CAST(COUNT(*) AS TEXT) FROM attempt WHERE typeof(account) <> 'blob' \
         OR typeof(failures) <> 'integer' OR typeof(blocked_until_us) <> 'integer' \
         OR typeof(last_us) <> 'integer'",
    ),
    (
        "holder_seen",
        "SELECT CAST(COUNT(*) AS TEXT) FROM holder_seen WHERE typeof(organization) <> 'text' \
         OR typeof(seen_us) <> 'integer'",
    ),
];
const APPLIED: &str = "SELECT quote(name) || ',' || quote(version) || ',' || quote(digest) \
     FROM schema_version ORDER BY 1";

/// A statement word by word, without comments. Single spaces stand between words and signs, so that no
/// two words are taken for one.
fn bare(sql: &str) -> String {
    let lines = sql
        .split('\n')
        .map(|line| line.split("--").next().unwrap_or_default());
    let mut text = String::new();
    for character in lines.flat_map(|line| line.chars().chain(std::iter::once(' '))) {
        if matches!(character, '(' | ')' | ',') {
            text.extend([' ', character, ' ']);
        } else {
            text.push(character);
        }
    }
    // What SQLite takes for spaces, and nothing else.
    let words = text.split([' ', '\t', '\n', '\r', '\u{c}']);
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// What SQLite keeps once these files were applied, bare.
fn made(files: &[&str]) -> Vec<String> {
    let mut made: Vec<String> = vec![bare(VERSIONS)];
    let text: Vec<String> = files
        .iter()
        .flat_map(|file| file.split('\n'))
        .map(|line| line.split("--").next().unwrap_or_default().to_owned())
        .collect();
    for statement in text.join("\n").split(';') {
        let bare = bare(statement);
        if let Some(rest) = bare.strip_prefix("ALTER TABLE ") {
            // A column added later is put behind the other columns of the first statement.
            let Some((table, column)) = rest.split_once(" ADD COLUMN ") else {
                continue;
            };
            let start = format!("CREATE TABLE {table} (");
            for known in made.iter_mut().filter(|known| known.starts_with(&start)) {
                let end = known
                    .find(" , PRIMARY KEY (")
                    .unwrap_or(known.len().saturating_sub(2));
                known.insert_str(end, &format!(" , {column}"));
            }
        } else if bare.starts_with("CREATE ") {
            made.push(bare);
        }
    }
    made.sort_unstable();
    made
}

pub(crate) async fn check(
    service: &'static str,
    db: &Db,
    report: &mut Report,
) -> Result<(), ReadError> {
    const BY: &str = "SQLite's own check and the migrations";
    for said in literal::rows(db, INTEGRITY).await? {
        if said != "ok" {
            report.add(service, BY, said);
        }
    }
    let there = literal::tables(db).await?;
    for (table, sql) in TYPES {
        if literal::has(&there, table) {
            for count in literal::rows(db, sql)
                .await?
                .iter()
                .filter(|count| *count != "0")
            {
                let what = format!("table {table} has {count} rows with values of a wrong type");
                report.add(service, BY, what);
            }
        }
    }
    let own = SERVICES.iter().find(|(name, _)| *name == service);
    let mut sets: Vec<(&str, Vec<&str>)> = vec![("journal", JOURNAL.to_vec())];
    if service == "audit" {
        sets.push(("public_log", vec![PUBLIC_LOG]));
    }
    sets.extend(own.map(|(name, files)| (*name, files.to_vec())));
    let found = literal::rows(db, APPLIED).await?;
    let mut files = Vec::new();
    let mut applied = Vec::new();
    for (set, own) in &sets {
        for (version, sql) in (1_i64..).zip(own) {
            let named = NAMED.iter().find(|one| (one.0, one.1) == (*set, version));
            let digest = sunbid_proofs::sha256(&[sql.as_bytes()]);
            let row = literal::row(&[
                literal::text(named.map_or(*set, |one| one.2)),
                version.to_string(),
                literal::blob(&digest),
            ]);
            if version > 1 && !found.contains(&row) {
                break;
            }
            files.push(*sql);
            applied.push(row);
        }
    }
    report.compare(service, "schema_version", &found, &mut applied);
    let expected = made(&files);
    let found = literal::rows(db, STATEMENTS).await?;
    let mut found: Vec<String> = found.iter().map(|sql| bare(sql)).collect();
    found.sort_unstable();
    if found != expected {
        let odd = found.iter().find(|one| !expected.contains(one));
        let missing = expected.iter().find(|one| !found.contains(one));
        let what = format!("its schema is another: {odd:?} instead of {missing:?}");
        report.add(service, BY, what);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

    use super::*;

    /// What SQLite makes of a statement: every column and every indexed column with all that it says of
    /// them; nothing where it refuses.
    async fn understood(
        connection: &mut SqliteConnection,
        sql: &str,
        table: Option<&str>,
    ) -> Option<Vec<String>> {
        let mut all = Vec::new();
        let mut transaction = connection.begin().await.unwrap();
        if let Some(table) = table {
            let table = AssertSqlSafe(table.to_owned());
            sqlx::raw_sql(table)
                .execute(&mut *transaction)
                .await
                .unwrap();
        }
        let run = AssertSqlSafe(sql.to_owned());
        let done = sqlx::raw_sql(run).execute(&mut *transaction).await;
        if done.is_ok() {
            let structure = "SELECT quote(m.type) || quote(m.name) || quote(m.tbl_name) || quote(t.name) \
                 || quote(t.type) || quote(t.\"notnull\") || quote(t.dflt_value) || quote(t.pk) \
                 || quote(t.hidden) FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) t \
                 UNION ALL SELECT quote(m.name) || quote(l.name) || quote(l.\"unique\") \
                 || quote(l.partial) || quote(x.name) || quote(x.\"desc\") || quote(x.coll) \
                 || quote(x.\"key\") FROM sqlite_schema m JOIN pragma_index_list(m.name) l \
                 JOIN pragma_index_xinfo(l.name) x ORDER BY 1";
            for row in sqlx::query(structure)
                .fetch_all(&mut *transaction)
                .await
                .unwrap()
            {
                all.push(row.get::<String, _>(0));
            }
        }
        transaction.rollback().await.unwrap();
        done.is_ok().then_some(all)
    }

    /// A changed byte that the comparison does not see - in a comment, or a space - changes nothing of
    /// what SQLite understands.
    #[tokio::test]
    async fn a_byte_that_is_not_compared_means_nothing() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        // Those that say the most in comments.
        let files = [
            JOURNAL[0],
            include_str!("../../../migrations/registry/0002_accounts.sql"),
            include_str!("../../../migrations/bid/0004_intake.sql"),
        ];
        let (mut tables, mut unseen, mut seen) = (BTreeMap::new(), 0, 0);
        for file in files {
            let mut statement = String::new();
            let mut statements = Vec::new();
            for line in file.split_inclusive('\n') {
                statement.push_str(line);
                if line.trim_end().ends_with(';') {
                    statements.push(std::mem::take(&mut statement));
                }
            }
            for statement in statements {
                // SQLite keeps what begins here.
                let Some(begin) = statement.find("CREATE ") else {
                    continue;
                };
                let statement = statement[begin..].to_owned();
                let same = bare(&statement);
                let words: Vec<String> = same.split(' ').map(str::to_owned).collect();
                let table = match words.first().map(String::as_str) {
                    Some("CREATE") if words[1] == "TABLE" => {
                        tables.insert(words[2].clone(), statement.clone());
                        None
                    }
                    Some("CREATE") => {
                        let on = words.iter().position(|word| word == "ON").unwrap();
                        Some(tables[&words[on + 1]].clone())
                    }
                    _ => continue,
                };
                let table = table.as_deref();
                let whole = understood(&mut connection, &statement, table).await;
                assert!(whole.is_some(), "{statement}");
                for (at, _) in statement.bytes().enumerate() {
                    for by in *b"\n\r\x0b -\0" {
                        let mut bytes = statement.clone().into_bytes();
                        bytes[at] = by;
                        let Ok(changed) = String::from_utf8(bytes) else {
                            continue;
                        };
                        if changed == statement {
                            continue;
                        }
                        if bare(&changed) != same {
                            seen += 1;
                            continue;
                        }
                        unseen += 1;
                        let now = understood(&mut connection, &changed, table).await;
                        assert!(now.is_none() || now == whole, "{changed:?} at {at}");
                    }
                }
            }
        }
        assert!(unseen > 500 && seen > 500, "{unseen} {seen}");
    }

    #[test]
    fn words_stay_apart_and_columns_added_later_come_behind() {
        assert_ne!(bare("a BYTEA NOT NULL"), bare("a BYTEA NOTNULL"));
        assert_ne!(bare("a TEXT"), bare("aTEXT"));
        assert_eq!(bare("a(b,c) -- d\n"), bare("a (\tb ,\r\nc )"));
        let made = made(&[
            "CREATE TABLE t (a TEXT, PRIMARY KEY (a));",
            "ALTER TABLE t ADD COLUMN b TEXT;\nCREATE TABLE u (a TEXT);\nALTER TABLE u ADD COLUMN c TEXT;",
        ]);
        assert!(made.contains(&bare("CREATE TABLE t (a TEXT, b TEXT, PRIMARY KEY (a))")));
        assert!(made.contains(&bare("CREATE TABLE u (a TEXT, c TEXT)")));
    }
}
