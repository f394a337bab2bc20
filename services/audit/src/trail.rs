//! A tender's whole trail across services: every record in order of time, with the verdicts that
//! allowed it. Before the bid log has closed it says nothing of suppliers, not even to supervisors.

use prost::Message;
use sunbid_contracts::{
    audit::v1::TrailEntry,
    common::v1::Record,
    journal::v1::{LogEntry, ReadLogRequest},
    tender::v1::TenderCreated,
};
use sunbid_proofs::{LogId, Record as SealedRecord, record};
use sunbid_service::{Peers, Problem};

use crate::{mirror::Mirror, secrecy, summary};

const PAGE: i32 = 1000;

/// A log of a tender that is part of its trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub service: &'static str,
    pub scope: String,
    /// The bid log has closed: nothing is secret any more.
    pub open: bool,
}

/// The logs that the trail of a tender consists of.
pub async fn parts(mirror: &Mirror, peers: &Peers, tender: &str) -> Result<Vec<Part>, Problem> {
    let closed = mirror
        .log("bid", tender)
        .await
        .is_some_and(|log| log.closed);
    let mut parts = Vec::new();
    for (service, logs) in mirror.by_service().await {
        for log in logs {
            let about = log.scope == tender || log.scope == format!("refusals/{tender}");
            if about && (closed || !secrecy::is_sealed(service, &log.scope)) {
                parts.push(Part {
                    service,
                    scope: log.scope,
                    open: closed,
                });
            }
        }
    }
    if let Some(intent) = intent_of(peers, tender).await?
        && mirror.log("notice", &intent).await.is_some()
    {
        parts.push(Part {
            service: "notice",
            scope: intent,
            open: closed,
        });
    }
    Ok(parts)
}

/// The intent a tender follows from, by the tender's first record.
pub async fn intent_of(peers: &Peers, tender: &str) -> Result<Option<String>, Problem> {
    let entries = read(peers, "tender", tender, 0, 1).await?;
    let Some(body) = entries.first().and_then(body_of) else {
        return Ok(None);
    };
    if body.r#type != "sunbid.tender.v1.TenderCreated" {
        return Ok(None);
    }
    let created = TenderCreated::decode(body.event.as_slice()).map_err(Problem::internal)?;
    let intent = created.tender.unwrap_or_default().intent;
    Ok(if intent.is_empty() {
        None
    } else {
        Some(intent)
    })
}

/// Entries of a part from `from` on that may be shown, and where the next read starts.
pub async fn entries(
    peers: &Peers,
    part: &Part,
    from: i64,
) -> Result<(Vec<TrailEntry>, i64), Problem> {
    let page = read(peers, part.service, &part.scope, from, PAGE).await?;
    let next = page.last().map_or(from, |entry| entry.seq + 1);
    let mut shown = Vec::new();
    for entry in &page {
        let sealed = SealedRecord::decode(&entry.record)
            .ok_or_else(|| Problem::internal("the bytes are no record"))?;
        let body = body_of(entry).unwrap_or_default();
        if !part.open && secrecy::is_sealed_event(&body.r#type) {
            continue;
        }
        let (summary_zh, summary_en) = if body.r#type.is_empty() {
            (
                "（内容已依法删除）".to_owned(),
                "(body lawfully erased)".to_owned(),
            )
        } else {
            summary::of(&body)
        };
        shown.push(TrailEntry {
            service: part.service.to_owned(),
            seq: entry.seq,
            at_us: sealed.header.at,
            r#type: body.r#type,
            actor: body.actor,
            verdicts: body.verdicts,
            leaf: record::leaf(&entry.record).to_vec(),
            summary_zh,
            summary_en,
        });
    }
    Ok((shown, next))
}

/// The whole trail in order of time.
pub async fn whole(
    mirror: &Mirror,
    peers: &Peers,
    tender: &str,
) -> Result<Vec<TrailEntry>, Problem> {
    let mut all = Vec::new();
    for part in parts(mirror, peers, tender).await? {
        let mut from = 0;
        loop {
            let (page, next) = entries(peers, &part, from).await?;
            all.extend(page);
            if next == from {
                break;
            }
            from = next;
        }
    }
    all.sort_by(|one, other| {
        (one.at_us, &one.service, one.seq).cmp(&(other.at_us, &other.service, other.seq))
    });
    Ok(all)
}

/// Records of a log as another service keeps them.
pub async fn read(
    peers: &Peers,
    service: &str,
    scope: &str,
    from_seq: i64,
    limit: i32,
) -> Result<Vec<LogEntry>, Problem> {
    let request = ReadLogRequest {
        service: service.to_owned(),
        log_id: LogId::of(service, scope).as_bytes().to_vec(),
        from_seq,
        limit,
    };
    Ok(peers
        .logs(service)
        .read_log(request)
        .await?
        .into_inner()
        .entries)
}

/// The body of an entry, if it is there and can be read.
pub fn body_of(entry: &LogEntry) -> Option<Record> {
    Record::decode(entry.salted_body.as_deref()?.get(record::SALT_LENGTH..)?).ok()
}
