//! Bids: seal on this machine, submit, replace, withdraw, and look after receipts.

mod receipts;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use sunbid_certificates::supplier;
use sunbid_contracts::{
    bid::v1::{
        Bid, BidState, GetBidRequest, GetUploadRequest, ListBidsRequest, Receipt, SubmitBidRequest,
        SubmitBidResponse, UploadPartHeader, UploadPartRequest, WithdrawBidRequest,
        upload_part_request::Step,
    },
    tender::v1::GetTenderRequest,
};
use tokio::io::AsyncSeekExt;

use super::tender_name;
use crate::{
    committee,
    connection::{Connection, request_id},
    context::Context,
    output, progress,
    sealing::{SealedBid, SealedPart, Wish, seal_bid},
    sending::in_chunks,
};

pub use receipts::show_receipt;
use receipts::{Expected, check_receipt, own_bundle};

/// Sealed payloads up to this size travel with the submission.
const INLINE: u64 = 64 * 1024;
const CHUNK: usize = 512 * 1024;

#[derive(Debug, Subcommand)]
pub enum BidCommand {
    /// Seal a bid into a new folder. Needs the network only to read the tender's key.
    Seal(SealArguments),
    /// Upload and submit a sealed bid; a later revision replaces the one before.
    Submit {
        /// Folder of the sealed bid.
        folder: PathBuf,
    },
    /// Withdraw a bid before the deadline.
    Withdraw {
        #[arg(value_parser = tender_name)]
        tender: String,
        #[arg(long)]
        lot: String,
    },
    /// The profile's bid for a lot, with its receipts.
    Show {
        #[arg(value_parser = tender_name)]
        tender: String,
        #[arg(long)]
        lot: String,
    },
    /// The profile's bids.
    List,
}

#[derive(Debug, Args)]
pub struct SealArguments {
    #[arg(value_parser = tender_name)]
    tender: String,
    #[arg(long)]
    lot: String,
    /// Opening sheet (part 0): JSON of text to text, such as {"price": "1234567.89", "period": "90"}.
    #[arg(long)]
    sheet: PathBuf,
    /// Further parts: NUMBER=FILE.
    #[arg(long, value_parser = part)]
    part: Vec<(u8, PathBuf)>,
    /// New folder for the sealed bid and its rescue files.
    #[arg(long)]
    to: PathBuf,
    /// 1 for the first; one more for each replacement; found out where not given.
    #[arg(long)]
    revision: Option<u32>,
}

fn part(text: &str) -> Result<(u8, PathBuf), String> {
    let (number, file) = text.split_once('=').ok_or("expected NUMBER=FILE")?;
    Ok((
        number
            .parse()
            .map_err(|_| "the part's number is from 0 to 255")?,
        file.into(),
    ))
}

pub async fn run(context: &Context, command: BidCommand) -> anyhow::Result<()> {
    let output = context.output;
    match command {
        BidCommand::Seal(arguments) => {
            let connection = context.caller().await?;
            let revision = match arguments.revision {
                Some(revision) => revision,
                None => next_revision(&connection, &arguments.tender, &arguments.lot).await?,
            };
            let request = GetTenderRequest {
                name: arguments.tender,
            };
            let tender = connection
                .tender()
                .get_tender(request)
                .await?
                .into_inner()
                .tender;
            let tender = tender.context("the platform gave no tender")?;
            let ceremony = committee::checked(&connection, &tender).await?;
            if !output.json {
                println!("{}", committee::show(&ceremony, output));
            }
            let organization = connection.organization()?;
            let mut parts = vec![(0, arguments.sheet)];
            parts.extend(arguments.part);
            let sealed = tokio::task::block_in_place(|| {
                seal_bid(&Wish {
                    tender: &tender,
                    lot_id: &arguments.lot,
                    bidder: organization.trim_start_matches("organizations/"),
                    revision,
                    parts,
                    folder: &arguments.to,
                })
            })?;
            if output.json {
                println!("{}", serde_json::to_string_pretty(&sealed)?);
            } else {
                println!(
                    "{} {}",
                    output.say("已密封，捆绑哈希", "Sealed; bundle"),
                    sealed.bundle
                );
                println!(
                    "{}",
                    output.say(
                        "请妥善保管 part-*.rescue：持钥机构失效时可用于公开自己的投标，切勿外传。",
                        "Keep part-*.rescue safe and to yourself: with them you can open your own bid if holders fail."
                    )
                );
            }
            Ok(())
        }
        BidCommand::Submit { folder } => {
            let connection = context.caller().await?;
            let sealed = SealedBid::read(&folder)?;
            let answer = submit(&connection, &folder, &sealed).await?;
            let receipt = answer.receipt.clone().unwrap_or_default();
            fs::write(
                folder.join("receipt.json"),
                serde_json::to_string_pretty(&output::to_json(&receipt)?)?,
            )?;
            output.message(&answer, |answer| {
                let receipt = answer
                    .receipt
                    .as_ref()
                    .map(show_receipt)
                    .unwrap_or_default();
                format!("{receipt}\n{}", output::verdicts(&answer.verdicts, output))
            })
        }
        BidCommand::Withdraw { tender, lot } => {
            let connection = context.caller().await?;
            let receipt = withdraw(&connection, &tender, &lot).await?;
            output.message(&receipt, show_receipt)
        }
        BidCommand::Show { tender, lot } => {
            let mut bids = context.caller().await?.bid();
            let answer = bids
                .get_bid(GetBidRequest {
                    tender,
                    lot_id: lot,
                })
                .await?
                .into_inner();
            output.message(&answer, |answer| {
                let mut lines = vec![answer.bid.as_ref().map(show).unwrap_or_default()];
                lines.extend(answer.receipts.iter().map(show_receipt));
                lines.join("\n\n")
            })
        }
        BidCommand::List => {
            let mut bids = context.caller().await?.bid();
            let (mut all, mut page_token) = (Vec::new(), String::new());
            loop {
                let request = ListBidsRequest {
                    page_size: 200,
                    page_token,
                };
                let page = bids.list_bids(request).await?.into_inner();
                all.extend(page.bids);
                page_token = page.next_page_token;
                if page_token.is_empty() {
                    break;
                }
            }
            let header = ["项目", "标段", "版次", "状态", "收到时间"];
            output.list(
                &all,
                &header,
                output.say("没有投标。", "No bids."),
                |bid| {
                    vec![
                        bid.tender.clone(),
                        bid.lot_id.clone(),
                        bid.revision.to_string(),
                        state(bid).to_owned(),
                        output::time(bid.accept_time_us),
                    ]
                },
            )
        }
    }
}

async fn next_revision(connection: &Connection, tender: &str, lot: &str) -> anyhow::Result<u32> {
    let request = GetBidRequest {
        tender: tender.to_owned(),
        lot_id: lot.to_owned(),
    };
    match connection.bid().get_bid(request).await {
        Ok(answer) => {
            let last = answer.into_inner().bid.map_or(0, |bid| bid.revision);
            Ok(u32::try_from(last)?.saturating_add(1))
        }
        // Nothing was submitted yet.
        Err(status)
            if matches!(
                status.code(),
                tonic::Code::NotFound | tonic::Code::PermissionDenied
            ) =>
        {
            Ok(1)
        }
        Err(status) => Err(status.into()),
    }
}

/// Uploads what is large, then submits; a cut upload goes on where it stopped.
pub async fn submit(
    connection: &Connection,
    folder: &Path,
    sealed: &SealedBid,
) -> anyhow::Result<SubmitBidResponse> {
    let mut inline = Vec::new();
    let mut headers = Vec::new();
    for part in &sealed.parts {
        headers.push(hex::decode(&part.header)?);
        if part.payload_bytes <= INLINE {
            inline.push(fs::read(folder.join(&part.payload))?);
        } else {
            inline.push(Vec::new());
            upload(connection, folder, sealed, part).await?;
        }
    }
    let profile = connection.profile()?;
    let signed = supplier::submission(&profile.certificate, &sealed.bundle()?);
    let request = SubmitBidRequest {
        request_id: request_id(),
        tender: sealed.tender.clone(),
        lot_id: sealed.lot_id.clone(),
        revision: i64::from(sealed.revision),
        headers,
        certificate: profile.certificate.clone(),
        intermediates: profile.intermediates.clone(),
        signature: profile.signer.sign(&signed)?,
        inline_payloads: inline,
    };
    let answer = connection.bid().submit_bid(request).await?.into_inner();
    let receipt = answer
        .receipt
        .as_ref()
        .context("the platform gave no receipt")?;
    let expected = Expected {
        tender: &sealed.tender,
        lot_id: &sealed.lot_id,
        bundle: &sealed.bundle()?,
        withdrawal: false,
    };
    check_receipt(connection, receipt, &expected).await?;
    Ok(answer)
}

/// Withdraws the profile's bid for a lot.
pub async fn withdraw(connection: &Connection, tender: &str, lot: &str) -> anyhow::Result<Receipt> {
    let mut bids = connection.bid();
    let request = GetBidRequest {
        tender: tender.to_owned(),
        lot_id: lot.to_owned(),
    };
    let bid = bids
        .get_bid(request)
        .await?
        .into_inner()
        .bid
        .context("there is no bid")?;
    own_bundle(&bid, tender, lot)?;
    let profile = connection.profile()?;
    let signed = supplier::withdrawal(&profile.certificate, &bid.bundle);
    let request = WithdrawBidRequest {
        request_id: request_id(),
        tender: tender.to_owned(),
        lot_id: lot.to_owned(),
        certificate: profile.certificate.clone(),
        intermediates: profile.intermediates.clone(),
        signature: profile.signer.sign(&signed)?,
    };
    bids.withdraw_bid(request)
        .await?
        .into_inner()
        .receipt
        .context("the platform gave no receipt")
}

async fn upload(
    connection: &Connection,
    folder: &Path,
    sealed: &SealedBid,
    part: &SealedPart,
) -> anyhow::Result<()> {
    let root = hex::decode(&part.payload_root)?;
    let bar = progress::bytes(
        &format!("上传/upload part {}", part.part),
        part.payload_bytes,
    );
    // Each round goes on where the platform's durable bytes end.
    for round in 0..5 {
        let request = GetUploadRequest {
            tender: sealed.tender.clone(),
            lot_id: sealed.lot_id.clone(),
            payload_root: root.clone(),
        };
        let stored = connection.bid().get_upload(request).await?.into_inner();
        if stored.complete {
            bar.finish_and_clear();
            return Ok(());
        }
        bar.set_position(u64::try_from(stored.committed_bytes)?);
        let header = UploadPartHeader {
            tender: sealed.tender.clone(),
            lot_id: sealed.lot_id.clone(),
            payload_root: root.clone(),
            payload_bytes: i64::try_from(part.payload_bytes)?,
            offset: stored.committed_bytes,
        };
        match send(connection, &folder.join(&part.payload), header, &bar).await {
            Ok(true) => {
                bar.finish_and_clear();
                return Ok(());
            }
            Ok(false) => {}
            Err(error) if round < 4 && crate::exit::code(&error) == crate::exit::UNAVAILABLE => {
                tokio::time::sleep(std::time::Duration::from_millis(500 << round)).await;
            }
            Err(error) => return Err(error),
        }
    }
    anyhow::bail!(
        "the upload of part {} was cut again and again; run the same command to go on",
        part.part
    )
}

async fn send(
    connection: &Connection,
    file: &Path,
    header: UploadPartHeader,
    bar: &indicatif::ProgressBar,
) -> anyhow::Result<bool> {
    let mut source = tokio::fs::File::open(file).await?;
    source
        .seek(std::io::SeekFrom::Start(u64::try_from(header.offset)?))
        .await?;
    let request = |step| UploadPartRequest { step: Some(step) };
    let (stream, sending) = in_chunks(
        source,
        CHUNK,
        request(Step::Header(header)),
        move |chunk| request(Step::Chunk(chunk)),
        bar.clone(),
    );
    let answer = connection.bid().upload_part(stream).await?.into_inner();
    sending.await??;
    Ok(answer.complete)
}

fn show(bid: &Bid) -> String {
    output::fields(&[
        ("name", bid.name.clone()),
        ("标段", bid.lot_id.clone()),
        ("版次", bid.revision.to_string()),
        ("状态", state(bid).to_owned()),
        ("收到时间", output::time(bid.accept_time_us)),
        ("bundle", hex::encode(&bid.bundle)),
    ])
}

fn state(bid: &Bid) -> &'static str {
    match bid.state() {
        BidState::Submitted => "已提交",
        BidState::Replaced => "已替换",
        BidState::Withdrawn => "已撤回",
        BidState::Sealed => "封存",
        BidState::NeverOpened => "永不开启",
        BidState::Unspecified => "",
    }
}
