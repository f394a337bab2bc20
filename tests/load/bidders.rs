//! Suppliers in numbers, and their small bids, sealed and signed ahead in memory.

use anyhow::Context as _;
use sunbid_certificates::supplier;
use sunbid_cli::{
    commands::organization::Kind,
    connection::{Connection, request_id},
    demo::cast::Part,
};
use sunbid_contracts::{bid::v1::SubmitBidRequest, tender::v1::Tender};
use sunbid_sealing::{
    Bundle, CheckedHeader, Class, Element, Label, OsRng, SealingKey, Subject, Workers, seal,
};
use sunbid_terms::CreditCode;
use sunbid_tests::World;
use tokio::task::JoinSet;

/// Enrols as many suppliers.
pub async fn enrolled(world: &World, count: usize) -> anyhow::Result<Vec<Part>> {
    anyhow::ensure!(count <= 100, "there are credit codes for 100 suppliers");
    let parts: Vec<Part> = (0..count).map(part).collect();
    for part in &parts {
        world.stage.enrol_supplier(part).await?;
    }
    Ok(parts)
}

fn part(number: usize) -> Part {
    // A part lives as long as the program, like the demonstration's own.
    let text = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    Part {
        profile: text(format!("bidder-{number}")),
        code: text(format!("91140600MA00001{number:02}")),
        name: text(format!("投标人{number:02}")),
        kinds: &[Kind::Supplier],
        account: text(format!("620000000000000001{number:02}")),
    }
}

/// A bid with nothing but an opening sheet, sealed and signed, ready to be sent.
pub fn sealed(
    caller: &Connection,
    part: &Part,
    tender: &Tender,
    lot_id: &str,
    revision: u32,
) -> anyhow::Result<SubmitBidRequest> {
    let key = SealingKey::new(
        tender.key_id.as_slice().try_into()?,
        Element::decode(tender.public_key.as_slice().try_into()?)?,
    );
    let deadline = tender
        .timetable
        .context("an announced tender has a timetable")?
        .bid_deadline_us;
    let code = CreditCode::complete(part.code)?;
    let subject = Subject {
        tender: Label::new(&tender.name)?,
        lot: Label::new(lot_id)?,
        part: 0,
        class: Class::Public,
        bidder: Label::new(code.as_str())?,
        revision,
        not_before: u64::try_from(deadline / 1_000_000)?,
    };
    let sheet =
        serde_json::json!({ "price": format!("{}.00", 100_000 + revision), "period": "60" });
    let content = serde_json::to_vec(&sheet)?;
    let mut payload = Vec::new();
    let envelope = seal(
        &key,
        &subject,
        content.len() as u64,
        content.as_slice(),
        &mut payload,
        Workers::ONE,
        &mut OsRng,
    )?;
    let header = CheckedHeader::parse(&envelope.header.encode())?;
    let bundle = Bundle::of(&[&header])?.id();
    let profile = caller.profile()?;
    let signed = supplier::submission(&profile.certificate, &bundle);
    Ok(SubmitBidRequest {
        request_id: request_id(),
        tender: tender.name.clone(),
        lot_id: lot_id.to_owned(),
        revision: i64::from(revision),
        headers: vec![header.encode()],
        certificate: profile.certificate.clone(),
        intermediates: profile.intermediates.clone(),
        signature: profile.signer.sign(&signed)?,
        inline_payloads: vec![payload],
    })
}

/// Sends every supplier's bids, each supplier's one after the other, all suppliers at once; every
/// bid must get its receipt. How many there were.
pub async fn submit_all(queues: Vec<(Connection, Vec<SubmitBidRequest>)>) -> anyhow::Result<u64> {
    let mut suppliers = JoinSet::new();
    for (caller, bids) in queues {
        suppliers.spawn(async move {
            let mut client = caller.bid();
            let mut done = 0;
            for bid in bids {
                let answer = client.submit_bid(bid).await?.into_inner();
                answer.receipt.context("a bid got no receipt")?;
                done += 1;
            }
            Ok::<u64, anyhow::Error>(done)
        });
    }
    let mut done = 0;
    while let Some(supplier) = suppliers.join_next().await {
        done += supplier??;
    }
    Ok(done)
}
