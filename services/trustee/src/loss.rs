//! An institution's consent to a loss: its witness goes on from an older checkpoint than the one it
//! cosigned last. By hand, once for each declaration, and never by the daemon.

use std::path::Path;

use sunbid_proofs::{Verifier, loss::LossDeclaration};

use crate::{Effort, TrusteeFault, folder::Folder};

/// Takes a signed declaration that the institution has read. What was cosigned before, and the
/// declaration, are kept as evidence. The daemon must not be running.
pub fn accept_loss(
    path: &Path,
    passphrase: &[u8],
    effort: Effort,
    note: &[u8],
) -> Result<LossDeclaration, TrusteeFault> {
    let folder = Folder::open(path, passphrase, effort)?;
    let refused = |error: String| TrusteeFault::PublicLog(error);
    let log = Verifier::parse(&folder.settings.log_verifier_key)
        .map_err(|error| refused(error.to_string()))?;
    let declared = LossDeclaration::open(note, &log).map_err(|error| refused(error.to_string()))?;
    let Some((size, root)) = folder.witnessed()? else {
        return Err(refused("this institution has cosigned nothing yet".into()));
    };
    if size <= declared.restored_size {
        return Err(refused(format!(
            "nothing that this institution cosigned is lost: it saw size {size}, and the log goes on \
             from {}",
            declared.restored_size
        )));
    }
    // Who declares less than what was seen hides a part of the loss.
    if size > declared.witnessed_size
        || (size == declared.witnessed_size && root != declared.witnessed_root)
    {
        return Err(refused(format!(
            "this institution cosigned size {size} with root {}, and the declaration speaks of size {} \
             with root {}",
            hex::encode(root),
            declared.witnessed_size,
            hex::encode(declared.witnessed_root)
        )));
    }
    let before = format!(
        "cosigned before: size {size}, root {}\n\n",
        hex::encode(root)
    );
    folder.keep_evidence("loss", &[before.as_bytes(), note].concat())?;
    folder.keep_witnessed(declared.restored_size, &declared.restored_root)?;
    Ok(declared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        folder::tests::{PASSPHRASE, folder},
        vault::TEST_EFFORT,
    };
    use sunbid_proofs::{Signer, loss::signer_name};

    #[test]
    fn only_the_whole_loss_of_what_was_cosigned_is_accepted() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("trustee");
        folder(&path);
        let opened = Folder::open(&path, PASSPHRASE, TEST_EFFORT).unwrap();
        opened.keep_witnessed(9, &[9; 32]).unwrap();
        let key = opened.settings.log_verifier_key.clone();
        drop(opened);
        let log = Signer::from_seed("sandbox.test/log", &[5; 32]).unwrap();
        let text = std::fs::read_to_string(path.join("trustee.toml")).unwrap();
        let quoted = |key: &str| format!("\"{key}\"");
        let text = text.replace(&quoted(&key), &quoted(&log.verifier().to_string()));
        std::fs::write(path.join("trustee.toml"), text).unwrap();
        let signer = Signer::from_seed(&signer_name("sandbox.test"), &[5; 32]).unwrap();
        let accept = |restored: u64, witnessed: u64, root: [u8; 32]| {
            let declared = LossDeclaration {
                log: "sandbox.test/log".into(),
                restored_size: restored,
                restored_root: [7; 32],
                witnessed_size: witnessed,
                witnessed_root: root,
                reason: "disk".into(),
            };
            let note = declared.sign(&signer).unwrap().format();
            accept_loss(&path, PASSPHRASE, TEST_EFFORT, note.as_bytes())
        };
        assert!(accept(7, 8, [8; 32]).is_err(), "less than was cosigned");
        assert!(
            accept(7, 9, [8; 32]).is_err(),
            "another root than was cosigned"
        );
        assert!(accept(9, 12, [8; 32]).is_err(), "nothing is lost");
        accept(7, 9, [9; 32]).unwrap();
        let opened = Folder::open(&path, PASSPHRASE, TEST_EFFORT).unwrap();
        assert_eq!(opened.witnessed().unwrap(), Some((7, [7; 32])));
        drop(opened);
        let files = std::fs::read_dir(&path).unwrap().flatten();
        let kept = files.filter(|file| {
            file.file_name()
                .to_string_lossy()
                .starts_with("evidence-loss")
        });
        assert_eq!(kept.count(), 1);
        assert!(accept(7, 9, [9; 32]).is_err(), "once is enough");
    }
}
