//! The bundled bank simulator, and a supplier's payment through it. A real bank's interface speaks
//! the same messages (ISO 20022).

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};

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

pub async fn run(context: &Context, command: BankCommand) -> anyhow::Result<()> {
    match command {
        BankCommand::Simulate { listen, books, sandbox_clock } => {
            process::log(context.output.json);
            simulate(listen, books, sandbox_clock).await
        }
        BankCommand::Pay(arguments) => {
            let reference = pay(&Payment {
                bank: &arguments.bank,
                to: &arguments.to,
                amount_fen: arguments.amount,
                payer: &arguments.payer,
                payer_account: &arguments.payer_account,
            })
            .await?;
            println!("{reference}");
            Ok(())
        }
    }
}
