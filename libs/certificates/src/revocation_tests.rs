//! What revocation lists do to chains, and what is done where one is missing, old or not the authority's.

use sunbid_terms::Instant;

use crate::fault::Unknown;
use crate::trial::{TrialAuthority, TrialSubject};
use crate::*;

fn day(number: i64) -> Instant {
    Instant::from_seconds(1_767_225_600).plus_seconds(number * 86_400)
}

fn subject() -> TrialSubject<'static> {
    TrialSubject {
        credit_code: "91110108551385082Q",
        organization: "甲公司",
        common_name: "甲",
        not_before: day(0),
        not_after: day(365),
    }
}

fn authority() -> TrialAuthority {
    TrialAuthority::new("试验根证书", day(-10), day(3650)).unwrap()
}

fn roots(authority: &TrialAuthority) -> Roots {
    Roots::new(vec![authority.certificate().to_vec()]).unwrap()
}

fn put(roots: &Roots, lists: &[Vec<u8>], rule: WithoutFreshList) {
    roots.replace_revoked(RevocationLists::new(lists, roots, rule, day(10)).unwrap());
}

#[test]
fn what_its_authority_revoked_holds_no_longer_and_the_past_stands() {
    let root = authority();
    let roots = roots(&root);
    let (revoked, good) = (
        root.issue(&subject()).unwrap().certificate,
        root.issue(&subject()).unwrap().certificate,
    );
    // Without any list nothing is asked.
    assert!(verify_now(&revoked, &[], &roots, day(10)).is_ok());
    let list = root
        .revocation_list(std::slice::from_ref(&revoked), day(9), day(20))
        .unwrap();
    let clone = roots.clone();
    put(&roots, &[list], WithoutFreshList::Refuse);
    for roots in [&roots, &clone] {
        assert_eq!(
            verify_now(&revoked, &[], roots, day(10)),
            Err(CertificateFault::Revoked)
        );
    }
    assert!(verify_now(&good, &[], &roots, day(10)).is_ok());
    // What was recorded is judged by what was known: the chain alone.
    assert!(verify_chain(&revoked, &[], &roots, day(8)).is_ok());
}

#[test]
fn an_authority_that_is_revoked_takes_its_certificates_along() {
    let root = authority();
    let roots = roots(&root);
    let between = root.intermediate("between", day(-5), day(500)).unwrap();
    let certificate = between.issue(&subject()).unwrap().certificate;
    let chain = vec![between.certificate().to_vec()];
    let nothing = between.revocation_list(&[], day(9), day(20)).unwrap();
    let of_root = |revoked: &[Vec<u8>]| root.revocation_list(revoked, day(9), day(20)).unwrap();
    put(
        &roots,
        &[of_root(&[]), nothing.clone()],
        WithoutFreshList::Refuse,
    );
    assert!(verify_now(&certificate, &chain, &roots, day(10)).is_ok());
    put(
        &roots,
        &[of_root(&chain), nothing],
        WithoutFreshList::Refuse,
    );
    assert_eq!(
        verify_now(&certificate, &chain, &roots, day(10)),
        Err(CertificateFault::Revoked)
    );
}

#[test]
fn without_a_fresh_list_the_setting_decides_and_what_is_named_stays_revoked() {
    let (root, other) = (
        authority(),
        TrialAuthority::new("other", day(-10), day(3650)).unwrap(),
    );
    let roots = Roots::new(vec![
        root.certificate().to_vec(),
        other.certificate().to_vec(),
    ])
    .unwrap();
    let revoked = root.issue(&subject()).unwrap().certificate;
    let good = root.issue(&subject()).unwrap().certificate;
    let unlisted = other.issue(&subject()).unwrap().certificate;
    let list = root
        .revocation_list(std::slice::from_ref(&revoked), day(9), day(20))
        .unwrap();

    put(
        &roots,
        std::slice::from_ref(&list),
        WithoutFreshList::Refuse,
    );
    assert!(verify_now(&good, &[], &roots, day(20).plus_micros(-1)).is_ok());
    let ran_out = verify_now(&good, &[], &roots, day(20)).unwrap_err();
    assert_eq!(
        ran_out,
        CertificateFault::RevocationUnknown(Unknown::RanOut {
            next_update: day(20),
            at: day(20)
        })
    );
    assert!(ran_out.zh().contains(&day(20).to_string()));
    assert_eq!(
        verify_now(&unlisted, &[], &roots, day(10)),
        Err(CertificateFault::RevocationUnknown(Unknown::NoList))
    );
    assert_eq!(roots.revoked().stale(day(19)).count(), 0);
    let stale: Vec<_> = roots.revoked().stale(day(20)).cloned().collect();
    assert_eq!(stale.len(), 1);
    assert!(stale[0].issuer.contains("试验根证书"));

    put(&roots, &[list], WithoutFreshList::Accept);
    for certificate in [&good, &unlisted] {
        assert!(verify_now(certificate, &[], &roots, day(20)).is_ok());
    }
    assert_eq!(
        verify_now(&revoked, &[], &roots, day(20)),
        Err(CertificateFault::Revoked)
    );
}

#[test]
fn a_list_that_is_not_the_authoritys_is_not_taken() {
    let root = authority();
    let roots = roots(&root);
    let certificate = root.issue(&subject()).unwrap().certificate;
    let new = |file: Vec<u8>| {
        RevocationLists::new(&[file], &roots, WithoutFreshList::Refuse, day(10)).map(|_| ())
    };
    // Another authority of the same name.
    let forged = authority().revocation_list(&[], day(9), day(20)).unwrap();
    assert!(matches!(
        new(forged),
        Err((0, RevocationListError::Forged(_)))
    ));
    let list = root
        .revocation_list(std::slice::from_ref(&certificate), day(9), day(20))
        .unwrap();
    assert_eq!(new(list.clone()), Ok(()));
    let pem = pem::revocation_list_section(&list);
    assert_eq!(new(pem.into_bytes()), Ok(()));
    for at in 0..list.len() {
        let mut changed = list.clone();
        changed[at] ^= 1;
        // A changed name of the issuer makes it a list of somebody unknown, which nothing leads to.
        if new(changed.clone()).is_ok() {
            put(&roots, &[changed], WithoutFreshList::Refuse);
            assert!(
                verify_now(&certificate, &[], &roots, day(10)).is_err(),
                "{at}"
            );
        }
    }
    let tomorrow = root.revocation_list(&[], day(11), day(20)).unwrap();
    assert!(matches!(
        new(tomorrow),
        Err((0, RevocationListError::NotYet { .. }))
    ));
    assert!(matches!(
        new(root.certificate().to_vec()),
        Err((0, RevocationListError::Malformed(_)))
    ));
    // Signed by one who only bears the name of an authority between: told when a chain leads there.
    let between = root.intermediate("between", day(-5), day(500)).unwrap();
    let person = between.issue(&subject()).unwrap().certificate;
    let stranger = TrialAuthority::new("between", day(-5), day(500)).unwrap();
    let lists = [
        root.revocation_list(&[], day(9), day(20)).unwrap(),
        stranger.revocation_list(&[], day(9), day(20)).unwrap(),
    ];
    put(&roots, &lists, WithoutFreshList::Accept);
    assert_eq!(
        verify_now(&person, &[between.certificate().to_vec()], &roots, day(10)),
        Err(CertificateFault::RevocationUnknown(Unknown::Forged))
    );
}
