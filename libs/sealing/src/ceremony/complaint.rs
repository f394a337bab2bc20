//! A complaint: a holder opens one share it was sent in front of everybody, and everybody sees
//! who lied. It is the holder's partial on that one envelope, so it opens nothing else.
//! Every complaint ends the ceremony: either the sender or the complainer is at fault.

use rand_core::CryptoRngCore;

use crate::group::{NoRandomness, SecretScalar};
use crate::partial::Partial;
use crate::reading::Reading;
use crate::tender_key::KeyShare;

use super::fault::{CeremonyFault, Fault};
use super::message::{Message, Round};
use super::posted::Posted;
use super::share_envelope::{Route, ShareEnvelope};
use super::terms::CeremonyTerms;

/// The content of a complaint about the sender of an envelope.
pub(crate) fn complain(
    route: Route<'_>,
    envelope: &ShareEnvelope,
    encryption: &SecretScalar,
    rng: &mut dyn CryptoRngCore,
) -> Result<Vec<u8>, NoRandomness> {
    let own = KeyShare::new(route.recipient, encryption.clone());
    let partial = Partial::on_element(
        &own,
        &envelope.ephemeral,
        &envelope.id(route),
        route.ceremony,
        rng,
    )?;
    Ok([route.sender.to_be_bytes().as_slice(), &partial.encode()].concat())
}

/// Decides a complaint: the fault it ends the ceremony with.
pub(crate) fn judge(terms: &CeremonyTerms, posted: &Posted, complaint: &Message) -> CeremonyFault {
    let complainer = complaint.holder;
    if let Err(fault) = complaint.check(terms) {
        return fault;
    }
    let fault = |what| CeremonyFault {
        holder: complainer,
        what,
    };
    if complaint.round != Round::Complaint {
        return fault(Fault::WrongRound {
            expected: Round::Complaint,
            found: complaint.round,
        });
    }
    let mut reading = Reading::new(&complaint.content);
    let accused = match reading.short("accused") {
        Ok(accused) => accused,
        Err(cause) => {
            return fault(Fault::Form {
                round: Round::Complaint,
                cause: cause.into(),
            });
        }
    };
    let dismissed = fault(Fault::FalseComplaint { accused });
    let (Some(route), Some(envelope), Some(package), Ok(partial)) = (
        Route::new(terms, accused, complainer),
        posted.envelope(accused, complainer),
        posted.package(accused),
        Partial::parse(reading.rest()),
    ) else {
        return dismissed;
    };
    let genuine = partial.holder() == complainer
        && partial.holds(
            route.recipient_key,
            &envelope.ephemeral,
            &envelope.id(route),
            route.ceremony,
        );
    if !genuine {
        return dismissed;
    }
    match envelope.open(route, partial.element()) {
        Some(share) if package.promises(complainer, &share) => dismissed,
        _ => CeremonyFault {
            holder: accused,
            what: Fault::BadShare {
                recipient: complainer,
            },
        },
    }
}
