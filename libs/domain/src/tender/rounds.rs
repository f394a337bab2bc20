//! The rounds of a ceremony: which message is taken when, and what the last of a round leads to.
//! The board trusts no holder: what it takes it has checked, and a fault ends the ceremony by name.

use sunbid_contracts::tender::v1::{
    Ceremony, CeremonyFailed, CeremonyMessage, CeremonyMessagePosted, CeremonyState,
    RehearsalSealed, TenderKeyEstablished, TenderState,
};
use sunbid_sealing::{
    CryptoRngCore, Partial, TenderKey,
    ceremony::{
        CanaryError, CeremonyFault, Fault, Round, equivocates, make_canary, verify_canary,
        verify_transcript,
    },
};

use crate::{Event, Refusal, refusal::FieldCheck};

use super::{
    Dossier,
    ceremony::{
        CERTIFICATE, COMMITMENT, COMPLAINT, PACKAGE, REHEARSAL, RecordError, SHARES,
        encode_rehearsal, message, of_round, partials, rehearsal, tender_key, terms, transcript,
    },
    stage::{not_held, wrong_state},
};

/// Shares for twenty holders are below 4 KiB.
const LARGEST_PAYLOAD: usize = 64 * 1024;

/// Where a running ceremony stands, by what was posted.
pub(super) fn stage(ceremony: &Ceremony) -> CeremonyState {
    let all = |round| {
        ceremony
            .holders
            .iter()
            .all(|holder| of_round(ceremony, round).any(|message| message.index == holder.index))
    };
    if !all(COMMITMENT) {
        CeremonyState::Committing
    } else if !all(PACKAGE) {
        CeremonyState::Packages
    } else if !all(SHARES) {
        CeremonyState::Shares
    } else if ceremony.rehearsal_envelope.is_empty() {
        CeremonyState::Certifying
    } else {
        CeremonyState::Rehearsal
    }
}

/// Takes a holder's message. The last certificate seals the rehearsal, with the randomness given;
/// the last answer to the rehearsal establishes the key; a fault ends the ceremony.
pub fn post(
    dossier: &Dossier,
    organization: &str,
    posted: &CeremonyMessage,
    rng: &mut dyn CryptoRngCore,
) -> Result<Vec<Event>, Refusal> {
    let ceremony = dossier.ceremony.as_ref().ok_or(Refusal::Forbidden)?;
    let holds = |holder: &&sunbid_contracts::tender::v1::Holder| {
        holder.organization == organization && holder.index == posted.index
    };
    ceremony
        .holders
        .iter()
        .find(holds)
        .ok_or(Refusal::Forbidden)?;
    if ceremony.messages.contains(posted) {
        return Ok(Vec::new());
    }
    let tender = not_held(dossier)?;
    if tender.state() != TenderState::Ceremony {
        return Err(wrong_state(
            tender,
            "没有进行中的密钥仪式",
            "no ceremony runs",
        ));
    }
    if ceremony.state() == CeremonyState::Failed {
        return Err(Refusal::state(
            "CEREMONY_FAILED",
            format!("密钥仪式已失败：{}", ceremony.fault),
            format!("The ceremony has failed: {}", ceremony.fault),
        ));
    }
    FieldCheck::new()
        .require(
            posted.payload.len() <= LARGEST_PAYLOAD,
            "message.payload",
            format!("最多{LARGEST_PAYLOAD}字节。"),
            format!("has at most {LARGEST_PAYLOAD} bytes."),
        )
        .finish()?;
    let step = Step { ceremony, posted };
    if step.expected().contains(&posted.round) {
        step.check()?;
        step.take(rng)
    } else {
        step.out_of_turn()
    }
}

struct Step<'a> {
    ceremony: &'a Ceremony,
    posted: &'a CeremonyMessage,
}

impl Step<'_> {
    fn expected(&self) -> &'static [i32] {
        match self.ceremony.state() {
            CeremonyState::Committing => &[COMMITMENT],
            CeremonyState::Packages => &[PACKAGE],
            CeremonyState::Shares => &[SHARES],
            CeremonyState::Certifying => &[CERTIFICATE, COMPLAINT],
            CeremonyState::Rehearsal => &[REHEARSAL],
            _ => &[],
        }
    }

    /// A message for another round than the one that runs: either it proves that its holder said
    /// two things, which is kept, or it is not taken.
    fn out_of_turn(&self) -> Result<Vec<Event>, Refusal> {
        if self.said_otherwise()? {
            return Ok(self.fault(&format!(
                "Holder {} signed two different messages of round {}.",
                self.posted.index, self.posted.round
            )));
        }
        Err(Refusal::state(
            "OUT_OF_TURN",
            format!("密钥仪式当前不接受第{}轮的消息。", self.posted.round),
            format!(
                "The ceremony does not take messages of round {} now.",
                self.posted.round
            ),
        ))
    }

    fn said_otherwise(&self) -> Result<bool, Refusal> {
        let Some(earlier) = self.own_earlier() else {
            return Ok(false);
        };
        let (Ok(one), Ok(other)) = (message(earlier), message(self.posted)) else {
            return Ok(false);
        };
        let terms = terms(self.ceremony).map_err(|error| damaged(&error))?;
        Ok(equivocates(&terms, &one, &other))
    }

    fn own_earlier(&self) -> Option<&CeremonyMessage> {
        of_round(self.ceremony, self.posted.round).find(|m| m.index == self.posted.index)
    }

    /// Whether the message is its holder's, and the holder's first of this round.
    fn check(&self) -> Result<(), Refusal> {
        if self.own_earlier().is_some() {
            if self.said_otherwise()? {
                return Ok(());
            }
            return Err(Refusal::state(
                "ALREADY_POSTED",
                "本轮已收到该持有人的另一消息。",
                "Another message of this holder was posted in this round.",
            ));
        }
        let certified = of_round(self.ceremony, CERTIFICATE).any(|m| m.index == self.posted.index);
        if self.posted.round == COMPLAINT && certified {
            return Err(Refusal::state(
                "ALREADY_POSTED",
                "该持有人已签署证书，不能再提出指控。",
                "This holder has certified what was posted and cannot complain any more.",
            ));
        }
        let refused = |cause: String| Refusal::field("message", cause.clone(), cause);
        match self.posted.round {
            REHEARSAL => {
                let partial =
                    Partial::parse(&self.posted.payload).map_err(|e| refused(e.to_string()))?;
                if i32::from(partial.holder()) != self.posted.index {
                    return Err(refused("The partial is another holder's.".to_owned()));
                }
            }
            CERTIFICATE => {
                let with = self.with_posted();
                let checked = transcript(&with).map_err(|e| refused(e.to_string()))?;
                if let Err(fault) = open_end(verify_transcript(&checked)) {
                    return Err(refused(fault.to_string()));
                }
            }
            _ => {
                let read = message(self.posted).map_err(|e| refused(e.to_string()))?;
                let terms = terms(self.ceremony).map_err(|error| damaged(&error))?;
                read.check(&terms)
                    .map_err(|fault| refused(fault.to_string()))?;
                if self.posted.round == COMMITMENT && self.posted.payload.len() != 32 {
                    return Err(refused("A commitment has 32 bytes.".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn with_posted(&self) -> Ceremony {
        let mut ceremony = self.ceremony.clone();
        ceremony.messages.push(self.posted.clone());
        ceremony
    }

    fn fault(&self, fault: &str) -> Vec<Event> {
        vec![
            Event::of(&CeremonyMessagePosted {
                message: Some(self.posted.clone()),
            }),
            Event::of(&CeremonyFailed {
                fault: fault.to_owned(),
            }),
        ]
    }

    /// The message is taken; what follows from it.
    fn take(&self, rng: &mut dyn CryptoRngCore) -> Result<Vec<Event>, Refusal> {
        if self.own_earlier().is_some() {
            return self.out_of_turn();
        }
        let with = self.with_posted();
        let mut events = vec![Event::of(&CeremonyMessagePosted {
            message: Some(self.posted.clone()),
        })];
        let follows = match self.posted.round {
            REHEARSAL => rehearsed(&with),
            CERTIFICATE if of_round(&with, CERTIFICATE).count() == with.holders.len() => {
                sealed(&with, rng).map(Some)
            }
            CERTIFICATE => Ok(None),
            COMPLAINT => checked(&with),
            _ if stage(&with) != self.ceremony.state() => checked(&with),
            _ => Ok(None),
        };
        match follows {
            Ok(event) => events.extend(event),
            Err(fault) => events.push(Event::of(&CeremonyFailed {
                fault: fault.to_string(),
            })),
        }
        Ok(events)
    }
}

/// All that was posted so far, checked; a fault ends the ceremony.
fn checked(ceremony: &Ceremony) -> Result<Option<Event>, RecordError> {
    open_end(verify_transcript(&transcript(ceremony)?))?;
    Ok(None)
}

/// A transcript that only lacks what is still to come has no fault.
fn open_end(verified: Result<TenderKey, CeremonyFault>) -> Result<(), CeremonyFault> {
    match verified {
        Err(CeremonyFault {
            what:
                Fault::Missing {
                    round: Round::Package | Round::Shares,
                },
            ..
        })
        | Err(CeremonyFault {
            what: Fault::NoCertificate,
            ..
        })
        | Ok(_) => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// All certificates are there: the rehearsal envelope.
fn sealed(ceremony: &Ceremony, rng: &mut dyn CryptoRngCore) -> Result<Event, RecordError> {
    let key = tender_key(ceremony)?;
    let canary = make_canary(&terms(ceremony)?, &key, rng)?;
    Ok(Event::of(&RehearsalSealed {
        envelope: encode_rehearsal(&canary),
    }))
}

/// An answer to the rehearsal: with the last of them the key stands.
fn rehearsed(ceremony: &Ceremony) -> Result<Option<Event>, RecordError> {
    let key = tender_key(ceremony)?;
    let canary = rehearsal(&ceremony.rehearsal_envelope)?;
    match verify_canary(&terms(ceremony)?, &key, &canary, &partials(ceremony)?) {
        Ok(()) => Ok(Some(Event::of(&TenderKeyEstablished {
            key_id: key.id().to_vec(),
            public_key: key.sealing().element().as_bytes().to_vec(),
        }))),
        Err(CanaryError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The record itself does not hold together: nothing the caller could mend.
fn damaged(error: &RecordError) -> Refusal {
    Refusal::state(
        "CEREMONY_DAMAGED",
        format!("密钥仪式记录不完整：{error}"),
        format!("The ceremony's record does not hold together: {error}"),
    )
}
