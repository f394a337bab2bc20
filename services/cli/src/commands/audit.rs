//! The audit: a tender's trail, the public log's checkpoint, outages, and how everything stands.

use clap::Subcommand;
use sunbid_contracts::{
    audit::v1::{
        AccessEntry, GetCheckpointRequest, GetStatusRequest, ListAccessRequest, ListTrailRequest,
        TrailEntry, WatchTrailRequest,
    },
    bid::v1::{AnnounceMaintenanceRequest, IntakeEntry, ListOutagesRequest},
};

use super::{moment, tender_name};
use crate::{connection::request_id, context::Context, output};

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Everything that happened to a tender, with the rules that allowed it (supervisor).
    Trail {
        #[arg(value_parser = tender_name)]
        tender: String,
        /// With every rule that was asked.
        #[arg(long)]
        verdicts: bool,
    },
    /// The same, live (supervisor).
    Watch {
        #[arg(value_parser = tender_name)]
        tender: String,
    },
    /// Who was refused, and who read what is not public, on one day (supervisor). What could tell of a
    /// supplier is left out while a tender that took bids then still does.
    Access {
        /// The day, such as 2027-03-02; today where nothing is said.
        #[arg(long, default_value = "")]
        day: String,
        /// Only one service's, such as "bid".
        #[arg(long, default_value = "")]
        service: String,
        /// Entries asked for at a time.
        #[arg(long, default_value_t = 200)]
        page_size: i32,
    },
    /// The public log's latest checkpoint with its cosignatures.
    Checkpoint,
    /// When bids could not be taken, as the platform measured it, and announced maintenance, newest
    /// first. Deadlines that an outage fell on move by rules T1 and T2 (`rules list`).
    Outages,
    /// Announces maintenance; a day ahead it is judged by rule T2 (trading centre).
    Maintenance {
        /// "2027-03-02 01:00", China time.
        #[arg(long, value_parser = moment)]
        from: i64,
        #[arg(long, value_parser = moment)]
        until: i64,
        #[arg(long)]
        reason: String,
    },
    /// How the audit of every service's logs stands (supervisor, trading centre).
    Status,
}

pub async fn run(context: &Context, command: AuditCommand) -> anyhow::Result<()> {
    let output = context.output;
    match command {
        AuditCommand::Trail { tender, verdicts } => {
            let mut audit = context.caller().await?.audit();
            let (mut all, mut page_token) = (Vec::new(), String::new());
            loop {
                let request = ListTrailRequest {
                    tender: tender.clone(),
                    page_size: 200,
                    page_token,
                };
                let page = audit.list_trail(request).await?.into_inner();
                all.extend(page.entries);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            if verdicts && !output.json {
                for entry in &all {
                    println!("{}", line(entry, context));
                    println!("{}", output::verdicts(&entry.verdicts, output));
                }
                return Ok(());
            }
            let header = ["时间", "服务", "记录", "事项", "行为人"];
            output.list(
                &all,
                &header,
                output.say("没有记录。", "No records."),
                |entry| {
                    vec![
                        output::time(entry.at_us),
                        entry.service.clone(),
                        entry.seq.to_string(),
                        output.say(&entry.summary_zh, &entry.summary_en).to_owned(),
                        entry.actor.clone(),
                    ]
                },
            )
        }
        AuditCommand::Watch { tender } => {
            let mut audit = context.caller().await?.audit();
            let mut stream = audit
                .watch_trail(WatchTrailRequest { tender })
                .await?
                .into_inner();
            while let Some(answer) = stream.message().await? {
                output.message(&answer.entry.unwrap_or_default(), |entry| {
                    line(entry, context)
                })?;
            }
            Ok(())
        }
        AuditCommand::Access {
            day,
            service,
            page_size,
        } => {
            let mut audit = context.caller().await?.audit();
            let (mut all, mut page_token) = (Vec::new(), String::new());
            loop {
                let request = ListAccessRequest {
                    day: day.clone(),
                    service: service.clone(),
                    page_size,
                    page_token,
                };
                let page = audit.list_access(request).await?.into_inner();
                all.extend(page.entries);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            let header = ["时间", "服务", "谁", "操作", "结果", "记录", "依据"];
            output.list(
                &all,
                &header,
                output.say("没有记录。", "No records."),
                |entry| {
                    vec![
                        output::time(entry.at_us),
                        entry.service.clone(),
                        who(entry, context),
                        output.say(&entry.action_zh, &entry.action_en).to_owned(),
                        what(entry, context),
                        entry.record.clone(),
                        entry.row.clone(),
                    ]
                },
            )
        }
        AuditCommand::Checkpoint => {
            let mut audit = context.reader().await?.audit();
            let answer = audit
                .get_checkpoint(GetCheckpointRequest {})
                .await?
                .into_inner();
            output.message(&answer, |answer| answer.note.clone())
        }
        AuditCommand::Outages => {
            let mut bids = context.reader().await?.bid();
            let (mut all, mut page_token) = (Vec::new(), String::new());
            loop {
                let request = ListOutagesRequest {
                    page_size: 200,
                    page_token,
                };
                let page = bids.list_outages(request).await?.into_inner();
                all.extend(page.entries);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            let header = ["记录", "类别", "自", "至", "说明"];
            let none = output.say("没有停机记录。", "No outages.");
            output.list(&all, &header, none, |entry| outage_row(entry, context))
        }
        AuditCommand::Maintenance {
            from,
            until,
            reason,
        } => {
            let mut bids = context.caller().await?.bid();
            let request = AnnounceMaintenanceRequest {
                request_id: request_id(),
                from_us: from,
                until_us: until,
                reason,
            };
            let answer = bids.announce_maintenance(request).await?.into_inner();
            output.message(&answer.maintenance.unwrap_or_default(), |announced| {
                let (from, until) = (announced.from_us, announced.until_us);
                format!("{} – {}", output::time(from), output::time(until))
            })
        }
        AuditCommand::Status => {
            let mut audit = context.caller().await?.audit();
            let answer = audit.get_status(GetStatusRequest {}).await?.into_inner();
            output.message(&answer, |answer| {
                let logs = output::table(
                    &["服务", "日志", "已核验记录", "问题"],
                    answer.logs.iter().map(|log| {
                        vec![
                            log.service.clone(),
                            log.logs.to_string(),
                            log.records_verified.to_string(),
                            log.fault.clone(),
                        ]
                    }),
                );
                let witnesses = output::table(
                    &["见证", "检查点", "签名时间"],
                    answer.witnesses.iter().map(|witness| {
                        vec![
                            witness.name.clone(),
                            witness.size.to_string(),
                            output::time(witness.cosign_time_us),
                        ]
                    }),
                );
                format!("{logs}\n\n{witnesses}\n\nepochs: {}", answer.epochs)
            })
        }
    }
}

fn who(entry: &AccessEntry, context: &Context) -> String {
    let output = context.output;
    if !entry.subject.is_empty() {
        return entry.subject.clone();
    }
    if !entry.claimed_subject.is_empty() {
        let claimed = output.say("自称（未证实）", "claimed, not shown");
        return format!("{claimed}: {}", entry.claimed_subject);
    }
    output.say("未知者", "not known").to_owned()
}

fn what(entry: &AccessEntry, context: &Context) -> String {
    let output = context.output;
    if !entry.reason.is_empty() {
        return format!("{}: {}", output.say("拒绝", "refused"), entry.reason);
    }
    if entry.refused == 0 && entry.read == 0 {
        return output.say("读取", "read").to_owned();
    }
    format!(
        "{} {}, {} {}",
        output.say("另拒绝", "refused besides"),
        entry.refused,
        output.say("另读取", "read besides"),
        entry.read
    )
}

fn line(entry: &TrailEntry, context: &Context) -> String {
    format!(
        "{}  {:8} #{:<4} {}  {}",
        output::time(entry.at_us),
        entry.service,
        entry.seq,
        context.output.say(&entry.summary_zh, &entry.summary_en),
        entry.actor,
    )
}

fn outage_row(entry: &IntakeEntry, context: &Context) -> Vec<String> {
    let say = |zh: &str, en: &str| context.output.say(zh, en).to_owned();
    if let Some(announced) = &entry.maintenance {
        return vec![
            announced.seq.to_string(),
            say("维护预告", "maintenance announced"),
            output::time(announced.from_us),
            output::time(announced.until_us),
            announced.reason.clone(),
        ];
    }
    let outage = entry.outage.clone().unwrap_or_default();
    let kind = match outage.maintenance {
        None => say("停机", "outage"),
        Some(_) => say("停机（维护）", "outage (maintenance)"),
    };
    let why = if outage.failing.is_empty() {
        say("进程未运行", "the process did not run")
    } else {
        outage.failing
    };
    vec![
        outage.seq.to_string(),
        kind,
        output::time(outage.from_us),
        output::time(outage.until_us),
        why,
    ]
}
