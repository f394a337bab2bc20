//! What commands print: tables for people, JSON for scripts (the standard JSON form of the
//! contracts' messages, with the field names of `proto/`).

use std::sync::OnceLock;

use anyhow::Context;
use comfy_table::{Cell, ContentArrangement, Table, presets};
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, SerializeOptions};
use sunbid_contracts::common::v1::{RuleEffect, RuleOutcome, Verdict};
use sunbid_terms::{Fen, Instant};

/// How a command answers.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub json: bool,
    pub english: bool,
}

fn pool() -> anyhow::Result<&'static DescriptorPool> {
    static POOL: OnceLock<Option<DescriptorPool>> = OnceLock::new();
    POOL.get_or_init(|| DescriptorPool::decode(sunbid_contracts::DESCRIPTORS).ok())
        .as_ref()
        .context("the contracts' descriptors cannot be read")
}

/// A message as JSON.
pub fn to_json<M: Message + Name>(message: &M) -> anyhow::Result<serde_json::Value> {
    let descriptor = pool()?
        .get_message_by_name(&M::full_name())
        .context("an unknown message")?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice())?;
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false)
        .skip_default_fields(true);
    Ok(dynamic.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// A message from its JSON form; unknown fields are named.
pub fn from_json<M: Message + Name + Default>(text: &str) -> anyhow::Result<M> {
    let descriptor = pool()?
        .get_message_by_name(&M::full_name())
        .context("an unknown message")?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let dynamic = DynamicMessage::deserialize_with_options(descriptor, &mut reader, &options)?;
    reader.end()?;
    Ok(M::decode(dynamic.encode_to_vec().as_slice())?)
}

impl Output {
    /// Prints a message: as JSON, or as `people` puts it.
    pub fn message<M: Message + Name>(
        self,
        message: &M,
        people: impl FnOnce(&M) -> String,
    ) -> anyhow::Result<()> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(&to_json(message)?)?);
        } else {
            println!("{}", people(message));
        }
        Ok(())
    }

    /// Prints many messages: a JSON array, or a table with `empty` where there are none.
    pub fn list<M: Message + Name>(
        self,
        messages: &[M],
        header: &[&str],
        empty: &str,
        row: impl Fn(&M) -> Vec<String>,
    ) -> anyhow::Result<()> {
        if self.json {
            let all = messages
                .iter()
                .map(to_json)
                .collect::<anyhow::Result<Vec<_>>>()?;
            println!("{}", serde_json::to_string_pretty(&all)?);
        } else if messages.is_empty() {
            println!("{empty}");
        } else {
            println!("{}", table(header, messages.iter().map(row)));
        }
        Ok(())
    }

    /// One of two texts.
    pub const fn say<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        if self.english { en } else { zh }
    }
}

/// A table that fits the terminal.
pub fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    for row in rows {
        table.add_row(row.into_iter().map(Cell::new));
    }
    table
}

/// Two columns: names and values, empty values left out.
pub fn fields(rows: &[(&str, String)]) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row([Cell::new(name), Cell::new(value)]);
    }
    table.to_string()
}

/// A time for people; empty where there is none.
pub fn time(us: i64) -> String {
    if us == 0 {
        String::new()
    } else {
        Instant::from_micros(us).to_string()
    }
}

/// An amount for people; empty where there is none.
pub fn amount(fen: i64) -> String {
    if fen == 0 {
        String::new()
    } else {
        format!("{} CNY", Fen::new(fen))
    }
}

/// What the rules said, breaches first and in full, the rest as a count.
pub fn verdicts(verdicts: &[Verdict], output: Output) -> String {
    let mut lines = Vec::new();
    for verdict in verdicts
        .iter()
        .filter(|v| v.outcome == RuleOutcome::Breached as i32)
    {
        let mark = match RuleEffect::try_from(verdict.effect) {
            Ok(RuleEffect::Refuse) => output.say("拒绝", "refused"),
            Ok(RuleEffect::Warn) => output.say("警告", "warning"),
            Ok(RuleEffect::Escalate) => output.say("上报", "escalated"),
            _ => output.say("记录", "recorded"),
        };
        lines.push(format!(
            "  {mark} [{}] {} ({})",
            verdict.rule_id,
            output.say(&verdict.message_zh, &verdict.message_en),
            output.say(&verdict.law_zh, &verdict.law_en),
        ));
    }
    let kept = verdicts
        .iter()
        .filter(|v| v.outcome == RuleOutcome::Satisfied as i32);
    let ids: Vec<&str> = kept.map(|v| v.rule_id.as_str()).collect();
    if !ids.is_empty() {
        lines.push(format!(
            "  {} {}: {}",
            ids.len(),
            output.say("条规则已满足", "rules kept"),
            ids.join(" ")
        ));
    }
    lines.join("\n")
}
