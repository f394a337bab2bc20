//! What each bid of a closed log must prove: its envelopes' form and proofs, that they are the parts
//! the tender prescribes, sealed to its key for its deadline, and that the supplier signed them.
//! Slow work, done on all cores; nothing is decided here that the fold has not decided.

use sunbid_contracts::tender::v1::{PartClass, Tender};
use sunbid_sealing::{Bundle, CheckedHeader, Class, Label, Subject, supplier_message};
use sunbid_terms::Instant;

use super::closing::{Claim, ClosedBids, ClosingFault, Withdrawal, array, class_of};
use super::parallel;
use sunbid_contracts::bid::v1::ClosingStatus;

/// What a supplier signs to withdraw, before certificate and bundle.
const WITHDRAWAL: &[u8] = b"SEALBID-V1 supplier withdrawal\0";

/// Whom a certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supplier {
    /// Unified social credit code.
    pub credit_code: String,
    pub organization_name: String,
}

/// Checks a signature by a certificate whose chain is valid at a time; says whose it is.
/// Arguments: certificate, intermediates, message, signature, time.
pub type SupplierCheck<'a> =
    &'a (dyn Fn(&[u8], &[Vec<u8>], &[u8], &[u8], Instant) -> Result<Supplier, String> + Sync);

/// One envelope that goes to the opening, with whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub header: CheckedHeader,
    pub lot_id: String,
    /// "organizations/{credit_code}".
    pub bidder: String,
    /// As the certificate says it.
    pub bidder_display_name: String,
    pub bundle: [u8; 32],
    pub part: i32,
}

/// The envelopes of a closed log whose bids were all checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedBids {
    /// Class 0, in the order of the partials.
    pub sheets: Vec<Envelope>,
    /// Class 1, in the order of the deliveries.
    pub evaluations: Vec<Envelope>,
}

/// Checks every bid and withdrawal of the log.
pub fn check(
    closed: &ClosedBids,
    supplier: SupplierCheck<'_>,
) -> Result<CheckedBids, ClosingFault> {
    let key_id = array(&closed.tender.key_id, "the tender's key id")?;
    let checked = parallel::try_map(&closed.claims, |claim| {
        check_claim(&closed.tender, &key_id, claim, supplier)
    })?;
    parallel::try_map(&closed.withdrawals, |withdrawal| {
        check_withdrawal(closed, withdrawal, supplier)
    })?;
    let (mut sheets, mut evaluations) = (Vec::new(), Vec::new());
    for (claim, (supplier, headers)) in closed.claims.iter().zip(checked) {
        if claim.status != ClosingStatus::Live {
            continue;
        }
        for (header, part) in headers.into_iter().zip(&claim.bid.parts) {
            let class = header.subject().class;
            let envelope = Envelope {
                header,
                lot_id: claim.bid.lot_id.clone(),
                bidder: claim.bid.bidder.clone(),
                bidder_display_name: supplier.organization_name.clone(),
                bundle: array(&claim.bid.bundle, "a bundle")?,
                part: part.part,
            };
            match class {
                Class::Public => sheets.push(envelope),
                Class::Evaluators => evaluations.push(envelope),
                // Stays sealed until a later signed decision.
                Class::AfterDecision => {}
            }
        }
    }
    Ok(CheckedBids {
        sheets,
        evaluations,
    })
}

fn check_claim(
    tender: &Tender,
    key_id: &[u8; 32],
    claim: &Claim,
    supplier: SupplierCheck<'_>,
) -> Result<(Supplier, Vec<CheckedHeader>), ClosingFault> {
    let bid = &claim.bid;
    let fault = |what: String| ClosingFault::Bid {
        seq: claim.seq,
        what,
    };
    let code =
        credit_code(&bid.bidder).ok_or_else(|| fault(format!("{} is no bidder", bid.bidder)))?;
    let mut headers = Vec::with_capacity(bid.parts.len());
    for part in &bid.parts {
        let of_part = |what: String| fault(format!("part {}: {what}", part.part));
        let class = class_of(tender, part.part)
            .ok_or_else(|| of_part("the tender asks for no such part".to_owned()))?;
        let header = CheckedHeader::parse(&part.header).map_err(|e| of_part(e.to_string()))?;
        let label = |text: &str| Label::new(text).map_err(|e| of_part(e.to_string()));
        let expected = Subject {
            tender: label(&tender.name)?,
            lot: label(&bid.lot_id)?,
            part: u8::try_from(part.part).map_err(|e| of_part(e.to_string()))?,
            class: sealing_class(class)
                .ok_or_else(|| of_part("its class is not known".to_owned()))?,
            bidder: label(code)?,
            revision: u32::try_from(bid.revision).map_err(|e| of_part(e.to_string()))?,
            not_before: u64::try_from(claim.deadline.seconds())
                .map_err(|e| of_part(e.to_string()))?,
        };
        header
            .agrees_with(key_id, &expected)
            .map_err(|e| of_part(e.to_string()))?;
        if header.id().as_slice() != part.header_id {
            return Err(of_part("it is not called by its own hash".to_owned()));
        }
        if header.payload_root().as_slice() != part.payload_root
            || i64::try_from(header.payload_length()) != Ok(part.payload_bytes)
        {
            return Err(of_part(
                "its payload is not the one its header names".to_owned(),
            ));
        }
        headers.push(header);
    }
    let missing = tender.parts.iter().find(|required| {
        (required.required || required.part == 0)
            && !bid.parts.iter().any(|part| part.part == required.part)
    });
    if let Some(missing) = missing {
        return Err(fault(format!("part {} is missing", missing.part)));
    }
    let bundle =
        Bundle::of(&headers.iter().collect::<Vec<_>>()).map_err(|e| fault(e.to_string()))?;
    if bundle.id().as_slice() != bid.bundle {
        return Err(fault(
            "its bundle is not the hash of its envelopes".to_owned(),
        ));
    }
    let message = supplier_message(&bid.certificate, &bundle.id());
    let signer = supplier(
        &bid.certificate,
        &bid.intermediates,
        &message,
        &bid.signature,
        claim.at,
    )
    .map_err(fault)?;
    if signer.credit_code != code {
        return Err(fault(format!(
            "{} signed a bid of {code}",
            signer.credit_code
        )));
    }
    Ok((signer, headers))
}

fn check_withdrawal(
    closed: &ClosedBids,
    withdrawal: &Withdrawal,
    supplier: SupplierCheck<'_>,
) -> Result<(), ClosingFault> {
    let fault = |what: String| ClosingFault::Bid {
        seq: withdrawal.seq,
        what,
    };
    let claim = closed
        .claims
        .get(withdrawal.claim)
        .ok_or_else(|| fault("the withdrawn bid is not there".to_owned()))?;
    let withdrawn = &withdrawal.withdrawn;
    let message = [WITHDRAWAL, &withdrawn.certificate, &withdrawn.bundle].concat();
    let signer = supplier(
        &withdrawn.certificate,
        &withdrawn.intermediates,
        &message,
        &withdrawn.signature,
        withdrawal.at,
    )
    .map_err(fault)?;
    if Some(signer.credit_code.as_str()) != credit_code(&claim.bid.bidder) {
        return Err(fault(format!(
            "{} withdrew a bid of {}",
            signer.credit_code, claim.bid.bidder
        )));
    }
    Ok(())
}

fn credit_code(bidder: &str) -> Option<&str> {
    bidder.strip_prefix("organizations/")
}

const fn sealing_class(class: PartClass) -> Option<Class> {
    match class {
        PartClass::OpeningSheet => Some(Class::Public),
        PartClass::Evaluation => Some(Class::Evaluators),
        PartClass::SecondStage => Some(Class::AfterDecision),
        PartClass::Unspecified => None,
    }
}
