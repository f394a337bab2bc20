//! Both engines end up with the same tables: every service's migrations are applied to both, and
//! what each engine then says of its tables, columns, keys and indexes is compared line by line.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use sunbid_journal::{Db, Migration, Val};

const SQLITE_COLUMNS: &str = "SELECT t.name, c.name, lower(c.type), c.\"notnull\", \
     CASE WHEN c.dflt_value IS NULL THEN 0 ELSE 1 END, c.pk \
     FROM sqlite_schema t JOIN pragma_table_info(t.name) c \
     WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!'";
const SQLITE_INDEXES: &str = "SELECT t.name, i.\"unique\", (SELECT group_concat(name, ',') FROM \
     (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) \
     FROM sqlite_schema t JOIN pragma_index_list(t.name) i WHERE t.type = 'table'";

const POSTGRES_COLUMNS: &str = "SELECT c.table_name::TEXT, c.column_name::TEXT, \
     c.data_type::TEXT, (c.is_nullable = 'NO')::INT::BIGINT, \
     (c.column_default IS NOT NULL)::INT::BIGINT, COALESCE(k.ordinal_position::BIGINT, 0) \
     FROM information_schema.columns c LEFT JOIN (information_schema.key_column_usage k \
     JOIN information_schema.table_constraints p ON p.constraint_name = k.constraint_name \
     AND p.table_schema = k.table_schema AND p.constraint_type = 'PRIMARY KEY') \
     ON k.table_schema = c.table_schema AND k.table_name = c.table_name \
     AND k.column_name = c.column_name WHERE c.table_schema = 'public'";
const POSTGRES_INDEXES: &str = "SELECT t.relname::TEXT, x.indisunique::INT::BIGINT, \
     (SELECT string_agg(a.attname, ',' ORDER BY k.place) \
     FROM unnest(x.indkey) WITH ORDINALITY AS k(number, place) \
     JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.number) \
     FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid \
     JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = 'public'";

/// Every file of `migrations/`, in each folder's order.
fn migrations() -> Vec<Migration> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut all = Vec::new();
    for folder in std::fs::read_dir(root).unwrap() {
        let folder = folder.unwrap().path();
        let files = std::fs::read_dir(&folder).unwrap();
        let files: BTreeSet<_> = files.map(|file| file.unwrap().path()).collect();
        for (file, version) in files.into_iter().zip(1..) {
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            all.push(Migration {
                version,
                name: Box::leak(name.into_boxed_str()),
                sql: Box::leak(std::fs::read_to_string(file).unwrap().into_boxed_str()),
            });
        }
    }
    assert!(all.len() >= 10, "{} migrations", all.len());
    all
}

/// What the engine says, a line for each column and each index.
async fn told(db: &Db, columns: &'static str, indexes: &'static str) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for row in db.rows(columns, &[]).await.unwrap() {
        let kind = match row.text(2).unwrap().as_str() {
            "bytea" => "bytes",
            "bigint" => "number",
            "boolean" => "boolean",
            "text" => "text",
            other => panic!("{other} is no portable type"),
        };
        lines.insert(format!(
            "{}.{} {kind} not null {} default {} key {}",
            row.text(0).unwrap(),
            row.text(1).unwrap(),
            row.int(3).unwrap(),
            row.int(4).unwrap(),
            row.int(5).unwrap()
        ));
    }
    for row in db.rows(indexes, &[]).await.unwrap() {
        lines.insert(format!(
            "{} index unique {} on {}",
            row.text(0).unwrap(),
            row.int(1).unwrap(),
            row.text(2).unwrap()
        ));
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn both_engines_have_the_same_tables() {
    let Some(postgres) = common::postgres(Default::default()).await else {
        return;
    };
    let sqlite = common::sqlite(Default::default()).await;
    // Services have a database or a schema of their own, and may use the same names.
    let mut compared = 0;
    let all = migrations();
    let names: BTreeSet<_> = all.iter().map(|migration| migration.name).collect();
    for name in names {
        let of = |migration: &&Migration| migration.name == name && name != "journal";
        let own: Vec<Migration> = all.iter().filter(of).copied().collect();
        for place in [&sqlite, &postgres] {
            place.db.migrate(&own).await.unwrap();
        }
        let lite = told(&sqlite.db, SQLITE_COLUMNS, SQLITE_INDEXES).await;
        let pg = told(&postgres.db, POSTGRES_COLUMNS, POSTGRES_INDEXES).await;
        let differing: Vec<_> = lite.symmetric_difference(&pg).collect();
        assert!(differing.is_empty(), "{name}: {differing:#?}");
        compared += lite.len();
        for place in [&sqlite, &postgres] {
            drop_tables(&place.db, &own).await;
        }
    }
    assert!(compared > 150, "{compared} lines");
}

/// Makes room for the next service.
async fn drop_tables(db: &Db, own: &[Migration]) {
    for migration in own {
        for line in migration.sql.lines() {
            let Some(rest) = line.strip_prefix("CREATE TABLE ") else {
                continue;
            };
            let table = rest.split([' ', '(']).next().unwrap();
            let drop = format!("DROP TABLE {table}");
            let drop: &'static str = Box::leak(drop.into_boxed_str());
            db.exec(drop, &[]).await.unwrap();
        }
        let forget = "DELETE FROM schema_version WHERE name = $1";
        let name = Val::Text(migration.name.to_owned());
        db.exec(forget, &[name]).await.unwrap();
    }
}
