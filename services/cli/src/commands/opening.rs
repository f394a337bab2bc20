//! The no-meeting opening: watch, sign in, read the record, object, answer, confirm, close.

use std::{
    fs,
    io::BufWriter,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Subcommand;
use prost::Message;
use sunbid_contracts::{
    opening::v1::{
        AnswerObjectionRequest, CheckInRequest, CloseSessionRequest, ConfirmRecordRequest,
        DownloadPartRequest, EnvelopeFault, GetOpeningRecordRequest, GetSessionRequest,
        ListDeliveriesRequest, OpeningRecord, PublishRescueRequest, RaiseObjectionRequest, Session,
        SessionState, WatchSessionRequest,
    },
    tender::v1::GetCeremonyRequest,
};
use sunbid_proofs::hash::sha256;
use sunbid_terms::Fen;
use tokio::io::AsyncWriteExt;

use super::tender_name;
use crate::{
    connection::{Connection, request_id},
    context::Context,
    output,
};

#[derive(Debug, Subcommand)]
pub enum OpeningCommand {
    /// How the session stands; before the deadline its time and nothing else.
    Show {
        #[arg(value_parser = tender_name)]
        tender: String,
    },
    /// Follow the session until it is announced, failed or closed.
    Watch {
        #[arg(value_parser = tender_name)]
        tender: String,
    },
    /// Sign in to the session (supplier); absence is never a reason to reject a bid.
    CheckIn {
        #[arg(value_parser = tender_name)]
        tender: String,
    },
    /// The opening record (开标记录).
    Record {
        #[arg(value_parser = tender_name)]
        tender: String,
    },
    /// Object to the opening (bidder).
    Object {
        #[arg(value_parser = tender_name)]
        tender: String,
        text: String,
    },
    /// Answer an objection (purchaser).
    Answer { objection: String, text: String },
    /// Confirm the record as it stands (bidder).
    Confirm {
        #[arg(value_parser = tender_name)]
        tender: String,
    },
    /// End the session (purchaser); refused while an objection is open.
    Close {
        #[arg(value_parser = tender_name)]
        tender: String,
    },
    /// Open one's own envelope with its rescue file where holders failed (supplier).
    Rescue {
        #[arg(value_parser = tender_name)]
        tender: String,
        /// part-N.rescue of the sealed bid.
        file: PathBuf,
    },
    /// Open the parts for the evaluators with their key (purchaser).
    Parts {
        #[arg(value_parser = tender_name)]
        tender: String,
        /// File with the evaluators' secret key, hexadecimal (see `sunbid opening new-key`).
        #[arg(long)]
        key: PathBuf,
        /// Folder for the opened parts.
        #[arg(long)]
        to: PathBuf,
    },
    /// Make an evaluators' key pair: the secret into a file, the public key printed.
    NewKey { file: PathBuf },
}

pub async fn run(context: &Context, command: OpeningCommand) -> anyhow::Result<()> {
    let output = context.output;
    match command {
        OpeningCommand::Show { tender } => {
            let mut openings = context.reader().await?.opening();
            let answer = openings
                .get_session(GetSessionRequest { tender })
                .await?
                .into_inner();
            output.message(&answer.session.unwrap_or_default(), show)
        }
        OpeningCommand::Watch { tender } => {
            let mut openings = context.reader().await?.opening();
            let mut stream = openings
                .watch_session(WatchSessionRequest { tender })
                .await?
                .into_inner();
            while let Some(answer) = stream.message().await? {
                let session = answer.session.unwrap_or_default();
                output.message(&session, line)?;
                if over(&session) {
                    break;
                }
            }
            Ok(())
        }
        OpeningCommand::CheckIn { tender } => {
            let request = CheckInRequest {
                request_id: request_id(),
                tender,
            };
            context.caller().await?.opening().check_in(request).await?;
            println!("{}", output.say("已签到", "Signed in."));
            Ok(())
        }
        OpeningCommand::Record { tender } => {
            let record = record(&context.reader().await?, &tender).await?;
            output.message(&record, show_record)
        }
        OpeningCommand::Object { tender, text } => {
            let request = RaiseObjectionRequest {
                request_id: request_id(),
                tender,
                text,
            };
            let answer = context
                .caller()
                .await?
                .opening()
                .raise_objection(request)
                .await?
                .into_inner();
            output.message(&answer, |a| {
                a.objection
                    .as_ref()
                    .map(|o| o.name.clone())
                    .unwrap_or_default()
            })
        }
        OpeningCommand::Answer { objection, text } => {
            let request = AnswerObjectionRequest {
                request_id: request_id(),
                name: objection,
                answer: text,
            };
            let answer = context
                .caller()
                .await?
                .opening()
                .answer_objection(request)
                .await?
                .into_inner();
            output.message(&answer, |a| {
                a.objection
                    .as_ref()
                    .map(|o| o.name.clone())
                    .unwrap_or_default()
            })
        }
        OpeningCommand::Confirm { tender } => {
            let connection = context.caller().await?;
            let record = record(&connection, &tender).await?;
            let request = ConfirmRecordRequest {
                request_id: request_id(),
                tender,
                record_sha256: sha256(&[&record.encode_to_vec()]).to_vec(),
            };
            connection.opening().confirm_record(request).await?;
            println!("{}", output.say("已确认开标记录", "Confirmed."));
            Ok(())
        }
        OpeningCommand::Close { tender } => {
            let request = CloseSessionRequest {
                request_id: request_id(),
                tender,
            };
            let answer = context
                .caller()
                .await?
                .opening()
                .close_session(request)
                .await?
                .into_inner();
            output.message(&answer.session.unwrap_or_default(), show)
        }
        OpeningCommand::Rescue { tender, file } => {
            let bytes = fs::read(&file).with_context(|| file.display().to_string())?;
            let rescue = sunbid_sealing::Rescue::parse(&bytes)?;
            let request = PublishRescueRequest {
                request_id: request_id(),
                tender,
                header_id: rescue.header().id().to_vec(),
                secret: rescue.secret_bytes().to_vec(),
            };
            context
                .caller()
                .await?
                .opening()
                .publish_rescue(request)
                .await?;
            println!(
                "{}",
                output.say("已公开本投标的密封密钥", "Published; your envelope opens.")
            );
            Ok(())
        }
        OpeningCommand::Parts { tender, key, to } => {
            let connection = context.caller().await?;
            open_parts(&connection, &tender, &key, &to).await
        }
        OpeningCommand::NewKey { file } => {
            let secret = sunbid_sealing::SecretScalar::random(&mut sunbid_sealing::OsRng)?;
            write_secret(&file, &hex::encode(secret.to_bytes()))?;
            println!("{}", hex::encode(secret.public().as_bytes()));
            Ok(())
        }
    }
}

/// The public opening record.
pub async fn record(connection: &Connection, tender: &str) -> anyhow::Result<OpeningRecord> {
    let request = GetOpeningRecordRequest {
        tender: tender.to_owned(),
    };
    let answer = connection
        .opening()
        .get_opening_record(request)
        .await?
        .into_inner();
    answer.record.context("the platform gave no record")
}

/// Whether nothing further is to be watched.
pub fn over(session: &Session) -> bool {
    matches!(
        session.state(),
        SessionState::Announced
            | SessionState::Closed
            | SessionState::Failed
            | SessionState::Terminated
    )
}

async fn open_parts(
    connection: &Connection,
    tender: &str,
    key: &Path,
    to: &Path,
) -> anyhow::Result<()> {
    use sunbid_sealing::{CheckedHeader, Delivery, SecretScalar, Workers, combine_deliveries};
    let text = fs::read_to_string(key).with_context(|| key.display().to_string())?;
    let bytes: [u8; 32] = hex::decode(text.trim())?
        .try_into()
        .map_err(|_| anyhow::anyhow!("{} does not hold 32 bytes", key.display()))?;
    let secret = SecretScalar::decode(&bytes)?;
    let ceremony = connection
        .tender()
        .get_ceremony(GetCeremonyRequest {
            tender: tender.to_owned(),
        })
        .await?
        .into_inner()
        .ceremony
        .context("the tender has no ceremony")?;
    let tender_key = sunbid_domain::tender::ceremony::verify(&ceremony)
        .map_err(|fault| anyhow::anyhow!("the ceremony does not verify: {fault}"))?;
    fs::create_dir_all(to)?;
    let mut page_token = String::new();
    loop {
        let request = ListDeliveriesRequest {
            tender: tender.to_owned(),
            page_size: 200,
            page_token,
        };
        let page = connection
            .opening()
            .list_deliveries(request)
            .await?
            .into_inner();
        let close: [u8; 32] = page
            .close
            .as_slice()
            .try_into()
            .context("the closing hash is not 32 bytes")?;
        for part in page.parts {
            let header = CheckedHeader::parse(&part.header)?;
            let deliveries = part
                .deliveries
                .iter()
                .map(|bytes| {
                    let delivery = Delivery::parse(bytes)?;
                    delivery.verify(&tender_key, &header, &close, &secret.public())
                })
                .collect::<Result<Vec<_>, _>>()?;
            let shared = combine_deliveries(&tender_key, &header, &secret, &deliveries)?;
            let name = format!(
                "{}-{}-part-{}",
                part.lot_id,
                part.bidder.trim_start_matches("organizations/"),
                part.part
            );
            let sealed = to.join(format!("{name}.sealed"));
            fetch_part(connection, tender, header.id(), &sealed).await?;
            let opened = to.join(&name);
            tokio::task::block_in_place(|| -> anyhow::Result<()> {
                let content = BufWriter::new(fs::File::create(&opened)?);
                let payload = fs::File::open(&sealed)?;
                sunbid_sealing::open_checked(
                    &header,
                    &shared,
                    payload,
                    content,
                    Workers::available(),
                )?;
                Ok(())
            })?;
            fs::remove_file(&sealed)?;
            println!("{}", opened.display());
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

async fn fetch_part(
    connection: &Connection,
    tender: &str,
    header_id: &[u8; 32],
    to: &Path,
) -> anyhow::Result<()> {
    let request = DownloadPartRequest {
        tender: tender.to_owned(),
        header_id: header_id.to_vec(),
    };
    let mut stream = connection
        .opening()
        .download_part(request)
        .await?
        .into_inner();
    let mut file = tokio::fs::File::create(to).await?;
    while let Some(message) = stream.message().await? {
        file.write_all(&message.chunk).await?;
    }
    file.flush().await?;
    Ok(())
}

fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::{io::Write, os::unix::fs::OpenOptionsExt};
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| path.display().to_string())?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

/// One line for each change of a session.
pub fn line(session: &Session) -> String {
    let state = state(session.state());
    match session.state() {
        SessionState::Scheduled | SessionState::CheckIn => {
            format!("{state}  开标时间 {}", output::time(session.deadline_us))
        }
        SessionState::Closing => format!(
            "{state}  截标记录签名 {} / {}",
            session.signatures.len(),
            session.threshold
        ),
        SessionState::Decrypting => format!(
            "{state}  持钥机构 {} / {}，信封 {} / {}",
            session.share_holders.len(),
            session.threshold,
            session.opened,
            session.envelopes
        ),
        _ => state.to_owned(),
    }
}

fn show(session: &Session) -> String {
    let faults: Vec<String> = session
        .holder_faults
        .iter()
        .map(|f| format!("{} {}", f.index, f.note_zh))
        .collect();
    let objections: Vec<String> = session
        .objections
        .iter()
        .map(|o| format!("{} {} → {}", o.name, o.text, o.answer))
        .collect();
    output::fields(&[
        ("状态", state(session.state()).to_owned()),
        ("开标时间", output::time(session.deadline_us)),
        ("截标时间", output::time(session.closed_time_us)),
        ("closing", hex::encode(&session.close)),
        ("机构问题", faults.join("\n")),
        ("异议截止", output::time(session.objections_until_us)),
        ("异议", objections.join("\n")),
    ])
}

/// The record as it is read out.
pub fn show_record(record: &OpeningRecord) -> String {
    let mut text = output::fields(&[
        ("开标记录", record.title.clone()),
        ("投标截止", output::time(record.deadline_us)),
        ("截标", output::time(record.closed_time_us)),
        ("开标完成", output::time(record.opened_time_us)),
        ("closing", hex::encode(&record.close)),
    ]);
    for lot in &record.lots {
        text.push_str(&format!("\n\n标段 {} {}：", lot.lot_id, lot.title));
        if lot.failed {
            text.push_str("投标人不足三家，流标，投标永不开启。");
            continue;
        }
        text.push_str(&format!("{} 家\n", lot.bidders));
        let rows = lot.lines.iter().map(|line| {
            let mut values: Vec<String> = line
                .values
                .iter()
                .map(|value| match Fen::parse_yuan(&value.value) {
                    Ok(fen) if value.key == "price" => {
                        format!("{}: {fen} ({})", value.key, fen.chinese_capital())
                    }
                    _ => format!("{}: {}", value.key, value.value),
                })
                .collect();
            if line.fault() != EnvelopeFault::None {
                values.push(line.fault_note_zh.clone());
            }
            vec![
                line.position.to_string(),
                line.bidder_display_name.clone(),
                values.join("\n"),
            ]
        });
        text.push_str(&output::table(&["序", "投标人", "开标一览表"], rows).to_string());
    }
    text
}

const fn state(state: SessionState) -> &'static str {
    match state {
        SessionState::Scheduled => "待开标",
        SessionState::CheckIn => "签到",
        SessionState::Closing => "截标",
        SessionState::Decrypting => "解密",
        SessionState::Announced => "已唱标",
        SessionState::Closed => "开标结束",
        SessionState::Failed => "流标",
        SessionState::Terminated => "终止",
        SessionState::Unspecified => "",
    }
}
