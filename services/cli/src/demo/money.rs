//! Paying deposits in the demonstration: through the bank's real messages, as a supplier's own bank
//! would send them.

use std::time::Duration;

use anyhow::bail;
use sunbid_contracts::deposit::v1::{Deposit, DepositState, GetDepositRequest, OpenDepositRequest};
use tonic::Code;

use super::{cast::Part, stage::Stage};
use crate::{
    commands::bank::{Payment, pay},
    connection::request_id,
};

/// The account all deposits are kept in.
pub const TRUST_ACCOUNT: &str = "14060000000000000001";
pub const TRUST_NAME: &str = "公共资源交易中心保证金专户";

/// How often the platform is asked for what is to come, and the pause between two times.
const LOOKS: usize = 300;
const PAUSE: Duration = Duration::from_millis(50);

/// Opens a deposit account for a lot, pays what is due, and waits until the platform has it.
pub async fn pay_deposit(
    stage: &Stage,
    supplier: &Part,
    tender: &str,
    lot: &str,
) -> anyhow::Result<Deposit> {
    let mut deposits = stage.of(supplier.profile).await?.deposit();
    let request = OpenDepositRequest {
        request_id: request_id(),
        tender: tender.to_owned(),
        lot_id: lot.to_owned(),
    };
    // The deposit service learns of a notice a moment after it is published.
    let mut looks = 0;
    let opened = loop {
        match deposits.open_deposit(request.clone()).await {
            Err(status) if status.code() == Code::NotFound && looks < LOOKS => looks += 1,
            other => break other?,
        }
        tokio::time::sleep(PAUSE).await;
    };
    let deposit = opened.into_inner().deposit.unwrap_or_default();
    if deposit.due_fen == 0 {
        return Ok(deposit);
    }
    pay(&Payment {
        bank: stage.bank(),
        to: &deposit.virtual_account,
        amount_fen: deposit.due_fen,
        payer: supplier.name,
        payer_account: supplier.account,
    })
    .await?;
    wait_for(stage, supplier, tender, lot, DepositState::Valid).await
}

/// Waits until a deposit stands in `state`.
pub async fn wait_for(
    stage: &Stage,
    supplier: &Part,
    tender: &str,
    lot: &str,
    state: DepositState,
) -> anyhow::Result<Deposit> {
    for _ in 0..LOOKS {
        let mut deposits = stage.of(supplier.profile).await?.deposit();
        let request = GetDepositRequest {
            tender: tender.to_owned(),
            lot_id: lot.to_owned(),
        };
        let deposit = deposits
            .get_deposit(request)
            .await?
            .into_inner()
            .deposit
            .unwrap_or_default();
        if deposit.state() == state {
            return Ok(deposit);
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!(
        "the deposit of {} for lot {lot} did not become {}",
        supplier.name,
        state.as_str_name()
    )
}
