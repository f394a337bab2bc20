//! Bid deposits: the account to pay into, and how a deposit stands. Shown to its supplier alone.

use clap::Subcommand;
use sunbid_contracts::deposit::v1::{
    Deposit, DepositState, GetDepositRequest, GetTrialBalanceRequest, ListDepositsRequest,
    OpenDepositRequest,
};

use super::tender_name;
use crate::{connection::request_id, context::Context, output};

#[derive(Debug, Subcommand)]
pub enum DepositCommand {
    /// Get the account to pay a lot's deposit into (supplier).
    Open {
        #[arg(value_parser = tender_name)]
        tender: String,
        #[arg(long)]
        lot: String,
    },
    /// How the deposit for a lot stands (supplier).
    Show {
        #[arg(value_parser = tender_name)]
        tender: String,
        #[arg(long)]
        lot: String,
    },
    /// Own deposits; supervisors: those of a tender whose bids are no secret any more.
    List {
        #[arg(long, value_parser = tender_name)]
        tender: Option<String>,
    },
    /// Whether the books balance (supervisor, trading centre).
    TrialBalance,
}

pub async fn run(context: &Context, command: DepositCommand) -> anyhow::Result<()> {
    let output = context.output;
    let mut deposits = context.caller().await?.deposit();
    match command {
        DepositCommand::Open { tender, lot } => {
            let request = OpenDepositRequest {
                request_id: request_id(),
                tender,
                lot_id: lot,
            };
            let answer = deposits.open_deposit(request).await?.into_inner();
            output.message(&answer.deposit.unwrap_or_default(), |d| show(d, context))
        }
        DepositCommand::Show { tender, lot } => {
            let answer = deposits
                .get_deposit(GetDepositRequest {
                    tender,
                    lot_id: lot,
                })
                .await?
                .into_inner();
            output.message(&answer.deposit.unwrap_or_default(), |d| show(d, context))
        }
        DepositCommand::List { tender } => {
            let (mut all, mut page_token) = (Vec::new(), String::new());
            loop {
                let request = ListDepositsRequest {
                    page_size: 200,
                    page_token,
                    tender: tender.clone().unwrap_or_default(),
                };
                let page = deposits.list_deposits(request).await?.into_inner();
                all.extend(page.deposits);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            let header = ["标段", "账号", "应缴", "到账", "状态", "已退"];
            output.list(
                &all,
                &header,
                output.say("没有保证金。", "No deposits."),
                |d| {
                    vec![
                        d.lot_id.clone(),
                        d.virtual_account.clone(),
                        output::amount(d.due_fen),
                        output::amount(d.received_fen),
                        state(d).to_owned(),
                        output::amount(d.refunded_fen),
                    ]
                },
            )
        }
        DepositCommand::TrialBalance => {
            let answer = deposits
                .get_trial_balance(GetTrialBalanceRequest {})
                .await?
                .into_inner();
            output.message(&answer, |answer| {
                let rows = answer.lines.iter().map(|line| {
                    vec![
                        line.account_kind.clone(),
                        output::amount(line.debit_fen),
                        output::amount(line.credit_fen),
                    ]
                });
                let table = output::table(&["科目", "借方", "贷方"], rows);
                let balanced = if answer.balanced {
                    output.say("借贷平衡", "The books balance.")
                } else {
                    output.say("借贷不平！", "THE BOOKS DO NOT BALANCE.")
                };
                format!("{table}\n{balanced}")
            })
        }
    }
}

fn show(deposit: &Deposit, context: &Context) -> String {
    output::fields(&[
        ("标段", deposit.lot_id.clone()),
        ("缴款账号", deposit.virtual_account.clone()),
        ("应缴", output::amount(deposit.due_fen)),
        ("截止", output::time(deposit.due_time_us)),
        ("到账", output::amount(deposit.received_fen)),
        ("状态", state(deposit).to_owned()),
        (
            "说明",
            context
                .output
                .say(&deposit.note_zh, &deposit.note_en)
                .to_owned(),
        ),
        ("应退截止", output::time(deposit.refund_due_time_us)),
        ("已退", output::amount(deposit.refunded_fen)),
    ])
}

fn state(deposit: &Deposit) -> &'static str {
    match deposit.state() {
        DepositState::Required => "待缴",
        DepositState::Unmatched => "未匹配",
        DepositState::Valid => "有效",
        DepositState::Locked => "已锁定",
        DepositState::ReturnDue => "待退",
        DepositState::Returning => "退还中",
        DepositState::Returned => "已退",
        DepositState::Unspecified => "",
    }
}
