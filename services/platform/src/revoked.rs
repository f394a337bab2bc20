//! The files of revocation lists: read at the start, which a wrong one stops, and again whenever they
//! change. Afterwards a wrong file changes nothing: what was known stays known.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sunbid_certificates::{RevocationLists, Roots, WithoutFreshList};
use sunbid_terms::Clock;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Revocation, Without},
    serve::ServeError,
};

/// Lists by their files, for the roots that services judge by.
pub struct RevokedFiles {
    paths: Vec<PathBuf>,
    rule: WithoutFreshList,
    every: Duration,
    roots: Arc<Roots>,
    clock: Arc<dyn Clock>,
    // What the files held when they were last taken; locked while they are read.
    taken: Mutex<Option<Vec<Vec<u8>>>>,
}

impl RevokedFiles {
    pub fn new(
        data: &Path,
        settings: &Revocation,
        roots: Arc<Roots>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            paths: settings.lists.iter().map(|file| data.join(file)).collect(),
            rule: match settings.without_fresh_list {
                Without::Refuse => WithoutFreshList::Refuse,
                Without::Accept => WithoutFreshList::Accept,
            },
            every: Duration::from_secs(u64::from(settings.reload_seconds)),
            roots,
            clock,
            taken: Mutex::default(),
        }
    }

    /// Takes the lists as their files are now, all of them or none. Whether any had changed.
    pub fn read(&self) -> Result<bool, ServeError> {
        let fault = |path: &Path, cause: String| ServeError::Revoked {
            path: path.to_owned(),
            cause,
        };
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let files = self
            .paths
            .iter()
            .map(|path| std::fs::read(path).map_err(|error| fault(path, error.to_string())))
            .collect::<Result<Vec<_>, _>>()?;
        if taken.as_ref() == Some(&files) {
            return Ok(false);
        }
        let lists = RevocationLists::new(&files, &self.roots, self.rule, self.clock.now())
            .map_err(|(index, error)| {
                let path = self
                    .paths
                    .get(index)
                    .map_or(Path::new(""), PathBuf::as_path);
                fault(path, error.to_string())
            })?;
        self.roots.replace_revoked(lists);
        *taken = Some(files);
        Ok(true)
    }

    /// Takes what changed; says what is wrong and what has run out.
    pub fn reload(&self) {
        match self.read() {
            Ok(true) => tracing::info!("revocation lists were read anew"),
            Ok(false) => {}
            Err(fault) => tracing::error!(%fault, "the revocation lists stay as they are"),
        }
        for list in self.roots.revoked().stale(self.clock.now()) {
            tracing::warn!(
                issuer = list.issuer,
                next_update = %list.next_update,
                rule = ?self.rule,
                "a revocation list has run out"
            );
        }
    }

    /// Looks again and again until the process stops.
    pub async fn follow(self: Arc<Self>, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(self.every) => {}
            }
            // Files of megabytes, and a signature over each.
            let this = self.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || this.reload()).await {
                tracing::error!(%error, "revocation lists cannot be looked at");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sunbid_certificates::trial::TrialAuthority;
    use sunbid_terms::Instant;

    struct Fixed;
    impl Clock for Fixed {
        fn now(&self) -> Instant {
            Instant::from_seconds(1_800_000_000)
        }
    }

    #[test]
    fn a_wrong_file_changes_nothing_and_a_right_one_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let now = Fixed.now();
        let (from, until) = (now.plus_seconds(-9), now.plus_seconds(999));
        let authority = TrialAuthority::new("root", from, until).unwrap();
        let roots = Roots::new(vec![authority.certificate().to_vec()]).unwrap();
        let settings = Revocation {
            lists: vec!["list".into()],
            ..Revocation::default()
        };
        let files = RevokedFiles::new(folder.path(), &settings, Arc::new(roots), Arc::new(Fixed));
        let missing = files.read().unwrap_err().to_string();
        assert!(missing.contains("list"), "{missing}");
        let path = folder.path().join("list");
        let list = authority.revocation_list(&[], from, until).unwrap();
        std::fs::write(&path, &list).unwrap();
        assert!(files.read().unwrap());
        assert!(!files.read().unwrap(), "nothing has changed");
        let revision = *files.roots.revoked().revision();
        std::fs::write(&path, &list[..list.len() / 2]).unwrap();
        assert!(files.read().is_err());
        files.reload();
        assert_eq!(files.roots.revoked().revision(), &revision);
        let newer = authority.revocation_list(&[], now, until).unwrap();
        std::fs::write(&path, newer).unwrap();
        files.reload();
        assert_ne!(files.roots.revoked().revision(), &revision);
    }
}
