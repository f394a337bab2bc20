//! The statutory rule table, as this program carries it.

use anyhow::Context as _;
use clap::Subcommand;
use sunbid_rules::Engine;

use crate::{context::Context, output};

#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// All rules with law, article, parameter and what a breach brings about.
    List,
    /// One rule in full.
    Show { rule: String },
}

pub fn run(context: &Context, command: RulesCommand) -> anyhow::Result<()> {
    let engine = Engine::new()?;
    let output = context.output;
    match command {
        RulesCommand::List => {
            let rows = engine.table();
            if output.json {
                let all: Vec<_> = rows.iter().map(json).collect();
                println!("{}", serde_json::to_string_pretty(&all)?);
                return Ok(());
            }
            let header = [
                "ID",
                "规则 / rule",
                "法条 / law",
                "参数 / value",
                "违反 / breach",
                "暂定 / provisional",
            ];
            let table = output::table(
                &header,
                rows.iter().map(|rule| {
                    vec![
                        rule.id.as_str().to_owned(),
                        output.say(&rule.title_zh, &rule.title_en).to_owned(),
                        output.say(&rule.law_zh, &rule.law_en).to_owned(),
                        rule.shown_parameters(),
                        rule.effect.as_str().to_owned(),
                        if rule.provisional() {
                            "*".to_owned()
                        } else {
                            String::new()
                        },
                    ]
                }),
            );
            println!("{table}");
        }
        RulesCommand::Show { rule } => {
            let row = engine
                .table()
                .iter()
                .find(|row| row.id.as_str().eq_ignore_ascii_case(&rule))
                .with_context(|| format!("there is no rule {rule:?}"))?;
            println!("{}", serde_json::to_string_pretty(&json(row))?);
        }
    }
    Ok(())
}

fn json(rule: &sunbid_rules::Rule) -> serde_json::Value {
    serde_json::json!({
        "id": rule.id.as_str(),
        "title_zh": rule.title_zh, "title_en": rule.title_en,
        "law_zh": rule.law_zh, "law_en": rule.law_en,
        "parameter": rule.shown_parameters(),
        "effect": rule.effect.as_str(),
        "provisional": rule.provisional(),
        "explanation_zh": rule.explanation_zh, "explanation_en": rule.explanation_en,
    })
}
