//! The platform's clock; moving it is a sandbox's alone.

use clap::Subcommand;
use sunbid_contracts::sandbox::v1::AdvanceClockRequest;

use super::moment;
use crate::{context::Context, output};

#[derive(Debug, Subcommand)]
pub enum ClockCommand {
    /// Show the platform's time.
    Show,
    /// Move a sandbox's time forward (trading centre).
    Advance {
        /// To this time: "2026-03-02 09:00" in China, or RFC 3339.
        #[arg(long, value_parser = moment)]
        to: i64,
    },
}

pub async fn run(context: &Context, command: ClockCommand) -> anyhow::Result<()> {
    match command {
        ClockCommand::Show => {
            let platform = context.reader().await?.platform().await?;
            context.output.message(&platform, |platform| {
                let mode = if platform.sandbox {
                    context.output.say(
                        "（沙箱：时钟可调，无法律效力）",
                        " (sandbox: the clock can be moved; no legal effect)",
                    )
                } else {
                    ""
                };
                format!("{}{mode}", output::time(platform.now_us))
            })
        }
        ClockCommand::Advance { to } => {
            let mut sandbox = context.caller().await?.sandbox();
            let answer = sandbox
                .advance_clock(AdvanceClockRequest { to_us: to })
                .await?
                .into_inner();
            context
                .output
                .message(&answer, |answer| output::time(answer.now_us))
        }
    }
}
