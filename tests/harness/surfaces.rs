//! Every surface that a purchaser, another supplier, a supervisor, the trading centre or anyone has
//! on a tender before its opening, as text that can be compared byte for byte between two runs.
//! What may differ (random keys and names, the second a thing happened) is listed here and nowhere
//! else; a count is never in that list.

use anyhow::Context;
use prost::{Message, Name};
use serde_json::Value;
use sunbid_cli::{connection::Connection, output::to_json};
use sunbid_contracts::{
    audit::v1::{
        DownloadDisclosureRequest, GetCheckpointRequest, GetStatusRequest, ListTrailRequest,
    },
    bid::v1::{GetBidRequest, ListBidsRequest},
    deposit::v1::{GetDepositRequest, GetTrialBalanceRequest, ListDepositsRequest},
    notice::v1::{ListNoticesRequest, ListQuestionsRequest},
    opening::v1::{
        GetOpeningRecordRequest, GetSessionRequest, ListDeliveriesRequest, WatchSessionRequest,
    },
    registry::v1::ListOrganizationsRequest,
    tender::v1::{GetCeremonyRequest, GetTenderRequest, ListTendersRequest},
};
use tonic::{Response, Status};

/// Fields whose bytes are random or signatures; their length is compared, their content is not.
const RANDOM_BYTES: [&str; 20] = [
    "key_id",
    "public_key",
    "evaluator_key",
    "identity_key",
    "encryption_key",
    "sha256",
    "root",
    "leaf",
    "log_id",
    "cid",
    "nonce",
    "tender_hash",
    "payload",
    "signature",
    "rehearsal_envelope",
    "certificate",
    "intermediates",
    "head",
    "bundle",
    "note",
];

/// Lists whose order is the order of arrival of independent daemons.
const UNORDERED: [&str; 3] = ["messages", "entries", "witnesses"];

/// What one reader sees, surface by surface.
pub type Seen = Vec<(String, String)>;

/// Everything that `reader` can read about `tender`.
pub async fn seen_by(name: &str, reader: &Connection, tender: &str) -> anyhow::Result<Seen> {
    let t = || tender.to_owned();
    let mut seen = Seen::new();
    let mut keep = |surface: &str, text: String| seen.push((format!("{name}: {surface}"), text));
    macro_rules! surface {
        ($client:ident, $method:ident, $request:expr) => {
            keep(
                stringify!($method),
                shown(reader.$client().$method($request).await)?,
            )
        };
    }
    surface!(tender, get_tender, GetTenderRequest { name: t() });
    surface!(tender, list_tenders, ListTendersRequest::default());
    surface!(tender, get_ceremony, GetCeremonyRequest { tender: t() });
    surface!(
        notice,
        list_notices,
        ListNoticesRequest {
            tender: t(),
            ..Default::default()
        }
    );
    surface!(
        notice,
        list_questions,
        ListQuestionsRequest {
            tender: t(),
            ..Default::default()
        }
    );
    surface!(opening, get_session, GetSessionRequest { tender: t() });
    surface!(
        opening,
        get_opening_record,
        GetOpeningRecordRequest { tender: t() }
    );
    surface!(
        opening,
        list_deliveries,
        ListDeliveriesRequest {
            tender: t(),
            ..Default::default()
        }
    );
    surface!(
        deposit,
        get_deposit,
        GetDepositRequest {
            tender: t(),
            lot_id: "01".into()
        }
    );
    surface!(
        deposit,
        list_deposits,
        ListDepositsRequest {
            tender: t(),
            ..Default::default()
        }
    );
    surface!(deposit, get_trial_balance, GetTrialBalanceRequest {});
    surface!(
        bid,
        get_bid,
        GetBidRequest {
            tender: t(),
            lot_id: "01".into()
        }
    );
    surface!(bid, list_bids, ListBidsRequest::default());
    surface!(
        audit,
        list_trail,
        ListTrailRequest {
            tender: t(),
            page_size: 200,
            ..Default::default()
        }
    );
    surface!(audit, get_status, GetStatusRequest {});
    surface!(
        registry,
        list_organizations,
        ListOrganizationsRequest {
            page_size: 200,
            ..Default::default()
        }
    );
    let checkpoint = reader.audit().get_checkpoint(GetCheckpointRequest {}).await;
    let lines = checkpoint.map(|answer| answer.into_inner().note.lines().count() > 3);
    keep(
        "get_checkpoint",
        format!("{:?}", lines.map_err(|status| status.code())),
    );
    let mut audit = reader.audit();
    let request = DownloadDisclosureRequest {
        tender: tender.to_owned(),
    };
    let disclosure = audit.download_disclosure(request).await.err();
    keep("download_disclosure", refusal(disclosure));
    let mut watched = reader
        .opening()
        .watch_session(WatchSessionRequest { tender: t() })
        .await?
        .into_inner();
    let first = watched
        .message()
        .await?
        .context("a session is shown at once")?;
    keep("watch_session", normal(&first)?);
    Ok(seen)
}

fn shown<M: Message + Name>(answer: Result<Response<M>, Status>) -> anyhow::Result<String> {
    match answer {
        Ok(answer) => normal(answer.get_ref()),
        Err(status) => Ok(refusal(Some(status))),
    }
}

/// A refusal in full: code, words, and the bytes of its details.
fn refusal(status: Option<Status>) -> String {
    match status {
        None => "granted".to_owned(),
        Some(status) => {
            format!(
                "{:?} {} {}",
                status.code(),
                plain(status.message()),
                status.details().len()
            )
        }
    }
}

fn normal<M: Message + Name>(message: &M) -> anyhow::Result<String> {
    let mut value = to_json(message)?;
    settle("", &mut value);
    Ok(serde_json::to_string_pretty(&value)?)
}

/// Replaces what may differ.
fn settle(key: &str, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // What follows from the last message of a round is put down to whoever happened to post it.
            let follows = fields
                .get("type")
                .and_then(Value::as_str)
                .is_some_and(|event| {
                    event.ends_with(".RehearsalSealed") || event.ends_with(".TenderKeyEstablished")
                });
            if follows {
                fields.insert("actor".to_owned(), Value::from("the last holder"));
            }
            for (key, field) in fields {
                settle(key, field);
            }
        }
        Value::Array(items) => {
            for item in items.iter_mut() {
                settle(key, item);
            }
            if UNORDERED.contains(&key) {
                items.sort_by_key(ToString::to_string);
            }
        }
        Value::Number(_) if key.ends_with("_us") => *value = Value::from("a time"),
        // Daemons post in the order they come; how many records there are is compared.
        Value::Number(_) if key == "seq" => *value = Value::from("a place"),
        // Epochs and checkpoints grow with time alone.
        Value::Number(_) if key == "epochs" || key == "size" => *value = Value::from("epochs"),
        // Tokens of sign-in are counted for nobody; this is the place among a log's records.
        Value::String(text) if RANDOM_BYTES.contains(&key) => {
            *value = Value::from(format!("{} characters", text.len()));
        }
        Value::String(text) if key == "next_page_token" => {
            *value = Value::from(text.is_empty());
        }
        Value::String(text) => *value = Value::from(plain(text)),
        _ => {}
    }
}

/// Text without random names and without the time of day.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        if let Some(candidate) = rest.get(..36)
            && uuid::Uuid::try_parse(candidate).is_ok()
        {
            out.push_str("a name");
            rest = &rest[36..];
        } else if let Some(length) = hex_run(rest) {
            out.push_str(&format!("{length} hexadecimal digits"));
            rest = &rest[length..];
        } else if is_serial(rest) {
            out.push_str("-a serial");
            rest = &rest[9..];
        } else if is_chinese_clock(rest) {
            out.push_str("a clock");
            rest = &rest["00时00分00秒".len()..];
        } else if is_clock(rest) {
            out.push_str("a clock");
            rest = &rest[8..];
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    out
}

/// Length of a random identifier or key in hexadecimal.
fn hex_run(text: &str) -> Option<usize> {
    let length = text
        .bytes()
        .take_while(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b))
        .count();
    (length >= 32).then_some(length)
}

/// The random serial of a deal code with its check character: "-955000-V".
fn is_serial(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 9
        && bytes[0] == b'-'
        && bytes[1..7].iter().all(u8::is_ascii_digit)
        && bytes[7] == b'-'
        && (bytes[8].is_ascii_alphanumeric() || bytes[8] == b'*')
}

/// "09时30分00秒".
fn is_chinese_clock(text: &str) -> bool {
    let mut chars = text.chars();
    ['时', '分', '秒'].into_iter().all(|unit| {
        let digits = (&mut chars).take(2).filter(char::is_ascii_digit).count();
        digits == 2 && chars.next() == Some(unit)
    })
}

/// "09:30:00".
fn is_clock(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 8
        && bytes[..8].iter().enumerate().all(|(at, byte)| match at {
            2 | 5 => *byte == b':',
            _ => byte.is_ascii_digit(),
        })
}
