//! The smallest bid there is: nothing but an opening sheet, sealed and signed in memory, ready to be
//! sent in one call. For storms and rushes, where the platform is measured and not the sealer.

use sunbid_certificates::{Signer, supplier};
use sunbid_cli::connection::request_id;
use sunbid_contracts::{bid::v1::SubmitBidRequest, tender::v1::Tender};
use sunbid_sealing::{
    Bundle, CheckedHeader, Class, Element, Label, OsRng, SealingKey, Subject, Workers, seal,
};
use sunbid_terms::CreditCode;

use anyhow::Context as _;

/// Who signs a bid, and with what.
#[derive(Clone, Copy)]
pub struct Signatory<'a> {
    pub code: &'a CreditCode,
    /// DER.
    pub certificate: &'a [u8],
    /// DER.
    pub intermediates: &'a [Vec<u8>],
    pub signer: &'a Signer,
}

/// A bid of the signatory for the lot.
pub fn sealed(
    by: Signatory<'_>,
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
    let subject = Subject {
        tender: Label::new(&tender.name)?,
        lot: Label::new(lot_id)?,
        part: 0,
        class: Class::Public,
        bidder: Label::new(by.code.as_str())?,
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
    let signed = supplier::submission(by.certificate, &bundle);
    Ok(SubmitBidRequest {
        request_id: request_id(),
        tender: tender.name.clone(),
        lot_id: lot_id.to_owned(),
        revision: i64::from(revision),
        headers: vec![header.encode()],
        certificate: by.certificate.to_vec(),
        intermediates: by.intermediates.to_vec(),
        signature: by.signer.sign(&signed)?,
        inline_payloads: vec![payload],
    })
}
