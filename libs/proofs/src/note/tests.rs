use proptest::prelude::*;

use super::*;

fn signer() -> Signer {
    Signer::from_seed("log.example/epochs", &[7; 32]).unwrap()
}

fn signed(text: &str) -> Note {
    Note {
        text: text.to_owned(),
        signatures: vec![signer().sign(text).unwrap()],
    }
}

#[test]
fn a_note_of_another_implementation_is_read() {
    // The example of Go's golang.org/x/mod/sumdb/note documentation.
    let vkey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    let text = "If you think cryptography is the answer to your problem,\n\
                then you don't know what your problem is.\n\n\
                \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    let note = Note::parse(text.as_bytes()).unwrap();
    let verifier = Verifier::parse(vkey).unwrap();
    assert_eq!(note.verify(&verifier), Ok(()));
    assert_eq!(note.format(), text);
    assert_eq!(verifier.to_string(), vkey);
}

#[test]
fn a_signature_holds_for_its_text_and_key() {
    let note = signed("a\n\nb\n");
    let verifier = signer().verifier().clone();
    assert_eq!(Note::parse(note.format().as_bytes()), Ok(note.clone()));
    assert_eq!(note.verify(&verifier), Ok(()));
    let other = Note {
        text: "a\n".into(),
        ..note.clone()
    };
    assert!(matches!(
        other.verify(&verifier),
        Err(NoteError::BadSignature(_))
    ));
    let stranger = Signer::from_seed("log.example/epochs", &[8; 32]).unwrap();
    assert!(matches!(
        note.verify(stranger.verifier()),
        Err(NoteError::NotSigned(_))
    ));
}

#[test]
fn a_forged_line_beside_a_good_one_fails_the_note() {
    let mut note = signed("a\n");
    let mut forged = note.signatures[0].clone();
    forged.bytes[0] ^= 1;
    note.signatures.push(forged);
    assert!(matches!(
        note.verify(signer().verifier()),
        Err(NoteError::BadSignature(_))
    ));
}

#[test]
fn what_is_not_canonical_is_refused() {
    let good = signed("a\n").format();
    assert!(Note::parse(good.as_bytes()).is_ok());
    let cases = [
        good.trim_end().to_owned(),
        good.replace('\u{2014}', "-"),
        good.replace("\n\n", "\n"),
        format!("{good}\n"),
        good.replace("a\n", "a\r\n"),
        good.replace("==", "").replace('=', ""),
        good.replace("epochs ", "epochs  "),
        good.replace("log.example", "log+example"),
        "a\n\n".to_owned(),
        String::new(),
    ];
    for case in cases.iter().filter(|case| **case != good) {
        assert!(Note::parse(case.as_bytes()).is_err(), "{case:?}");
    }
    let line = signed("a\n").signatures[0].line();
    let many = format!("a\n\n{}", line.repeat(MOST_SIGNATURES + 1));
    assert!(Note::parse(many.as_bytes()).is_err());
    assert!(Note::parse(&vec![b'a'; LONGEST_NOTE + 1]).is_err());
}

#[test]
fn a_key_with_the_wrong_hash_is_refused() {
    let vkey = signer().verifier().to_string();
    assert!(Verifier::parse(&vkey).is_ok());
    let (name, rest) = vkey.split_once('+').unwrap();
    let (_, blob) = rest.split_once('+').unwrap();
    assert!(Verifier::parse(&format!("{name}+00000000+{blob}")).is_err());
    assert!(Verifier::parse(&vkey.to_uppercase()).is_err());
    assert!(Verifier::parse(&format!("{vkey}\n")).is_err());
    assert!(Verifier::new("a b", ED25519_NOTE, [0; 32]).is_err());
    assert!(Verifier::new("a", 9, [0; 32]).is_err());
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Note::parse(&bytes);
        let _ = Verifier::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn an_altered_note_is_refused_or_canonical(at: prop::sample::Index, byte: u8) {
        let mut bytes = signed("one line\n").format().into_bytes();
        let at = at.index(bytes.len());
        let same = bytes[at] == byte;
        bytes[at] = byte;
        if let Ok(note) = Note::parse(&bytes) {
            prop_assert_eq!(note.format().into_bytes(), bytes);
            prop_assert_eq!(note.verify(signer().verifier()).is_ok(), same);
        }
    }
}
