//! The access table in words, and the access logs of all services for supervisors. What could tell of
//! a supplier is left out, without a gap or a number that shows it, while any tender that took bids at
//! that moment still does: not even that somebody was refused may say who bids, or when.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use prost::{Message, Name};
use sunbid_contracts::{
    audit::v1::{AccessEntry, AccessRule, AccessWord, ListAccessRequest, ListAccessResponse},
    common::v1::{AccessCounted, AccessRefused, NonPublicRead, Record},
    journal::v1::LogEntry,
};
use sunbid_domain::Refusal;
use sunbid_proofs::{Record as SealedRecord, record};
use sunbid_service::{
    Problem,
    access::{self, Word},
    access_log::SCOPE,
    page,
};
use sunbid_terms::Instant;

use crate::{mirror::Mirror, rpc::Audit, secrecy, trail};

const PAGE: i32 = 1000;

/// The scope of bid logs begins so.
const TENDERS: &str = "tenders/";

/// When the first record of each bid log was made, by scope; read once.
#[derive(Default)]
pub struct Opened(Mutex<HashMap<String, i64>>);

/// Where a page ends: the time and the leaf of its last entry, which its reader has seen.
type Position = (i64, Vec<u8>);

/// The access table, row by row.
pub fn rules() -> Vec<AccessRule> {
    let word = |word: Word| AccessWord {
        word: word.word.to_owned(),
        zh: word.zh.to_owned(),
        en: word.en.to_owned(),
    };
    access::rows()
        .iter()
        .map(|row| AccessRule {
            rpc: row.path.trim_start_matches('/').to_owned(),
            action_zh: row.zh.to_owned(),
            action_en: row.en.to_owned(),
            callers: row.callers().into_iter().map(word).collect(),
            relation: Some(word(row.relation_word())),
            recorded: row
                .recorded
                .iter()
                .map(|role| word(access::role_word(*role)))
                .collect(),
        })
        .collect()
}

impl Audit {
    pub async fn page_of_access(
        &self,
        request: ListAccessRequest,
    ) -> Result<ListAccessResponse, Problem> {
        let today = self.setting.clock.now().china_date();
        let day = match request.day.as_str() {
            "" => today.format("%Y-%m-%d").to_string(),
            day => checked(day)?,
        };
        let services = self.mirror.services();
        let wanted = |service: &&&str| request.service.is_empty() || **service == request.service;
        if !services.iter().any(|service| wanted(&service)) {
            return Err(Refusal::field(
                "service",
                format!("没有此服务；现有：{}。", services.join("、")),
                format!("is no service; there are {}.", services.join(", ")),
            )
            .into());
        }
        let query = format!("access {day} {}", request.service);
        let after = match self.pages.position(&query, &request.page_token)? {
            None => (i64::MIN, Vec::new()),
            Some(position) => read_position(&position)?,
        };
        let secret = self.secret_since().await?;
        let scope = format!("{SCOPE}{day}");
        let mut all = BTreeMap::new();
        for service in services.iter().filter(wanted) {
            self.mirror.catch_up_on(service, &scope).await?;
            for entry in self.access_of(service, &scope).await? {
                if secret.is_some_and(|since| entry.at_us >= since) && tells(&entry) {
                    continue;
                }
                all.insert((entry.at_us, entry.leaf.clone()), entry);
            }
        }
        let size = page::size(request.page_size) as usize;
        let mut rest = all.into_iter().filter(|(at, _)| *at > after);
        let entries: Vec<_> = rest.by_ref().take(size).map(|(_, entry)| entry).collect();
        let next_page_token = match (rest.next(), entries.last()) {
            (Some(_), Some(last)) => {
                let position = [last.at_us.to_be_bytes().as_slice(), &last.leaf].concat();
                self.pages.token(&query, &position)
            }
            _ => String::new(),
        };
        Ok(ListAccessResponse {
            entries,
            next_page_token,
        })
    }

    /// Since when something is secret: the first record of the oldest bid log that is open.
    async fn secret_since(&self) -> Result<Option<i64>, Problem> {
        let open = open_bid_logs(&self.mirror).await;
        let mut since = None;
        for scope in open {
            let known = {
                let opened = self.opened.0.lock();
                let opened = opened.unwrap_or_else(PoisonError::into_inner);
                opened.get(&scope).copied()
            };
            let at = match known {
                Some(at) => at,
                None => {
                    let first = trail::read(&self.setting.peers, "bid", &scope, 0, 1).await?;
                    let first = first
                        .first()
                        .and_then(|one| SealedRecord::decode(&one.record));
                    // A log without a first record has nothing to keep secret yet.
                    let Some(first) = first else { continue };
                    let mut opened = self.opened.0.lock().unwrap_or_else(PoisonError::into_inner);
                    opened.insert(scope, first.header.at);
                    first.header.at
                }
            };
            since = Some(since.map_or(at, |since: i64| since.min(at)));
        }
        Ok(since)
    }

    /// What the audit has verified of one access log.
    async fn access_of(&self, service: &str, scope: &str) -> Result<Vec<AccessEntry>, Problem> {
        let Some(verified) = self.mirror.log(service, scope).await else {
            return Ok(Vec::new());
        };
        let size = i64::try_from(verified.size).unwrap_or(i64::MAX);
        let (mut from, mut entries) = (0, Vec::new());
        while from < size {
            let page = trail::read(&self.setting.peers, service, scope, from, PAGE).await?;
            let Some(last) = page.last() else { break };
            from = last.seq.saturating_add(1);
            let own = page.iter().filter(|entry| entry.seq < size);
            entries.extend(own.filter_map(|one| shown(service, one)));
        }
        Ok(entries)
    }
}

async fn open_bid_logs(mirror: &Mirror) -> Vec<String> {
    let logs = mirror.by_service().await;
    let bids = logs.into_iter().filter(|(service, _)| *service == "bid");
    bids.flat_map(|(_, logs)| logs)
        .filter(|log| log.scope.starts_with(TENDERS) && !log.closed)
        .map(|log| log.scope)
        .collect()
}

/// Whether an entry could tell of a supplier.
fn tells(entry: &AccessEntry) -> bool {
    secrecy::may_be_a_supplier(&entry.roles)
}

/// An entry as it is shown; nothing for what is no call.
fn shown(service: &str, entry: &LogEntry) -> Option<AccessEntry> {
    let sealed = SealedRecord::decode(&entry.record)?;
    let body: Record = trail::body_of(entry)?;
    let mut shown = AccessEntry {
        service: service.to_owned(),
        at_us: sealed.header.at,
        r#type: body.r#type.clone(),
        leaf: record::leaf(&entry.record).to_vec(),
        ..AccessEntry::default()
    };
    let event = body.event.as_slice();
    if body.r#type == AccessRefused::full_name() {
        let event = AccessRefused::decode(event).ok()?;
        shown.subject = event.subject;
        shown.claimed_subject = event.claimed_subject;
        shown.roles = event.roles;
        shown.rpc = event.method;
        shown.record = event.record;
        shown.reason = event.reason;
        shown.row = event.row;
    } else if body.r#type == NonPublicRead::full_name() {
        let event = NonPublicRead::decode(event).ok()?;
        shown.subject = event.subject;
        shown.roles = event.roles;
        shown.rpc = event.method;
        shown.record = event.record;
        shown.row = event.row;
    } else if body.r#type == AccessCounted::full_name() {
        let event = AccessCounted::decode(event).ok()?;
        shown.subject = event.subject;
        shown.roles = event.roles;
        shown.refused = event.refused;
        shown.read = event.read;
    } else {
        return None;
    }
    if let Some(row) = access::row(&format!("/{}", shown.rpc)) {
        shown.action_zh = row.zh.to_owned();
        shown.action_en = row.en.to_owned();
    }
    Some(shown)
}

/// A day as logs are called by it.
fn checked(day: &str) -> Result<String, Problem> {
    let midnight = Instant::parse(&format!("{day}T00:00:00+08:00"));
    midnight
        .map(|at| at.china_date().format("%Y-%m-%d").to_string())
        .filter(|read| read == day)
        .ok_or_else(|| {
            Refusal::field(
                "day",
                "应为日期，例如 2027-03-02。",
                "must be a day such as 2027-03-02.",
            )
            .into()
        })
}

fn read_position(bytes: &[u8]) -> Result<Position, Problem> {
    let (time, leaf) = bytes
        .split_first_chunk::<8>()
        .ok_or_else(|| Problem::internal("a page token was made that cannot be read"))?;
    Ok((i64::from_be_bytes(*time), leaf.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_told_in_words() {
        let rules = rules();
        let submit = rules
            .iter()
            .find(|rule| rule.rpc == "sunbid.bid.v1.BidService/SubmitBid")
            .unwrap();
        assert_eq!(submit.action_zh, "提交投标");
        assert_eq!(submit.callers[0].en, "supplier");
        assert_eq!(submit.relation.as_ref().unwrap().word, "own");
        let trail = rules.iter().find(|rule| rule.rpc.ends_with("/ListTrail"));
        assert_eq!(trail.unwrap().recorded[0].word, "supervisor");
        assert!(rules.iter().all(|rule| !rule.callers.is_empty()));
    }

    #[test]
    fn a_day_is_a_day() {
        assert_eq!(checked("2027-03-02").unwrap(), "2027-03-02");
        for wrong in ["2027-3-2", "2027-02-30", "today", "2027-03-02T"] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
    }
}
