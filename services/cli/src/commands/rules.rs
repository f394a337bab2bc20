//! The statutory rule table, as this program carries it, and the access table, as the platform does.

use anyhow::Context as _;
use clap::Subcommand;
use sunbid_contracts::audit::v1::{AccessRule, AccessWord, ListAccessRulesRequest};
use sunbid_rules::Engine;

use crate::{context::Context, output};

#[derive(Debug, Subcommand)]
pub enum RulesCommand {
    /// All rules with law, article, parameter and what a breach brings about.
    List,
    /// One rule in full.
    Show { rule: String },
    /// Who may call what on the platform, in what relation to the record, and what of it is journaled.
    Access {
        /// Only what this role may call, such as "supplier".
        #[arg(long)]
        role: Option<String>,
        /// Only RPCs whose name has this in it, such as "BidService".
        #[arg(long)]
        rpc: Option<String>,
    },
}

pub async fn run(context: &Context, command: RulesCommand) -> anyhow::Result<()> {
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
        RulesCommand::Access { role, rpc } => {
            let mut audit = context.reader().await?.audit();
            let answer = audit.list_access_rules(ListAccessRulesRequest {}).await?;
            let mut rules = answer.into_inner().rules;
            let calls = |rule: &AccessRule, role: &str| {
                rule.callers
                    .iter()
                    .any(|word| word.word == role || word.zh == role)
            };
            rules.retain(|rule| {
                role.as_ref().is_none_or(|role| calls(rule, role))
                    && rpc.as_ref().is_none_or(|part| rule.rpc.contains(part))
            });
            let header = [
                "操作 / action",
                "谁可以 / who",
                "与记录的关系 / whose record",
                "读取留痕 / reading journaled",
                "RPC",
            ];
            let say = |word: &AccessWord| output.say(&word.zh, &word.en).to_owned();
            let all = |words: &[AccessWord]| words.iter().map(say).collect::<Vec<_>>().join("、");
            let nothing = output.say("没有这样的操作。", "There is no such RPC.");
            output.list(&rules, &header, nothing, |rule| {
                vec![
                    output.say(&rule.action_zh, &rule.action_en).to_owned(),
                    all(&rule.callers),
                    rule.relation.as_ref().map(say).unwrap_or_default(),
                    all(&rule.recorded),
                    rule.rpc.clone(),
                ]
            })?;
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
