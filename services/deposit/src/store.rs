//! The service's own tables: every statement, and rows in and out. Nothing is decided here.

use sunbid_contracts::deposit::v1::{
    BalanceLine, CreditReceived, Deposit, PostingLine, RefundConfirmed, RefundDue, RefundRejected,
    RefundSent,
};
use sunbid_domain::{
    Event,
    deposit::{RefundStanding, kind_of},
};
use sunbid_journal::{Db, Migration, ReadError, Row, Val, Write};
use sunbid_service::Problem;
use sunbid_terms::{Fen, Instant};

pub const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    name: "deposit",
    sql: include_str!("../../../migrations/deposit/0001_deposit.sql"),
}];

const PUT_ACCOUNT: &str = "INSERT INTO virtual_account (account, name, tender, lot_id, supplier) \
     VALUES ($1, $2, $3, $4, $5)";
const FIND_ACCOUNT: &str =
    "SELECT account, tender, supplier FROM virtual_account WHERE account = $1";
const FIND_ACCOUNT_OF: &str = "SELECT account, tender, supplier FROM virtual_account \
     WHERE tender = $1 AND lot_id = $2 AND supplier = $3";
const LIST_ACCOUNTS_OF_SUPPLIER: &str = "SELECT account, tender, supplier FROM virtual_account \
     WHERE supplier = $1 AND account > $2 ORDER BY account LIMIT $3";
const LIST_ACCOUNTS_OF_SUPPLIER_AND_TENDER: &str = "SELECT account, tender, supplier \
     FROM virtual_account WHERE supplier = $1 AND account > $2 AND tender = $4 \
     ORDER BY account LIMIT $3";
const LIST_ACCOUNTS_OF_TENDER: &str = "SELECT account, tender, supplier FROM virtual_account \
     WHERE tender = $1 AND account > $2 ORDER BY account LIMIT $3";
const PUT_TERMS: &str = "INSERT INTO tender_terms (tender, revealed) VALUES ($1, FALSE) \
     ON CONFLICT (tender) DO NOTHING";
const REVEAL: &str = "UPDATE tender_terms SET revealed = TRUE WHERE tender = $1";
const PUT_POSTING: &str = "INSERT INTO posting (posting, line, tender, account, kind, amount_fen) \
     VALUES ($1, $2, $3, $4, $5, $6)";
const COUNT_UNEVEN: &str = "SELECT COUNT(*) FROM \
     (SELECT posting FROM posting GROUP BY posting HAVING SUM(amount_fen) <> 0) AS uneven";
const TRIAL_BALANCE: &str = "SELECT p.kind, \
     CAST(SUM(CASE WHEN p.amount_fen > 0 THEN p.amount_fen ELSE 0 END) AS BIGINT), \
     CAST(SUM(CASE WHEN p.amount_fen < 0 THEN -p.amount_fen ELSE 0 END) AS BIGINT) \
     FROM posting p JOIN tender_terms t ON t.tender = p.tender \
     WHERE t.revealed GROUP BY p.kind ORDER BY p.kind";
const PUT_CREDIT: &str = "INSERT INTO bank_credit (bank_reference, digest) VALUES ($1, $2)";
const FIND_CREDIT: &str = "SELECT digest FROM bank_credit WHERE bank_reference = $1";
const PUT_REFUND: &str = "INSERT INTO refund (payment_id, scope, account, amount_fen, \
     creditor_account, creditor_name, standing, next_time_us) \
     VALUES ($1, $2, $3, $4, $5, $6, 0, $7)";
const SET_REFUND: &str = "UPDATE refund SET standing = $2 WHERE payment_id = $1";
const POSTPONE_REFUND: &str =
    "UPDATE refund SET standing = 0, next_time_us = $2 WHERE payment_id = $1";
const LIST_OPEN_REFUNDS: &str = "SELECT payment_id, scope, account, amount_fen, creditor_account, \
     creditor_name, standing FROM refund WHERE standing < 2 AND next_time_us <= $1 \
     AND payment_id > $2 ORDER BY payment_id LIMIT $3";
const COUNT_LATE_REFUNDS: &str = "SELECT COUNT(*) FROM refund r JOIN tender_terms t \
     ON t.tender = r.scope WHERE t.revealed AND r.standing < 2 AND r.next_time_us <= $1";
const COUNT_REFUSED_REFUNDS: &str = "SELECT COUNT(*) FROM refund r JOIN tender_terms t \
     ON t.tender = r.scope WHERE t.revealed AND r.standing = 0 AND r.next_time_us > $1";
const FIND_REFUND: &str = "SELECT payment_id, scope, account, amount_fen, creditor_account, \
     creditor_name, standing FROM refund WHERE payment_id = $1";
const PUT_BID: &str = "INSERT INTO bid_seen (bundle, lot_id, supplier) VALUES ($1, $2, $3) \
     ON CONFLICT (bundle) DO NOTHING";
const FIND_BID: &str = "SELECT lot_id, supplier FROM bid_seen WHERE bundle = $1";

/// Every statement by name, for the test that has both engines prepare them.
pub const SQL: &[(&str, &str)] = &[
    ("PUT_ACCOUNT", PUT_ACCOUNT),
    ("FIND_ACCOUNT", FIND_ACCOUNT),
    ("FIND_ACCOUNT_OF", FIND_ACCOUNT_OF),
    ("LIST_ACCOUNTS_OF_SUPPLIER", LIST_ACCOUNTS_OF_SUPPLIER),
    (
        "LIST_ACCOUNTS_OF_SUPPLIER_AND_TENDER",
        LIST_ACCOUNTS_OF_SUPPLIER_AND_TENDER,
    ),
    ("LIST_ACCOUNTS_OF_TENDER", LIST_ACCOUNTS_OF_TENDER),
    ("PUT_TERMS", PUT_TERMS),
    ("REVEAL", REVEAL),
    ("PUT_POSTING", PUT_POSTING),
    ("COUNT_UNEVEN", COUNT_UNEVEN),
    ("TRIAL_BALANCE", TRIAL_BALANCE),
    ("PUT_CREDIT", PUT_CREDIT),
    ("FIND_CREDIT", FIND_CREDIT),
    ("PUT_REFUND", PUT_REFUND),
    ("SET_REFUND", SET_REFUND),
    ("POSTPONE_REFUND", POSTPONE_REFUND),
    ("LIST_OPEN_REFUNDS", LIST_OPEN_REFUNDS),
    ("COUNT_LATE_REFUNDS", COUNT_LATE_REFUNDS),
    ("COUNT_REFUSED_REFUNDS", COUNT_REFUSED_REFUNDS),
    ("FIND_REFUND", FIND_REFUND),
    ("PUT_BID", PUT_BID),
    ("FIND_BID", FIND_BID),
];

/// Whose a virtual account is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    pub account: String,
    pub tender: String,
    pub supplier: String,
}

/// A payment back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRow {
    pub payment_id: String,
    /// The log it belongs to.
    pub scope: String,
    pub account: String,
    pub amount: Fen,
    pub creditor_account: String,
    pub creditor_name: String,
    /// The bank was told.
    pub sent: bool,
}

fn write(sql: &'static str, values: Vec<Val>) -> Write {
    Write { sql, values }
}

fn text(value: &str) -> Val {
    Val::Text(value.to_owned())
}

pub fn put_account(deposit: &Deposit) -> Write {
    let Deposit {
        virtual_account,
        name,
        tender,
        lot_id,
        supplier,
        ..
    } = deposit;
    let values = [virtual_account, name, tender, lot_id, supplier];
    write(
        PUT_ACCOUNT,
        values.into_iter().map(|value| text(value)).collect(),
    )
}

pub fn put_terms(tender: &str) -> Write {
    write(PUT_TERMS, vec![text(tender)])
}

pub fn reveal(tender: &str) -> Write {
    write(REVEAL, vec![text(tender)])
}

pub fn put_credit(bank_reference: &str, digest: &[u8]) -> Write {
    write(
        PUT_CREDIT,
        vec![text(bank_reference), Val::Blob(digest.to_vec())],
    )
}

/// What events of an account mean for the ledger and the list of payments.
pub fn project(
    scope: &str,
    account: &str,
    events: &[Event],
    now: Instant,
) -> Result<Vec<Write>, Problem> {
    let mut writes = Vec::new();
    let post = |writes: &mut Vec<Write>, posting: String, lines: &[PostingLine]| {
        for (line, at) in lines.iter().zip(0_i64..) {
            let kind = kind_of(&line.account);
            writes.push(write(
                PUT_POSTING,
                vec![
                    text(&posting),
                    Val::Int(at),
                    text(scope),
                    text(&line.account),
                    text(kind),
                    Val::Int(line.amount_fen),
                ],
            ));
        }
    };
    for event in events {
        if let Some(credit) = event.read::<CreditReceived>()? {
            post(
                &mut writes,
                format!("credit/{}", credit.bank_reference),
                &credit.lines,
            );
        } else if let Some(due) = event.read::<RefundDue>()? {
            post(&mut writes, format!("due/{}", due.payment_id), &due.lines);
            writes.push(write(
                PUT_REFUND,
                vec![
                    text(&due.payment_id),
                    text(scope),
                    text(account),
                    Val::Int(due.amount_fen),
                    text(&due.creditor_account),
                    text(&due.creditor_name),
                    Val::Int(now.micros()),
                ],
            ));
        } else if let Some(sent) = event.read::<RefundSent>()? {
            writes.push(set_refund(&sent.payment_id, RefundStanding::Sent));
        } else if let Some(rejected) = event.read::<RefundRejected>()? {
            let values = vec![text(&rejected.payment_id), Val::Int(rejected.retry_time_us)];
            writes.push(write(POSTPONE_REFUND, values));
        } else if let Some(confirmed) = event.read::<RefundConfirmed>()? {
            post(
                &mut writes,
                format!("paid/{}", confirmed.payment_id),
                &confirmed.lines,
            );
            writes.push(set_refund(&confirmed.payment_id, RefundStanding::Confirmed));
        }
    }
    Ok(writes)
}

fn set_refund(payment_id: &str, standing: RefundStanding) -> Write {
    write(
        SET_REFUND,
        vec![text(payment_id), Val::Int(i64::from(standing as i32))],
    )
}

fn account_row(row: &Row) -> Result<AccountRow, ReadError> {
    Ok(AccountRow {
        account: row.text(0)?,
        tender: row.text(1)?,
        supplier: row.text(2)?,
    })
}

fn refund_row(row: &Row) -> Result<RefundRow, ReadError> {
    Ok(RefundRow {
        payment_id: row.text(0)?,
        scope: row.text(1)?,
        account: row.text(2)?,
        amount: Fen::new(row.int(3)?),
        creditor_account: row.text(4)?,
        creditor_name: row.text(5)?,
        sent: row.int(6)? > 0,
    })
}

pub async fn find_account(db: &Db, account: &str) -> Result<Option<AccountRow>, ReadError> {
    let rows = db.rows(FIND_ACCOUNT, &[text(account)]).await?;
    rows.first().map(account_row).transpose()
}

pub async fn find_account_of(
    db: &Db,
    tender: &str,
    lot_id: &str,
    supplier: &str,
) -> Result<Option<AccountRow>, ReadError> {
    let rows = db
        .rows(
            FIND_ACCOUNT_OF,
            &[text(tender), text(lot_id), text(supplier)],
        )
        .await?;
    rows.first().map(account_row).transpose()
}

/// A supplier's accounts behind `after`; of one tender alone where one is named.
pub async fn accounts_of_supplier(
    db: &Db,
    supplier: &str,
    tender: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<AccountRow>, ReadError> {
    let mut values = vec![text(supplier), text(after), Val::Int(i64::from(limit))];
    let sql = if tender.is_empty() {
        LIST_ACCOUNTS_OF_SUPPLIER
    } else {
        values.push(text(tender));
        LIST_ACCOUNTS_OF_SUPPLIER_AND_TENDER
    };
    db.rows(sql, &values)
        .await?
        .iter()
        .map(account_row)
        .collect()
}

pub async fn accounts_of_tender(
    db: &Db,
    tender: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<AccountRow>, ReadError> {
    let values = [text(tender), text(after), Val::Int(i64::from(limit))];
    db.rows(LIST_ACCOUNTS_OF_TENDER, &values)
        .await?
        .iter()
        .map(account_row)
        .collect()
}

/// The digest of what was said of a credit when it was booked.
pub async fn credit_digest(db: &Db, bank_reference: &str) -> Result<Option<Vec<u8>>, ReadError> {
    let rows = db.rows(FIND_CREDIT, &[text(bank_reference)]).await?;
    rows.first().map(|row| row.blob(0)).transpose()
}

/// Refunds behind `after` that the bank has not confirmed and that may be ordered at `now`.
pub async fn open_refunds(
    db: &Db,
    now: Instant,
    after: &str,
    limit: u32,
) -> Result<Vec<RefundRow>, ReadError> {
    let values = [
        Val::Int(now.micros()),
        text(after),
        Val::Int(i64::from(limit)),
    ];
    db.rows(LIST_OPEN_REFUNDS, &values)
        .await?
        .iter()
        .map(refund_row)
        .collect()
}

/// Refunds, of tenders whose bids are no secret any more, that were to be ordered before `since` and are
/// not paid.
pub async fn late_refunds(db: &Db, since: Instant) -> Result<i64, ReadError> {
    let rows = db
        .rows(COUNT_LATE_REFUNDS, &[Val::Int(since.micros())])
        .await?;
    rows.first().map_or(Ok(0), |row| row.int(0))
}

/// Refunds of such tenders that the bank refused and that wait to be ordered again.
pub async fn refused_refunds(db: &Db, now: Instant) -> Result<i64, ReadError> {
    let rows = db
        .rows(COUNT_REFUSED_REFUNDS, &[Val::Int(now.micros())])
        .await?;
    rows.first().map_or(Ok(0), |row| row.int(0))
}

pub async fn find_refund(db: &Db, payment_id: &str) -> Result<Option<RefundRow>, ReadError> {
    let rows = db.rows(FIND_REFUND, &[text(payment_id)]).await?;
    rows.first().map(refund_row).transpose()
}

pub async fn put_bid(
    db: &Db,
    bundle: &[u8],
    lot_id: &str,
    supplier: &str,
) -> Result<(), ReadError> {
    db.exec(
        PUT_BID,
        &[Val::Blob(bundle.to_vec()), text(lot_id), text(supplier)],
    )
    .await?;
    Ok(())
}

/// Lot and supplier of a bundle.
pub async fn find_bid(db: &Db, bundle: &[u8]) -> Result<Option<(String, String)>, ReadError> {
    let rows = db.rows(FIND_BID, &[Val::Blob(bundle.to_vec())]).await?;
    rows.first()
        .map(|row| Ok((row.text(0)?, row.text(1)?)))
        .transpose()
}

/// Whether every posting sums to zero.
pub async fn is_balanced(db: &Db) -> Result<bool, ReadError> {
    let rows = db.rows(COUNT_UNEVEN, &[]).await?;
    rows.first().map_or(Ok(true), |row| Ok(row.int(0)? == 0))
}

/// Sums by kind of ledger account over the tenders whose bids are no secret any more.
pub async fn trial_balance(db: &Db) -> Result<Vec<BalanceLine>, ReadError> {
    let line = |row: &Row| {
        Ok(BalanceLine {
            account_kind: row.text(0)?,
            debit_fen: row.int(1)?,
            credit_fen: row.int(2)?,
        })
    };
    db.rows(TRIAL_BALANCE, &[])
        .await?
        .iter()
        .map(line)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_statement_is_taken_by_the_engine() {
        let folder = tempfile::tempdir().unwrap();
        let engines = sunbid_journal::trial::engines(folder.path()).await;
        for db in engines.unwrap() {
            check(db).await;
        }
    }

    async fn check(db: Db) {
        db.migrate(MIGRATIONS).await.unwrap();
        for (name, sql) in SQL {
            db.prepare(sql)
                .await
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}
