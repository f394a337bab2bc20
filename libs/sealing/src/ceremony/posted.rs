//! Rounds 1 to 3 as anybody sees them: checked without a secret, down to the key they make.

use crate::tender_key::TenderKey;
use crate::transcript::{self, Tag};

use super::fault::{CeremonyFault, Fault};
use super::message::{Message, Round, collect};
use super::package::{Package, tender_key};
use super::share_envelope::{Route, ShareEnvelope};
use super::terms::CeremonyTerms;

/// What `h_i` commits to.
pub(crate) fn commitment(terms: &CeremonyTerms, holder: u16, package: &[u8]) -> [u8; 32] {
    let index = holder.to_be_bytes();
    transcript::hash(Tag::CeremonyCommitment, &[terms.id(), &index, package])
}

/// The packages of all holders, each the one committed to and proven.
pub(crate) fn check_packages(
    terms: &CeremonyTerms,
    commitments: &[Message],
    packages: &[Message],
) -> Result<Vec<Package>, CeremonyFault> {
    let commitments = check_commitments(terms, commitments)?;
    let packages = collect(terms, Round::Package, packages)?;
    commitments
        .iter()
        .zip(packages)
        .map(|(committed, message)| {
            let fault = |what| CeremonyFault {
                holder: message.holder,
                what,
            };
            if commitment(terms, message.holder, &message.content).as_slice() != committed.content {
                return Err(fault(Fault::Commitment));
            }
            let package = Package::parse(&message.content, terms.threshold()).map_err(|cause| {
                fault(Fault::Form {
                    round: Round::Package,
                    cause,
                })
            })?;
            if !package.proof_holds(message.holder) {
                return Err(fault(Fault::ProofOfKnowledge));
            }
            Ok(package)
        })
        .collect()
}

/// One commitment of every holder.
pub(crate) fn check_commitments<'a>(
    terms: &CeremonyTerms,
    commitments: &'a [Message],
) -> Result<Vec<&'a Message>, CeremonyFault> {
    collect(terms, Round::Commitment, commitments)
}

/// Everything posted in rounds 1 to 3, checked.
pub(crate) struct Posted {
    pub(crate) packages: Vec<Package>,
    pub(crate) key: TenderKey,
    /// By sender and recipient; the sender's own place is left out.
    shares: Vec<Vec<(u16, ShareEnvelope)>>,
    /// What every holder's certificate signs.
    pub(crate) certified: [u8; 32],
}

impl Posted {
    pub(crate) fn check(
        terms: &CeremonyTerms,
        commitments: &[Message],
        packages: &[Message],
        shares: &[Message],
    ) -> Result<Self, CeremonyFault> {
        let parsed = check_packages(terms, commitments, packages)?;
        let key = tender_key(terms, &parsed)?;
        let mut bytes = Vec::new();
        for (round, messages) in [
            (Round::Commitment, commitments),
            (Round::Package, packages),
            (Round::Shares, shares),
        ] {
            for message in collect(terms, round, messages)? {
                bytes.extend_from_slice(&message.encode());
            }
        }
        let certified = transcript::hash(Tag::CeremonyCertificate, &[terms.id(), key.id(), &bytes]);
        let shares = collect(terms, Round::Shares, shares)?
            .into_iter()
            .map(|message| check_shares(terms, message))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            packages: parsed,
            key,
            shares,
            certified,
        })
    }

    pub(crate) fn package(&self, holder: u16) -> Option<&Package> {
        usize::from(holder)
            .checked_sub(1)
            .and_then(|position| self.packages.get(position))
    }

    pub(crate) fn envelope(&self, sender: u16, recipient: u16) -> Option<&ShareEnvelope> {
        let position = usize::from(sender).checked_sub(1)?;
        let own = self.shares.get(position)?;
        own.iter()
            .find(|(to, _)| *to == recipient)
            .map(|(_, envelope)| envelope)
    }
}

fn check_shares(
    terms: &CeremonyTerms,
    message: &Message,
) -> Result<Vec<(u16, ShareEnvelope)>, CeremonyFault> {
    let sender = message.holder;
    let fault = |what| CeremonyFault {
        holder: sender,
        what,
    };
    let mut pieces = message.content.chunks(ShareEnvelope::LENGTH);
    let mut shares = Vec::new();
    for recipient in terms.indices().filter(|recipient| *recipient != sender) {
        let envelope =
            ShareEnvelope::parse(pieces.next().unwrap_or_default()).map_err(|cause| {
                fault(Fault::Form {
                    round: Round::Shares,
                    cause,
                })
            })?;
        let proven =
            Route::new(terms, sender, recipient).is_some_and(|route| envelope.proof_holds(route));
        if !proven {
            return Err(fault(Fault::ShareProof { recipient }));
        }
        shares.push((recipient, envelope));
    }
    let trailing: usize = pieces.map(<[u8]>::len).sum();
    if trailing > 0 {
        let cause = crate::reading::ReadError::Trailing { count: trailing }.into();
        return Err(fault(Fault::Form {
            round: Round::Shares,
            cause,
        }));
    }
    Ok(shares)
}
