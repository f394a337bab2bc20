//! The ceremony through the front door: honest holders get a key that anybody can recompute;
//! every way to cheat ends it with the cheat's name.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops where it fails"
)]

mod support;

use sunbid_sealing::ceremony::{
    CanaryError, CeremonyError, CeremonyFault, CeremonyTerms, Fault, Message, Round, TermsError,
    Transcript, answer_canary, equivocates, join, make_canary, verify_canary, verify_transcript,
};
use sunbid_sealing::{
    Class, Element, OsRng, Partial, PartialError, SecretScalar, TenderKeyError, open_short,
};
use support::{
    CLOSE, FixedStream, Holder, checked, committee, hold, holders, sealed, standing_committee,
    terms,
};

fn fault_of(transcript: &Transcript) -> CeremonyFault {
    verify_transcript(transcript).unwrap_err()
}

/// Runs a ceremony of five that is tampered with, and gives the fault the first holder met or, if
/// none did, the one that the transcript shows.
fn fault_when(
    mut tamper: impl FnMut(usize, &CeremonyTerms, &[Holder], &mut Vec<Message>),
) -> CeremonyFault {
    let mut rng = FixedStream::new("tampered");
    let holders = holders(&mut rng, 5);
    let terms = terms(&holders, 3, 1);
    match hold(&holders, &terms, &mut rng, &mut tamper) {
        Err(CeremonyError::Fault(fault)) => fault,
        Err(other) => panic!("{other}"),
        Ok((transcript, _)) => fault_of(&transcript),
    }
}

fn resign(terms: &CeremonyTerms, holders: &[Holder], message: &mut Message, content: Vec<u8>) {
    let holder = &holders[usize::from(message.holder()) - 1];
    let (round, index) = (message.round(), message.holder());
    *message = Message::sign(terms, round, index, content, &holder.identity);
}

#[test]
fn committees_of_several_sizes_make_keys_that_open() {
    for (count, threshold) in [(3, 2), (4, 3), (5, 3), (5, 4), (7, 5)] {
        let mut rng = FixedStream::new("sizes");
        let holders = holders(&mut rng, count);
        let terms = terms(&holders, threshold, 1);
        let (transcript, shares) = hold(&holders, &terms, &mut rng, &mut |_, _, _, _| {}).unwrap();
        let key = verify_transcript(&transcript).unwrap();
        assert_eq!(
            (key.threshold(), usize::from(key.holders())),
            (threshold, count)
        );
        let (sealed, payload) = sealed(&key, Class::Public, b"offer", "sizes");
        let header = checked(&sealed);
        let partials: Vec<_> = shares
            .iter()
            .map(|share| Partial::make(&key, share, &header, &CLOSE, &mut rng).unwrap())
            .collect();
        let combine = |some: &[Partial]| {
            sunbid_sealing::combine_reporting(&key, &header, &CLOSE, some).secret
        };
        let enough = usize::from(threshold);
        let secret = combine(&partials[count - enough..]).unwrap();
        assert_eq!(*open_short(&header, &secret, &payload).unwrap(), b"offer");
        assert!(combine(&partials[count - enough + 1..]).is_err());
    }
}

#[test]
fn thresholds_that_split_or_need_everybody_are_refused() {
    let holders = holders(&mut FixedStream::new("terms"), 5);
    let all = terms(&holders, 3, 1).holders().to_vec();
    for (threshold, count) in [
        (0, 5),
        (1, 1),
        (1, 2),
        (2, 2),
        (2, 4),
        (2, 5),
        (5, 5),
        (6, 5),
        (1, 0),
    ] {
        let refused = CeremonyTerms::new([0; 32], threshold, all[..count].to_vec(), [0; 32]);
        let expected = TenderKeyError::Threshold {
            threshold,
            holders: count,
        };
        assert_eq!(refused, Err(TermsError::Threshold(expected)));
    }
    let mut shared = all.clone();
    shared[4].encryption = shared[0].encryption;
    let refused = CeremonyTerms::new([0; 32], 3, shared, [0; 32]);
    assert_eq!(refused, Err(TermsError::SharedKey { holder: 5 }));
    let mut ids: Vec<_> = [(0, 3, 0), (1, 3, 0), (0, 4, 0), (0, 3, 1)]
        .map(|(document, threshold, nonce)| {
            *CeremonyTerms::new([document; 32], threshold, all.clone(), [nonce; 32])
                .unwrap()
                .id()
        })
        .to_vec();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

/// frost-core accepts a package of another ceremony; the signature does not.
#[test]
fn a_package_of_another_ceremony_is_refused() {
    let mut rng = FixedStream::new("replay");
    let holders = holders(&mut rng, 5);
    let earlier_terms = terms(&holders, 3, 1);
    let (earlier, _) = hold(&holders, &earlier_terms, &mut rng, &mut |_, _, _, _| {}).unwrap();
    let later = terms(&holders, 3, 2);
    // Replayed as it was: commitment, package and shares of holder 2.
    let outcome = hold(
        &holders,
        &later,
        &mut rng,
        &mut |round, _, _, messages| match round {
            1 => messages[1] = earlier.commitments[1].clone(),
            2 => messages[1] = earlier.packages[1].clone(),
            _ => {}
        },
    );
    let expected = CeremonyFault {
        holder: 2,
        what: Fault::Signature {
            round: Round::Commitment,
        },
    };
    assert!(matches!(outcome, Err(CeremonyError::Fault(fault)) if fault == expected));
    // The package alone.
    let outcome = hold(&holders, &later, &mut rng, &mut |round, _, _, messages| {
        if round == 2 {
            messages[1] = earlier.packages[1].clone();
        }
    });
    let expected = CeremonyFault {
        holder: 2,
        what: Fault::Signature {
            round: Round::Package,
        },
    };
    assert!(matches!(outcome, Err(CeremonyError::Fault(fault)) if fault == expected));
    // A whole transcript under other terms.
    let moved = Transcript {
        terms: later,
        ..earlier.clone()
    };
    assert!(matches!(fault_of(&moved).what, Fault::Signature { .. }));
    verify_transcript(&earlier).unwrap();
}

#[test]
fn a_copied_package_does_not_prove_knowledge_under_another_index() {
    // Holder 5 knows holder 1's package and posts it as its own, with the right commitment.
    let mut copied = Vec::new();
    let fault = fault_when(|round, terms, holders, messages| match round {
        1 => {
            copied = package_of_first(terms, holders);
            resign(
                terms,
                holders,
                &mut messages[4],
                commitment_of(terms, 5, &copied),
            );
        }
        2 => resign(terms, holders, &mut messages[4], copied.clone()),
        _ => {}
    });
    assert_eq!(
        fault,
        CeremonyFault {
            holder: 5,
            what: Fault::ProofOfKnowledge
        }
    );
}

/// The last to speak would choose its package so that the sum is a key it knows. It has to commit
/// first, and to prove that it knows its own secret.
#[test]
fn a_rogue_key_is_refused_twice_over() {
    let known = SecretScalar::random(&mut OsRng).unwrap().public();
    let rogue = |package: &[u8]| {
        let mut rogue = package.to_vec();
        rogue[..32].copy_from_slice(known.as_bytes());
        rogue
    };
    let late = fault_when(|round, terms, holders, messages| {
        if round == 2 {
            let content = rogue(messages[4].content());
            resign(terms, holders, &mut messages[4], content);
        }
    });
    assert_eq!(
        late,
        CeremonyFault {
            holder: 5,
            what: Fault::Commitment
        }
    );
    let mut planned = Vec::new();
    let early = fault_when(|round, terms, holders, messages| match round {
        1 => {
            planned = rogue(&package_of_first(terms, holders));
            resign(
                terms,
                holders,
                &mut messages[4],
                commitment_of(terms, 5, &planned),
            );
        }
        2 => resign(terms, holders, &mut messages[4], planned.clone()),
        _ => {}
    });
    assert_eq!(
        early,
        CeremonyFault {
            holder: 5,
            what: Fault::ProofOfKnowledge
        }
    );
}

/// A commitment copied from another holder cannot be opened: it is bound to the index.
#[test]
fn a_copied_commitment_cannot_be_opened() {
    let fault = fault_when(|round, terms, holders, messages| {
        if round <= 2 {
            let content = messages[0].content().to_vec();
            resign(terms, holders, &mut messages[3], content);
        }
    });
    assert_eq!(
        fault,
        CeremonyFault {
            holder: 4,
            what: Fault::Commitment
        }
    );
}

#[test]
fn raised_and_lowered_thresholds_are_refused() {
    for change in [1_i32, -1] {
        let mut planned = Vec::new();
        let fault = fault_when(|round, terms, holders, messages| match round {
            1 => {
                planned = package_of_first(terms, holders);
                if change > 0 {
                    // One coefficient more: the key would need four.
                    let extra = SecretScalar::random(&mut OsRng).unwrap().public();
                    planned.splice(96..96, *extra.as_bytes());
                } else {
                    planned.drain(64..96);
                }
                resign(
                    terms,
                    holders,
                    &mut messages[2],
                    commitment_of(terms, 3, &planned),
                );
            }
            2 => resign(terms, holders, &mut messages[2], planned.clone()),
            _ => {}
        });
        assert_eq!(fault.holder, 3);
        assert!(
            matches!(
                fault.what,
                Fault::Form {
                    round: Round::Package,
                    ..
                }
            ),
            "{fault}"
        );
    }
}

#[test]
fn identities_and_loose_values_in_a_package_are_refused() {
    for (place, bad) in [
        (0, [0; 32]),
        (32, [0; 32]),
        (64, [0xff; 32]),
        (96, [0; 32]),
        (128, [0xff; 32]),
    ] {
        let mut planned = Vec::new();
        let fault = fault_when(|round, terms, holders, messages| match round {
            1 => {
                planned = package_of_first(terms, holders);
                planned[place..place + 32].copy_from_slice(&bad);
                resign(
                    terms,
                    holders,
                    &mut messages[2],
                    commitment_of(terms, 3, &planned),
                );
            }
            2 => resign(terms, holders, &mut messages[2], planned.clone()),
            _ => {}
        });
        assert_eq!(fault.holder, 3);
        assert!(
            matches!(
                fault.what,
                Fault::Form {
                    round: Round::Package,
                    ..
                }
            ),
            "{fault}"
        );
    }
}

#[test]
fn missing_repeated_late_and_strange_messages_are_refused() {
    let missing = |round| Fault::Missing { round };
    for (at, round) in [
        (1, Round::Commitment),
        (2, Round::Package),
        (3, Round::Shares),
    ] {
        let fault = fault_when(|now, _, _, messages| {
            if now == at {
                messages.remove(3);
            }
        });
        assert_eq!(
            fault,
            CeremonyFault {
                holder: 4,
                what: missing(round)
            }
        );
        let fault = fault_when(|now, _, _, messages| {
            if now == at {
                messages.push(messages[3].clone());
            }
        });
        assert_eq!(
            fault,
            CeremonyFault {
                holder: 4,
                what: Fault::Repeated { round }
            }
        );
        for strange in [0, 6, u16::MAX] {
            let fault = fault_when(|now, terms, holders, messages| {
                if now == at {
                    let content = messages[3].content().to_vec();
                    messages[3] =
                        Message::sign(terms, round, strange, content, &holders[3].identity);
                }
            });
            assert_eq!(
                fault,
                CeremonyFault {
                    holder: strange,
                    what: Fault::Unknown
                }
            );
        }
        // Under another holder's index, which is not its own to sign for.
        let fault = fault_when(|now, terms, holders, messages| {
            if now == at {
                let content = messages[3].content().to_vec();
                messages[3] = Message::sign(terms, round, 2, content, &holders[3].identity);
            }
        });
        assert_eq!(
            fault,
            CeremonyFault {
                holder: 2,
                what: Fault::Signature { round }
            }
        );
    }
    let mut first = None;
    let fault = fault_when(|now, _, _, messages| match now {
        1 => first = Some(messages[3].clone()),
        2 => messages[3] = first.clone().unwrap(),
        _ => {}
    });
    let expected = Fault::WrongRound {
        expected: Round::Package,
        found: Round::Commitment,
    };
    assert_eq!(
        fault,
        CeremonyFault {
            holder: 4,
            what: expected
        }
    );
}

#[test]
fn a_share_that_was_copied_changed_or_cut_is_refused_before_it_is_opened() {
    const ENVELOPE: usize = 176;
    // Holder 2's share for holder 1 is posted by holder 3 as its own.
    let fault = fault_when(|round, terms, holders, messages| {
        if round == 3 {
            let mut content = messages[2].content().to_vec();
            content[..ENVELOPE].copy_from_slice(&messages[1].content()[..ENVELOPE]);
            resign(terms, holders, &mut messages[2], content);
        }
    });
    assert_eq!(
        fault,
        CeremonyFault {
            holder: 3,
            what: Fault::ShareProof { recipient: 1 }
        }
    );
    let fault = fault_when(|round, terms, holders, messages| {
        if round == 3 {
            let mut content = messages[2].content().to_vec();
            content[ENVELOPE + 64] ^= 1;
            resign(terms, holders, &mut messages[2], content);
        }
    });
    assert_eq!(
        fault,
        CeremonyFault {
            holder: 3,
            what: Fault::ShareProof { recipient: 2 }
        }
    );
    for (cut, add) in [(1, 0), (ENVELOPE, 0), (0, 1), (0, ENVELOPE)] {
        let fault = fault_when(|round, terms, holders, messages| {
            if round == 3 {
                let mut content = messages[2].content().to_vec();
                content.truncate(content.len() - cut);
                content.extend(vec![0; add]);
                resign(terms, holders, &mut messages[2], content);
            }
        });
        assert_eq!(fault.holder, 3);
        assert!(
            matches!(
                fault.what,
                Fault::Form {
                    round: Round::Shares,
                    ..
                }
            ),
            "{fault}"
        );
    }
}

/// A dealer with two polynomials: the package promises one, the shares come from the other. The
/// receivers open theirs in public and everybody sees who lied.
#[test]
fn wrong_shares_are_complained_about_and_upheld() {
    let fault = fault_when(|round, terms, holders, messages| {
        if round == 3 {
            // Well-formed shares of holder 3, from a run with other coefficients.
            let mut other = Vec::new();
            let mut rng = FixedStream::new("second polynomial");
            let keep =
                &mut |now: usize, _: &CeremonyTerms, _: &[Holder], all: &mut Vec<Message>| {
                    if now == 3 {
                        other = all[2].content().to_vec();
                    }
                };
            hold(holders, terms, &mut rng, keep).unwrap();
            resign(terms, holders, &mut messages[2], other);
        }
    });
    assert_eq!(
        fault,
        CeremonyFault {
            holder: 3,
            what: Fault::BadShare { recipient: 1 }
        }
    );
}

#[test]
fn a_false_complaint_falls_back_on_who_made_it() {
    let committee = standing_committee();
    let transcript = &committee.transcript;
    let holder = &committee.holders[1];
    let made_up = {
        // Another envelope's partial, which is true, but not about this share.
        let (sealed, _) = sealed(&committee.key, Class::Public, b"x", "complaint");
        Partial::make(
            &committee.key,
            &committee.shares[1],
            &checked(&sealed),
            &CLOSE,
            &mut OsRng,
        )
        .unwrap()
    };
    for (accused, rest) in [
        (4_u16, made_up.encode().to_vec()),
        (2, made_up.encode().to_vec()),
        (0, made_up.encode().to_vec()),
        (9, made_up.encode().to_vec()),
        (4, Vec::new()),
        (4, vec![0; 98]),
    ] {
        let content = [accused.to_be_bytes().as_slice(), &rest].concat();
        let complaint = Message::sign(
            &transcript.terms,
            Round::Complaint,
            2,
            content,
            &holder.identity,
        );
        let transcript = Transcript {
            complaints: vec![complaint],
            ..transcript.clone()
        };
        let expected = CeremonyFault {
            holder: 2,
            what: Fault::FalseComplaint { accused },
        };
        assert_eq!(fault_of(&transcript), expected);
    }
    // Nobody complains in another's name.
    let forged = Message::sign(
        &transcript.terms,
        Round::Complaint,
        5,
        vec![0, 4],
        &holder.identity,
    );
    let transcript = Transcript {
        complaints: vec![forged],
        ..transcript.clone()
    };
    let expected = Fault::Signature {
        round: Round::Complaint,
    };
    assert_eq!(
        fault_of(&transcript),
        CeremonyFault {
            holder: 5,
            what: expected
        }
    );
}

#[test]
fn the_key_needs_the_certificate_of_every_holder_for_the_same_bytes() {
    let transcript = &standing_committee().transcript;
    for position in 0..5 {
        let mut short = transcript.clone();
        let removed = short.certificates.remove(position);
        let expected = CeremonyFault {
            holder: removed.holder,
            what: Fault::NoCertificate,
        };
        assert_eq!(fault_of(&short), expected);
        let mut false_one = transcript.clone();
        false_one.certificates[position].signature[0] ^= 1;
        let expected = CeremonyFault {
            holder: removed.holder,
            what: Fault::Certificate,
        };
        assert_eq!(fault_of(&false_one), expected);
    }
    let mut doubled = transcript.clone();
    doubled.certificates[4] = doubled.certificates[3];
    assert_eq!(
        fault_of(&doubled),
        CeremonyFault {
            holder: 5,
            what: Fault::NoCertificate
        }
    );
    // The order in which messages were collected does not matter.
    let mut shuffled = transcript.clone();
    shuffled.packages.reverse();
    shuffled.shares.rotate_left(2);
    verify_transcript(&shuffled).unwrap();
}

/// Two different packages for two audiences: the certificates disagree, and the two signed
/// messages are the evidence.
#[test]
fn telling_different_holders_different_things_leaves_evidence() {
    let committee = standing_committee();
    let transcript = &committee.transcript;
    let told = &transcript.packages[1];
    let mut other = told.clone();
    resign(
        &transcript.terms,
        &committee.holders,
        &mut other,
        vec![1; 160],
    );
    assert!(equivocates(&transcript.terms, told, &other));
    assert!(!equivocates(&transcript.terms, told, told));
    assert!(!equivocates(
        &transcript.terms,
        told,
        &transcript.packages[2]
    ));
    assert!(!equivocates(
        &transcript.terms,
        told,
        &transcript.commitments[1]
    ));
    let elsewhere = terms(&committee.holders, 3, 0xee);
    assert!(!equivocates(&elsewhere, told, &other));
}

#[test]
fn a_holder_refuses_words_put_into_its_mouth_and_seats_that_are_not_its_own() {
    let mut rng = FixedStream::new("seat");
    let holders = holders(&mut rng, 5);
    let terms = terms(&holders, 3, 1);
    let (one, two) = (&holders[0], &holders[1]);
    for (index, identity, encryption) in [
        (2, &one.identity, &one.encryption),
        (1, &one.identity, &two.encryption),
        (0, &one.identity, &one.encryption),
        (6, &one.identity, &one.encryption),
    ] {
        let refused = join(&terms, index, identity, encryption, &mut rng).err();
        assert_eq!(
            refused,
            Some(CeremonyError::NotThisHolder { holder: index })
        );
    }
    let (mut states, mut commitments) = (Vec::new(), Vec::new());
    for (holder, index) in holders.iter().zip(1..) {
        let joined = join(
            &terms,
            index,
            &holder.identity,
            &holder.encryption,
            &mut rng,
        );
        let (state, message) = joined.unwrap();
        states.push(state);
        commitments.push(message);
    }
    resign(&terms, &holders, &mut commitments[0], vec![0; 32]);
    let refused = states.remove(0).reveal(&commitments, &one.identity).err();
    assert_eq!(
        refused,
        Some(CeremonyError::NotMine {
            round: Round::Commitment
        })
    );
}

#[test]
fn the_rehearsal_needs_every_holder_and_opens_no_bid() {
    let committee = standing_committee();
    let (terms, key) = (&committee.transcript.terms, &committee.key);
    let canary = make_canary(terms, key, &mut OsRng).unwrap();
    let answers: Vec<_> = committee
        .shares
        .iter()
        .map(|share| answer_canary(terms, key, share, &canary, &mut OsRng).unwrap())
        .collect();
    verify_canary(terms, key, &canary, &answers).unwrap();
    for position in 0..5 {
        let mut silent = answers.clone();
        let missing = silent.remove(position).holder();
        let refused = verify_canary(terms, key, &canary, &silent);
        assert!(matches!(refused, Err(CanaryError::Missing { holder }) if holder == missing));
        let mut broken = answers.clone();
        let mut record = broken[position].encode();
        record[97] ^= 1;
        broken[position] = Partial::parse(&record).unwrap();
        let refused = verify_canary(terms, key, &canary, &broken);
        assert!(matches!(
            refused,
            Err(CanaryError::Partial(PartialError::Proof { holder })) if holder == missing
        ));
    }
    let mut other = canary.clone();
    other.payload[0] ^= 1;
    assert!(matches!(
        verify_canary(terms, key, &other, &answers),
        Err(CanaryError::Open(_))
    ));
    // A bid passed off as a canary is not answered.
    let (bid, payload) = sealed(key, Class::Public, b"price", "passed off");
    let bid = sunbid_sealing::ceremony::Canary {
        header: bid.header,
        payload,
    };
    let refused = answer_canary(terms, key, &committee.shares[0], &bid, &mut OsRng);
    assert!(matches!(refused, Err(CanaryError::Header(_))));
    // Nor is a canary of another ceremony.
    let foreign = support::committee("another rehearsal");
    let refused = answer_canary(
        &foreign.transcript.terms,
        &foreign.key,
        &foreign.shares[0],
        &canary,
        &mut OsRng,
    );
    assert!(matches!(refused, Err(CanaryError::Header(_))));
}

#[test]
fn states_conclude_with_the_same_key_for_everybody() {
    let first = committee("same key");
    for share in &first.shares {
        assert_eq!(first.key.share(share.holder()), Some(share.public()));
    }
    let again = committee("same key");
    assert_eq!(again.transcript, first.transcript);
    let other = committee("other key");
    assert_ne!(other.key.id(), first.key.id());
    let encoded = first.key.sealing().element().as_bytes();
    assert_eq!(
        &Element::decode(encoded).unwrap(),
        first.key.sealing().element()
    );
}

/// The package holder 1 would make in a run of its own.
fn package_of_first(terms: &CeremonyTerms, holders: &[Holder]) -> Vec<u8> {
    let mut package = Vec::new();
    let mut rng = FixedStream::new("dry run");
    hold(holders, terms, &mut rng, &mut |round, _, _, messages| {
        if round == 2 {
            package = messages[0].content().to_vec();
        }
    })
    .unwrap();
    package
}

/// T("dkg-commit", cid, holder, package) written out: a second reading of the specification.
fn commitment_of(terms: &CeremonyTerms, holder: u16, package: &[u8]) -> Vec<u8> {
    let suite = sunbid_sealing::SUITE.as_bytes();
    let mut bytes = vec![suite.len() as u8];
    bytes.extend(suite);
    bytes.push(10);
    bytes.extend(b"dkg-commit");
    for part in [terms.id().as_slice(), &holder.to_be_bytes(), package] {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part);
    }
    ring::digest::digest(&ring::digest::SHA256, &bytes)
        .as_ref()
        .to_vec()
}
