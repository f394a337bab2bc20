//! The bundled bank simulator, and a supplier's payment through it. A real bank's interface speaks
//! the same messages (ISO 20022).

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use sunbid_banksim::{Bank, Options, Transfer};
use sunbid_bankwire::{Party, PaymentStatus};
use sunbid_service::clock::{SandboxClock, SystemClock};
use sunbid_terms::{Clock, Fen, Instant};

use super::yuan;
use crate::{context::Context, process};

#[derive(Debug, Subcommand)]
pub enum BankCommand {
    /// Run the bank simulator.
    Simulate {
        #[arg(long, default_value = "127.0.0.1:7750")]
        listen: SocketAddr,
        /// File of its books; they survive a restart.
        #[arg(long)]
        books: PathBuf,
        /// Account whose credits are notified: the one all deposits are kept in.
        #[arg(long)]
        trust_account: String,
        #[arg(long)]
        trust_name: String,
        /// Clock file of a sandbox, so that money is booked in its time.
        #[arg(long)]
        sandbox_clock: Option<PathBuf>,
    },
    /// Pay as a supplier's own bank would: a payment order to the simulator.
    Pay(PayArguments),
}

#[derive(Debug, Args)]
pub struct PayArguments {
    /// Address of the simulator.
    #[arg(long, default_value = "127.0.0.1:7750")]
    bank: String,
    /// Account to pay into (see `sunbid deposit open`).
    #[arg(long)]
    to: String,
    #[arg(long, value_parser = yuan)]
    amount: i64,
    /// Payer's name: the bidder's.
    #[arg(long)]
    payer: String,
    /// Payer's account: the bidder's basic account.
    #[arg(long)]
    payer_account: String,
}

/// A supplier's payment.
#[derive(Clone, Copy, Debug)]
pub struct Payment<'a> {
    pub bank: &'a str,
    pub to: &'a str,
    pub amount_fen: i64,
    pub payer: &'a str,
    pub payer_account: &'a str,
}

pub async fn run(context: &Context, command: BankCommand) -> anyhow::Result<()> {
    match command {
        BankCommand::Simulate {
            listen,
            books,
            trust_account,
            trust_name,
            sandbox_clock,
        } => {
            process::log(context.output.json);
            let clock: Arc<dyn Clock> = match sandbox_clock {
                Some(file) => Arc::new(SandboxClock::open(&file)?),
                None => Arc::new(SystemClock),
            };
            let options = Options {
                clock,
                trust: Party {
                    name: trust_name,
                    account: trust_account,
                },
                file: books,
                closed_accounts: Vec::new(),
            };
            let bank = Bank::open(listen, options).await?;
            println!("serving on {}", bank.address());
            process::asked_to_stop().await;
            bank.close().await;
            Ok(())
        }
        BankCommand::Pay(arguments) => {
            let status = pay(&Payment {
                bank: &arguments.bank,
                to: &arguments.to,
                amount_fen: arguments.amount,
                payer: &arguments.payer,
                payer_account: &arguments.payer_account,
            })
            .await?;
            println!("{status:?}");
            Ok(())
        }
    }
}

/// Orders a payment at the simulator, as a supplier's own bank would.
pub async fn pay(payment: &Payment<'_>) -> anyhow::Result<PaymentStatus> {
    let transfer = Transfer {
        payer: Party {
            name: payment.payer.to_owned(),
            account: payment.payer_account.to_owned(),
        },
        account: payment.to.to_owned(),
        payee_name: "投标保证金".to_owned(),
        amount: Fen::new(payment.amount_fen),
        end_to_end_id: uuid::Uuid::new_v4().simple().to_string(),
        remittance: "投标保证金".to_owned(),
        // The past: at once.
        execute_at: Instant::from_seconds(0),
        notify_twice: false,
    };
    Ok(sunbid_banksim::pay(payment.bank, transfer).await?)
}
