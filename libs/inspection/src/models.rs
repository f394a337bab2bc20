//! The services' own tables, row for row as the records lead to them. Written from the meaning of the
//! tables, not from the services' statements.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use prost::Message;
use sunbid_contracts::{
    bid::v1::{BidSubmitted, BiddingClosed, BiddingEnded},
    deposit::v1::{
        CreditReceived, DepositOpened, PostingLine, RefundConfirmed, RefundDue, RefundRejected,
        RefundSent, TermsSet,
    },
    notice::v1::{
        ClarificationPublished, FollowUpPublished, IntentPublished, Notice, NoticeKind,
        QuestionAsked, QuestionState, TenderNoticePublished,
    },
    opening::v1::OpeningRecordPublished,
    tender::v1::CeremonyState,
};
use sunbid_domain::{
    bid::TenderBox,
    deposit::kind_of,
    notice::{Questions, text},
    opening::SessionState,
    tender::{Dossier, aggregate::is_public, ceremony::waits_for},
};
use sunbid_journal::{LogId, ReadError};
use sunbid_proofs::sha256;

use crate::{
    Inspected, Report, intake,
    literal::{self, blob, bool, row, text as quoted},
    logs::{Entry, Log},
    registry,
};

const NOTICES: &str = "SELECT quote(name)||','||quote(kind)||','||quote(tender)||','||\
     quote(publish_us)||','||quote(search)||','||quote(body) FROM notice";
const QUESTIONS: &str = "SELECT quote(name)||','||quote(tender)||','||quote(asker)||','||\
     quote(answered)||','||quote(ask_us)||','||quote(body) FROM question";
const TENDERS: &str = "SELECT quote(name)||','||quote(state)||','||quote(track)||','||\
     quote(purchaser)||','||quote(public)||','||quote(create_us)||','||quote(search)||','||\
     quote(body) FROM tender";
const WAITS: &str = "SELECT quote(tender)||','||quote(organization) FROM ceremony_wait";
const ACCOUNTS: &str = "SELECT quote(account)||','||quote(name)||','||quote(tender)||','||\
     quote(lot_id)||','||quote(supplier) FROM virtual_account";
const TERMS: &str = "SELECT quote(tender)||','||quote(revealed) FROM tender_terms";
const POSTINGS: &str = "SELECT quote(posting)||','||quote(line)||','||quote(tender)||','||\
     quote(account)||','||quote(kind)||','||quote(amount_fen) FROM posting";
const CREDITS: &str = "SELECT quote(bank_reference)||','||quote(digest) FROM bank_credit";
const REFUNDS: &str = "SELECT quote(payment_id)||','||quote(scope)||','||quote(account)||','||\
     quote(amount_fen)||','||quote(creditor_account)||','||quote(creditor_name)||','||\
     quote(standing)||','||quote(next_time_us) FROM refund";
const BIDS_SEEN: &str =
    "SELECT quote(bundle)||','||quote(lot_id)||','||quote(supplier) FROM bid_seen";
const BIDDING: &str = "SELECT quote(tender)||','||quote(deadline_us)||','||quote(held)||','||\
     quote(finished) FROM bidding";
const OWN_BIDS: &str =
    "SELECT quote(organization)||','||quote(tender)||','||quote(lot_id) FROM own_bid";
const OPENINGS: &str =
    "SELECT quote(tender)||','||quote(stage)||','||quote(deadline_us) FROM session";
const RECORDS: &str = "SELECT quote(tender)||','||quote(record) FROM opening_record";
const PAYLOADS: &str = "SELECT root, payload FROM small_payload";
const SECRETS: &str = "SELECT name, secret FROM secret";
/// Unfinished uploads begin again where their files are gone.
const UPLOADS: &str =
    "SELECT root, payload_bytes, file, by_root, remote FROM upload WHERE complete = TRUE";
/// The same of an earlier program, whose files all lie under their roots.
const UPLOADS_BY_ROOT: &str =
    "SELECT root, payload_bytes, file, TRUE, '' FROM upload WHERE complete = TRUE";
const CURSORS: &str = "SELECT consumer, log_id, next_seq FROM consumer_cursor";

pub(crate) type Logs = BTreeMap<LogId, Log>;

pub(crate) fn entries(logs: &Logs) -> impl Iterator<Item = (&Log, &Entry)> {
    let each = logs
        .values()
        .map(|log| log.entries.iter().map(move |entry| (log, entry)));
    each.flatten()
}

pub(crate) async fn check(
    database: &Inspected,
    all: &BTreeMap<&'static str, Logs>,
    data: &Path,
    report: &mut Report,
) -> Result<(), ReadError> {
    let none = Logs::new();
    let logs = all.get(database.service).unwrap_or(&none);
    let tables: Vec<(&str, &'static str, Vec<String>)> = match database.service {
        "registry" => registry::tables(logs),
        "notice" => notice(logs),
        "tender" => tender(logs),
        "deposit" => deposit(logs, all.get("bid").unwrap_or(&none)),
        "bid" => {
            let mut tables = bid(logs);
            tables.extend(intake::tables(logs));
            tables
        }
        "opening" => opening(logs),
        _ => Vec::new(),
    };
    let db = database.journal.db();
    let there = literal::tables(db).await?;
    for (table, sql, mut expected) in tables {
        let found = if literal::has(&there, table) {
            literal::rows(db, sql).await?
        } else {
            Vec::new()
        };
        report.compare(database.service, table, &found, &mut expected);
    }
    if database.service == "registry" {
        registry::accounts(database, logs, &there, report).await?;
    }
    if database.service == "bid" {
        intake::proof(database, logs, &there, report).await?;
        small_payloads(database, logs, report).await?;
        streams(database, logs, report).await?;
        uploads(database, &there, data, report).await?;
    }
    cursors(database, all, report).await
}

fn notice(logs: &Logs) -> Vec<(&'static str, &'static str, Vec<String>)> {
    let mut notices = Vec::new();
    for (_, entry) in entries(logs) {
        let published = entry
            .read::<TenderNoticePublished>()
            .and_then(|event| event.notice)
            .or_else(|| entry.read::<ClarificationPublished>()?.notice)
            .or_else(|| entry.read::<FollowUpPublished>()?.notice)
            .or_else(|| intent(entry));
        notices.extend(published.map(|own| {
            row(&[
                quoted(&own.name),
                own.kind.to_string(),
                quoted(&own.tender),
                own.publish_time_us.to_string(),
                quoted(&own.title.to_lowercase()),
                blob(&own.encode_to_vec()),
            ])
        }));
    }
    let mut questions = Vec::new();
    for log in logs.values() {
        for (stream, own) in log.states::<Questions>() {
            for question in own.questions {
                let asked = log.entries.iter().filter(|entry| entry.stream == stream);
                let asked = asked.filter_map(|entry| entry.read::<QuestionAsked>());
                let asker = asked.map(|event| event.asker).next().unwrap_or_default();
                let tender = question
                    .name
                    .split("/questions/")
                    .next()
                    .unwrap_or_default();
                questions.push(row(&[
                    quoted(&question.name),
                    quoted(tender),
                    quoted(&asker),
                    bool(question.state() == QuestionState::Answered),
                    question.ask_time_us.to_string(),
                    blob(&question.encode_to_vec()),
                ]));
            }
        }
    }
    vec![
        ("notice", NOTICES, notices),
        ("question", QUESTIONS, questions),
    ]
}

/// The notice of an intent, which its record does not carry.
fn intent(entry: &Entry) -> Option<Notice> {
    let event = entry.read::<IntentPublished>()?;
    let intent = event.intent?;
    let (title, body_zh, body_en) = text::intent(&intent);
    Some(Notice {
        name: event.notice,
        kind: NoticeKind::Intent as i32,
        track: intent.track,
        title,
        body_zh,
        body_en,
        purchaser: intent.purchaser.clone(),
        purchaser_display_name: intent.purchaser_display_name.clone(),
        publish_time_us: intent.publish_time_us,
        intent: Some(intent),
        ..Notice::default()
    })
}

fn tender(logs: &Logs) -> Vec<(&'static str, &'static str, Vec<String>)> {
    let (mut tenders, mut waits) = (Vec::new(), Vec::new());
    for own in logs
        .values()
        .flat_map(|log| log.states::<Dossier>().into_values())
    {
        let Some(tender) = own.tender else { continue };
        tenders.push(row(&[
            quoted(&tender.name),
            tender.state.to_string(),
            tender.track.to_string(),
            quoted(&tender.purchaser),
            bool(is_public(&tender)),
            tender.create_time_us.to_string(),
            quoted(&tender.title.to_lowercase()),
            blob(&tender.encode_to_vec()),
        ]));
        let running = own
            .ceremony
            .iter()
            .filter(|one| one.state() != CeremonyState::Failed);
        for ceremony in running {
            for holder in &ceremony.holders {
                if waits_for(ceremony, &holder.organization).is_some() {
                    waits.push(row(&[quoted(&tender.name), quoted(&holder.organization)]));
                }
            }
        }
    }
    vec![
        ("tender", TENDERS, tenders),
        ("ceremony_wait", WAITS, waits),
    ]
}

fn deposit(logs: &Logs, bids: &Logs) -> Vec<(&'static str, &'static str, Vec<String>)> {
    let (mut accounts, mut terms, mut postings) = (Vec::new(), Vec::new(), Vec::new());
    let (mut credits, mut refunds, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    let mut post = |scope: &str, posting: String, lines: &[PostingLine]| {
        for (at, line) in lines.iter().enumerate() {
            postings.push(row(&[
                quoted(&posting),
                at.to_string(),
                quoted(scope),
                quoted(&line.account),
                quoted(kind_of(&line.account)),
                line.amount_fen.to_string(),
            ]));
        }
    };
    for log in logs.values() {
        let mut payments: BTreeMap<String, (RefundDue, String, i64, i64)> = BTreeMap::new();
        let mut announced = false;
        // Accounts are streams; which one a refund is of, its deposit or credit said before.
        let mut account_of = BTreeMap::new();
        for entry in &log.entries {
            if entry.read::<TermsSet>().is_some() {
                announced = true;
            } else if let Some(own) = entry.read::<DepositOpened>().and_then(|own| own.deposit) {
                account_of.insert(entry.stream, own.virtual_account.clone());
                let values = [
                    &own.virtual_account,
                    &own.name,
                    &own.tender,
                    &own.lot_id,
                    &own.supplier,
                ];
                accounts.push(row(&values.map(|value| quoted(value))));
            } else if let Some(credit) = entry.read::<CreditReceived>() {
                account_of
                    .entry(entry.stream)
                    .or_insert_with(|| credit.virtual_account.clone());
                post(
                    &log.scope,
                    format!("credit/{}", credit.bank_reference),
                    &credit.lines,
                );
                let said = CreditReceived {
                    virtual_account: credit.virtual_account,
                    bank_reference: credit.bank_reference.clone(),
                    amount_fen: credit.amount_fen,
                    payer_name: credit.payer_name,
                    payer_account: credit.payer_account,
                    booked_time_us: credit.booked_time_us,
                    ..CreditReceived::default()
                };
                let digest = sha256(&[&said.encode_to_vec()]);
                credits.push(row(&[quoted(&credit.bank_reference), blob(&digest)]));
            } else if let Some(due) = entry.read::<RefundDue>() {
                post(&log.scope, format!("due/{}", due.payment_id), &due.lines);
                let account = account_of.get(&entry.stream).cloned().unwrap_or_default();
                let at = entry.at.micros();
                payments.insert(due.payment_id.clone(), (due, account, 0, at));
            } else if let Some(sent) = entry.read::<RefundSent>() {
                payments.entry(sent.payment_id).and_modify(|one| one.2 = 1);
            } else if let Some(rejected) = entry.read::<RefundRejected>() {
                let retry = rejected.retry_time_us;
                let one = payments.entry(rejected.payment_id);
                one.and_modify(|one| (one.2, one.3) = (0, retry));
            } else if let Some(paid) = entry.read::<RefundConfirmed>() {
                post(&log.scope, format!("paid/{}", paid.payment_id), &paid.lines);
                payments.entry(paid.payment_id).and_modify(|one| one.2 = 2);
            }
        }
        if announced {
            let own = bids.values().find(|own| own.scope == log.scope);
            let over = |entry: &Entry| {
                entry.read::<BiddingClosed>().is_some() || entry.read::<BiddingEnded>().is_some()
            };
            let revealed = own.is_some_and(|own| own.entries.iter().any(over));
            terms.push(row(&[quoted(&log.scope), bool(revealed)]));
        }
        for (due, account, standing, next) in payments.into_values() {
            refunds.push(row(&[
                quoted(&due.payment_id),
                quoted(&log.scope),
                quoted(&account),
                due.amount_fen.to_string(),
                quoted(&due.creditor_account),
                quoted(&due.creditor_name),
                standing.to_string(),
                next.to_string(),
            ]));
        }
    }
    for bid in entries(bids).filter_map(|(_, entry)| entry.read::<BidSubmitted>()?.bid) {
        seen.push(row(&[
            blob(&bid.bundle),
            quoted(&bid.lot_id),
            quoted(&bid.bidder),
        ]));
    }
    vec![
        ("virtual_account", ACCOUNTS, accounts),
        ("tender_terms", TERMS, terms),
        ("posting", POSTINGS, postings),
        ("bank_credit", CREDITS, credits),
        ("refund", REFUNDS, refunds),
        ("bid_seen", BIDS_SEEN, seen),
    ]
}

fn bid(logs: &Logs) -> Vec<(&'static str, &'static str, Vec<String>)> {
    let boxes = logs
        .values()
        .flat_map(|log| log.states::<TenderBox>().into_values());
    let bidding = boxes.filter(|own| !own.tender.is_empty()).map(|own| {
        row(&[
            quoted(&own.tender),
            own.deadline_us.to_string(),
            bool(own.held && !own.closed && !own.ended),
            bool(own.closed || own.ended),
        ])
    });
    let bids = entries(logs).filter_map(|(_, entry)| entry.read::<BidSubmitted>()?.bid);
    let own = bids.map(|bid| {
        row(&[
            quoted(&bid.bidder),
            quoted(&bid.tender),
            quoted(&bid.lot_id),
        ])
    });
    vec![
        ("bidding", BIDDING, bidding.collect()),
        ("own_bid", OWN_BIDS, own.collect()),
    ]
}

fn opening(logs: &Logs) -> Vec<(&'static str, &'static str, Vec<String>)> {
    let sessions = logs
        .values()
        .flat_map(|log| log.states::<SessionState>().into_values());
    let sessions = sessions.filter_map(|own| {
        let tender = own.tender?.name;
        Some(row(&[
            quoted(&tender),
            own.stage.to_string(),
            own.deadline_us.to_string(),
        ]))
    });
    let published = entries(logs).filter_map(|(log, entry)| {
        let record = entry.read::<OpeningRecordPublished>()?.record?;
        Some(row(&[quoted(&log.scope), blob(&record.encode_to_vec())]))
    });
    vec![
        ("session", OPENINGS, sessions.collect()),
        ("opening_record", RECORDS, published.collect()),
    ]
}

/// Payloads kept in the database are what their root says, and each is some bid's.
async fn small_payloads(
    database: &Inspected,
    logs: &Logs,
    report: &mut Report,
) -> Result<(), ReadError> {
    const BY: &str = "payloads against their roots";
    let roots: BTreeSet<Vec<u8>> = entries(logs)
        .filter_map(|(_, entry)| entry.read::<BidSubmitted>()?.bid)
        .flat_map(|bid| bid.parts)
        .map(|part| part.payload_root)
        .collect();
    for found in database.journal.db().rows(PAYLOADS, &[]).await? {
        report.rows += 1;
        let (root, payload) = (found.blob(0)?, found.blob(1)?);
        let computed = crate::files::root_of(payload.as_slice());
        if computed.is_ok_and(|computed| computed.as_slice() != root) || !roots.contains(&root) {
            report.add(
                "bid",
                BY,
                format!("the payload {} is not one", hex::encode(&root)),
            );
        }
        report.small.insert(root);
    }
    Ok(())
}

/// Whole uploads are in their place, with a bid or without.
async fn uploads(
    database: &Inspected,
    there: &[String],
    data: &Path,
    report: &mut Report,
) -> Result<(), ReadError> {
    let uploads = if literal::has(there, "upload_piece") {
        UPLOADS
    } else {
        UPLOADS_BY_ROOT
    };
    for found in database.journal.db().rows(uploads, &[]).await? {
        report.rows += 1;
        let (root, bytes) = (found.blob(0)?, found.int(1)?);
        if !found.text(4)?.is_empty() {
            report.remote.insert(root);
            continue;
        }
        let name = if found.bool(3)? {
            hex::encode(&root)
        } else {
            found.text(2)?
        };
        report.sealed.insert(name.clone(), root);
        let shelf = data
            .join("bid/sealed")
            .join(name.get(..2).unwrap_or_default());
        let there = std::fs::metadata(shelf.join(&name))
            .map(|file| file.len())
            .ok();
        if there != u64::try_from(bytes).ok() {
            let what = format!("the upload {name} of {bytes} bytes is gone");
            report.add("bid", crate::files::BY, what);
        }
    }
    Ok(())
}

/// A bidder's stream follows from the database's secret, so the secret is the one it was.
async fn streams(database: &Inspected, logs: &Logs, report: &mut Report) -> Result<(), ReadError> {
    const BY: &str = "streams against the secret they are made under";
    const NAME: &str = "bid-streams-v1";
    let rows = database.journal.db().rows(SECRETS, &[]).await?;
    let mut secret = None;
    for found in &rows {
        report.rows += 1;
        if found.text(0)? == NAME && rows.len() == 1 {
            secret = Some(ring::hmac::Key::new(
                ring::hmac::HMAC_SHA256,
                &found.blob(1)?,
            ));
        } else {
            report.add("bid", BY, "there is a secret that nobody has made");
        }
    }
    for (log, entry) in entries(logs) {
        let Some(bid) = entry.read::<BidSubmitted>().and_then(|event| event.bid) else {
            continue;
        };
        let code = bid.bidder.trim_start_matches("organizations/");
        let stream = secret.as_ref().map(|key| {
            let mut context = ring::hmac::Context::with_key(key);
            for part in [NAME, &log.scope, &bid.lot_id, code] {
                context.update(&(part.len() as u64).to_be_bytes());
                context.update(part.as_bytes());
            }
            sunbid_journal::StreamId::of(&format!("bid/{}", hex::encode(context.sign())))
        });
        if stream != Some(entry.stream) {
            report.add(
                "bid",
                BY,
                "a bid stands in another stream than its bidder's",
            );
            return Ok(());
        }
    }
    Ok(())
}

/// No follower is ahead of what it follows.
async fn cursors(
    database: &Inspected,
    all: &BTreeMap<&'static str, Logs>,
    report: &mut Report,
) -> Result<(), ReadError> {
    for found in database.journal.db().rows(CURSORS, &[]).await? {
        report.rows += 1;
        let (consumer, next) = (found.text(0)?, found.int(2)?);
        let log = LogId::from_slice(&found.blob(1)?);
        let followed = log.and_then(|log| all.values().find_map(|logs| logs.get(&log)));
        let size = followed.map_or(0, |log| log.leaves.len());
        if usize::try_from(next).map_or(true, |next| next > size) {
            let scope = followed.map_or("a log that is not there", |log| log.scope.as_str());
            let what =
                format!("{consumer} has followed {next} records of {scope}, which has {size}");
            report.add(
                database.service,
                "comparing followers with what they follow",
                what,
            );
        }
    }
    Ok(())
}
