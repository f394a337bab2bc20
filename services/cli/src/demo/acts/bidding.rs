//! Deposits, sealed bids, a replacement, a withdrawal, and one that is late.

use std::{fs, io::Write, path::Path};

use anyhow::{Context as _, bail};
use ring::rand::{SecureRandom, SystemRandom};
use sunbid_contracts::{deposit::v1::DepositState, tender::v1::Tender};
use sunbid_terms::{CreditCode, Fen};

use crate::demo::{
    cast::{PURCHASER, Part, SUPPLIERS},
    money::{pay_deposit, wait_for},
    narration::Narrator,
    stage::Stage,
};
use crate::{
    commands::bid,
    output,
    sealing::{SealedBid, Wish, seal_bid},
};

/// Deposits, sealing, submission, a replacement, a withdrawal, and what is refused.
pub(super) async fn bidding(
    stage: &Stage,
    narrator: &Narrator,
    tender: &Tender,
    megabytes: u64,
) -> anyhow::Result<SealedBid> {
    narrator.act(
        "五、缴纳保证金、密封、投标",
        "5. Deposits, sealing, submission",
    );
    let [first, second, third, fourth, fifth] = &SUPPLIERS;
    let prices = ["2788000.00", "2650000.50", "2712345.67", "2590000.00"];
    for (supplier, price) in [first, second, third, fourth].into_iter().zip(prices) {
        let deposit = pay_deposit(stage, supplier, &tender.name, "01").await?;
        let sealed = make_bid(stage, supplier, tender, "01", price, 1, megabytes).await?;
        let receipt = submit(stage, supplier, &sealed).await?;
        narrator.sees(
            supplier.name,
            &format!(
                "保证金 {} 到账；已密封并投标，回执 / receipt {}",
                Fen::new(deposit.received_fen),
                hex::encode(&receipt.leaf[..8])
            ),
        );
    }
    // Lot 02 gets two bidders: it must fail and stay sealed for ever.
    for (supplier, price) in [(first, "1480000.00"), (second, "1455000.00")] {
        pay_deposit(stage, supplier, &tender.name, "02").await?;
        let sealed = make_bid(stage, supplier, tender, "02", price, 1, 1).await?;
        submit(stage, supplier, &sealed).await?;
    }
    narrator.line(
        "标段02只有两家投标（此刻除投标人自己外无人知道）。",
        "Lot 02 has two bidders (nobody but themselves knows yet).",
    );
    let sealed = make_bid(stage, third, tender, "01", "2699999.99", 2, megabytes).await?;
    submit(stage, third, &sealed).await?;
    narrator.sees(third.name, "以新版本替换了投标 / replaced its bid");
    bid::withdraw(&stage.of(fourth.profile).await?, &tender.name, "01").await?;
    narrator.sees(
        fourth.name,
        "截止前撤回了投标 / withdrew before the deadline",
    );
    let refund = wait_for(stage, fourth, &tender.name, "01", DepositState::Returned).await?;
    narrator.sees(
        fourth.name,
        &format!("保证金已退 / refunded {}", Fen::new(refund.refunded_fen)),
    );
    let unpaid = make_bid(stage, fifth, tender, "01", "2600000.00", 1, 1).await?;
    match submit(stage, fifth, &unpaid).await {
        Ok(_) => bail!("a bid without a deposit was taken"),
        Err(error) => narrator.sees(
            fifth.name,
            &format!("未缴保证金，被拒：{}", crate::exit::describe(&error)),
        ),
    }
    let request = sunbid_contracts::opening::v1::GetSessionRequest {
        tender: tender.name.clone(),
    };
    let session = stage
        .of(PURCHASER.profile)
        .await?
        .opening()
        .get_session(request)
        .await?
        .into_inner();
    let shown = serde_json::to_string(&output::to_json(&session.session.unwrap_or_default())?)?;
    narrator.sees(
        PURCHASER.name,
        &format!("开标前能看到的全部 / all it can see before the opening: {shown}"),
    );
    // Sealed in time, sent too late.
    make_bid(stage, fifth, tender, "02", "1400000.00", 1, 1).await
}

/// Seals a bid on a supplier's desk.
pub async fn make_bid(
    stage: &Stage,
    supplier: &Part,
    tender: &Tender,
    lot: &str,
    price: &str,
    revision: u32,
    megabytes: u64,
) -> anyhow::Result<SealedBid> {
    let desk = stage.desk(supplier.profile)?;
    let sheet = desk.join(format!("开标一览表-{lot}-{revision}.json"));
    let values = serde_json::json!({ "price": price, "period": "60", "quality": "符合国家标准" });
    fs::write(&sheet, serde_json::to_vec_pretty(&values)?)?;
    let file = desk.join(format!("投标文件-{lot}-{revision}.pdf"));
    write_random(&file, megabytes)?;
    let code = CreditCode::complete(supplier.code)?;
    let folder = desk.join(format!("sealed-{lot}-{revision}"));
    tokio::task::block_in_place(|| {
        seal_bid(&Wish {
            tender,
            lot_id: lot,
            bidder: code.as_str(),
            revision,
            parts: vec![(0, sheet), (1, file)],
            folder: &folder,
        })
    })
}

/// Submits what [`make_bid`] sealed, and keeps the receipt beside it.
pub async fn submit(
    stage: &Stage,
    supplier: &Part,
    sealed: &SealedBid,
) -> anyhow::Result<sunbid_contracts::bid::v1::Receipt> {
    let folder = stage
        .desk(supplier.profile)?
        .join(format!("sealed-{}-{}", sealed.lot_id, sealed.revision));
    let connection = stage.of(supplier.profile).await?;
    let receipt = bid::submit(&connection, &folder, sealed).await?.receipt;
    let receipt = receipt.context("the platform gave no receipt")?;
    let shown = serde_json::to_string_pretty(&output::to_json(&receipt)?)?;
    fs::write(folder.join("receipt.json"), shown)?;
    Ok(receipt)
}

/// A file of random bytes: sealed bids do not compress, and neither shall the demonstration's.
pub(super) fn write_random(path: &Path, megabytes: u64) -> anyhow::Result<()> {
    let random = SystemRandom::new();
    let mut file = std::io::BufWriter::new(fs::File::create(path)?);
    let mut chunk = vec![0; 1 << 20];
    for _ in 0..megabytes {
        random
            .fill(&mut chunk)
            .map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
        file.write_all(&chunk)?;
    }
    file.flush()?;
    Ok(())
}
