//! The holders' shares: every one that was accepted is proven, at least t holders gave them after
//! at least t had signed the closing, and what was refused was wrong.

use sunbid_contracts::opening::v1::{HolderShares, RescuePublished};
use sunbid_contracts::tender::v1::Tender;
use sunbid_domain::opening::record::rescue;
use sunbid_domain::opening::{CheckedBids, Envelope, parallel};
use sunbid_sealing::{
    Delivery, Element, Partial, SharedSecret, TenderKey, VerifiedPartial, combine,
};

use crate::fault::{Culprit, Fault};
use crate::log::Log;

/// A holder's shares, all proven.
pub(crate) struct Proven {
    pub index: i32,
    partials: Vec<VerifiedPartial>,
    pub count: usize,
}

/// What shares are checked against.
pub(crate) struct Opening<'a> {
    pub log: &'a Log,
    pub key: &'a TenderKey,
    pub close: [u8; 32],
    pub bids: &'a CheckedBids,
    reader: Option<Element>,
}

impl<'a> Opening<'a> {
    pub(crate) fn new(
        log: &'a Log,
        key: &'a TenderKey,
        close: [u8; 32],
        bids: &'a CheckedBids,
        tender: &Tender,
    ) -> Result<Self, Fault> {
        let reader = match tender.evaluator_key.as_slice() {
            [] => None,
            bytes => {
                let decoded = <[u8; 32]>::try_from(bytes)
                    .ok()
                    .and_then(|bytes| Element::decode(&bytes).ok());
                Some(decoded.ok_or_else(|| {
                    Fault::new(
                        "EVALUATOR_KEY",
                        Culprit::Purchaser,
                        "logs/tender.pb",
                        "评审公钥无效。",
                        "The evaluators' key is no element of the group.",
                    )
                })?)
            }
        };
        Ok(Self {
            log,
            key,
            close,
            bids,
            reader,
        })
    }

    /// Checks every proof of a holder's shares; the first that fails is told.
    pub(crate) fn prove(&self, shares: &HolderShares) -> Result<Proven, String> {
        let deliveries = if self.reader.is_some() {
            self.bids.evaluations.len()
        } else {
            0
        };
        if shares.partials.len() != self.bids.sheets.len() || shares.deliveries.len() != deliveries
        {
            return Err("there is not one share for each envelope".to_owned());
        }
        let index = u16::try_from(shares.index)
            .map_err(|_| "the holder's index is out of range".to_owned())?;
        let pairs: Vec<(&Envelope, &Vec<u8>)> =
            self.bids.sheets.iter().zip(&shares.partials).collect();
        let partials = parallel::try_map(&pairs, |(envelope, bytes)| {
            let partial = Partial::parse(bytes).map_err(|error| error.to_string())?;
            if partial.holder() != index {
                return Err("a partial is another holder's".to_owned());
            }
            partial
                .verify(self.key, &envelope.header, &self.close)
                .map_err(|error| error.to_string())
        })?;
        if let Some(reader) = &self.reader {
            let pairs: Vec<(&Envelope, &Vec<u8>)> = self
                .bids
                .evaluations
                .iter()
                .zip(&shares.deliveries)
                .collect();
            parallel::try_map(&pairs, |(envelope, bytes)| {
                let delivery = Delivery::parse(bytes).map_err(|error| error.to_string())?;
                if delivery.holder() != index {
                    return Err("a delivery is another holder's".to_owned());
                }
                delivery
                    .verify(self.key, &envelope.header, &self.close, reader)
                    .map(drop)
                    .map_err(|error| error.to_string())
            })?;
        }
        Ok(Proven {
            index: shares.index,
            partials,
            count: shares.partials.len() + shares.deliveries.len(),
        })
    }

    /// Accepted shares must be proven; otherwise the holder lied and the platform let it pass.
    pub(crate) fn accepted(&self, seq: u64, shares: &HolderShares) -> Result<Proven, Fault> {
        self.prove(shares).map_err(|cause| {
            Fault::new(
                "SHARES",
                Culprit::Holder(u16::try_from(shares.index).unwrap_or(0)),
                self.log.place(seq),
                "已接受的解密份额未通过验证。",
                format!("Shares that were accepted do not verify: {cause}."),
            )
        })
    }

    /// Refused shares must be wrong; otherwise the platform kept a holder out.
    pub(crate) fn refused(&self, seq: u64, shares: &HolderShares) -> Result<(), Fault> {
        match self.prove(shares) {
            Err(_) => Ok(()),
            Ok(_) => Err(self.log.fault(
                "SHARES_REFUSED",
                seq,
                "被拒绝的解密份额其实有效。",
                "The shares that were refused here are all right.",
            )),
        }
    }

    /// The secret of every sheet's envelope, from the shares of these holders.
    pub(crate) fn combined(&self, used: &[&Proven]) -> Result<Vec<SharedSecret>, String> {
        let places: Vec<usize> = (0..self.bids.sheets.len()).collect();
        parallel::try_map(&places, |place| {
            let sheet = self
                .bids
                .sheets
                .get(*place)
                .ok_or("there is no such envelope")?;
            let partials: Vec<VerifiedPartial> = used
                .iter()
                .filter_map(|of_holder| of_holder.partials.get(*place).copied())
                .collect();
            combine(self.key, &sheet.header, &partials).map_err(|error| error.to_string())
        })
    }

    /// The secret of every sheet's envelope, from what suppliers published themselves.
    pub(crate) fn rescued(&self, rescues: &[RescuePublished]) -> Result<Vec<SharedSecret>, String> {
        self.bids
            .sheets
            .iter()
            .map(|sheet| {
                let own = rescues
                    .iter()
                    .find(|rescue| rescue.header_id == sheet.header.id());
                let own = own.ok_or("an envelope was opened by nobody")?;
                rescue(self.key, &sheet.header, &own.secret).map_err(|error| error.to_string())
            })
            .collect()
    }
}
