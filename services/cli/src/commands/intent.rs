//! Procurement intents: publish and read.

use clap::{Args, Subcommand};
use sunbid_contracts::{
    common::v1::{Category, Track},
    notice::v1::{GetIntentRequest, Intent, PublishIntentRequest},
};

use super::{moment, yuan};
use crate::{connection::request_id, context::Context, output};

#[derive(Debug, Subcommand)]
pub enum IntentCommand {
    /// Publish an intent (purchaser).
    Publish(PublishArguments),
    /// Show an intent.
    Show { name: String },
}

#[derive(Debug, Args)]
pub struct PublishArguments {
    /// 采购项目名称.
    #[arg(long)]
    title: String,
    /// 采购需求概况.
    #[arg(long)]
    demand: String,
    /// 预算金额, yuan.
    #[arg(long, value_parser = yuan)]
    budget: i64,
    /// 预计采购时间.
    #[arg(long, value_parser = moment)]
    planned: i64,
    /// 预算批复 date.
    #[arg(long, value_parser = moment)]
    budget_approved: Option<i64>,
    /// Legal track.
    #[arg(long, value_parser = ["gp", "eng"], default_value = "gp")]
    track: String,
    #[arg(long, value_parser = ["goods", "services", "works"], default_value = "goods")]
    category: String,
    /// Place whose rules apply: CN, or CN- and six digits of GB/T 2260.
    #[arg(long, default_value = "CN")]
    jurisdiction: String,
    /// Why the thirty days cannot be kept.
    #[arg(long)]
    urgent_reason: Option<String>,
}

pub async fn run(context: &Context, command: IntentCommand) -> anyhow::Result<()> {
    match command {
        IntentCommand::Publish(arguments) => {
            let intent = Intent {
                track: track(&arguments.track) as i32,
                category: category(&arguments.category) as i32,
                title: arguments.title,
                jurisdiction: arguments.jurisdiction,
                demand: arguments.demand,
                budget_fen: arguments.budget,
                planned_time_us: arguments.planned,
                budget_approval_time_us: arguments.budget_approved.unwrap_or_default(),
                urgent_reason: arguments.urgent_reason.unwrap_or_default(),
                ..Intent::default()
            };
            let request = PublishIntentRequest {
                request_id: request_id(),
                intent: Some(intent),
            };
            let answer = context
                .caller()
                .await?
                .notice()
                .publish_intent(request)
                .await?
                .into_inner();
            context.output.message(&answer, |answer| {
                let shown = answer.intent.as_ref().map(show).unwrap_or_default();
                format!(
                    "{shown}\n{}",
                    output::verdicts(&answer.verdicts, context.output)
                )
            })
        }
        IntentCommand::Show { name } => {
            let mut notices = context.reader().await?.notice();
            let answer = notices
                .get_intent(GetIntentRequest { name })
                .await?
                .into_inner();
            context.output.message(&answer, |answer| {
                answer.intent.as_ref().map(show).unwrap_or_default()
            })
        }
    }
}

fn show(intent: &Intent) -> String {
    output::fields(&[
        ("name", intent.name.clone()),
        ("采购项目", intent.title.clone()),
        ("采购人", intent.purchaser_display_name.clone()),
        ("需求概况", intent.demand.clone()),
        ("预算", output::amount(intent.budget_fen)),
        ("预计采购时间", output::time(intent.planned_time_us)),
        ("公开时间", output::time(intent.publish_time_us)),
    ])
}

fn track(text: &str) -> Track {
    if text == "eng" {
        Track::Engineering
    } else {
        Track::GovernmentProcurement
    }
}

fn category(text: &str) -> Category {
    match text {
        "services" => Category::Services,
        "works" => Category::Works,
        _ => Category::Goods,
    }
}
