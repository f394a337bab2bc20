//! Where trust in a platform begins: its name, the keys of its public log and receipts, and the
//! certificate roots, in one file that people hand each other and that `verify`, profiles and
//! trustees read. What is pinned here is never replaced by what a platform says of itself.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use sunbid_certificates::{Roots, fingerprint, pem};
use sunbid_contracts::{audit::v1::TrustAnchors, registry::v1::GetPlatformResponse};

/// Keys and roots, and institutions' keys where any are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Anchors {
    pub keys: TrustAnchors,
    /// Identity keys of institutions by credit code.
    pub holders: BTreeMap<String, [u8; 32]>,
}

/// Anchors as people keep them.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct AnchorsFile {
    /// C2SP verifier key of the public log; it begins with the platform's name.
    log_verifier_key: String,
    /// Ed25519, hexadecimal.
    receipt_key: String,
    /// Certificates in PEM, or paths of PEM files beside this one.
    roots: Vec<String>,
    #[serde(default)]
    sandbox: bool,
    /// Identity keys of institutions in hexadecimal, by credit code; where any is given, every
    /// holder must be among them.
    #[serde(default)]
    holders: BTreeMap<String, String>,
}

impl Anchors {
    /// What a platform says of itself.
    pub fn of(platform: &GetPlatformResponse) -> anyhow::Result<Self> {
        let anchors = Self {
            keys: TrustAnchors {
                log_verifier_key: platform.log_verifier_key.clone(),
                receipt_key: platform.receipt_key.clone(),
                roots: platform.roots.clone(),
                sandbox: platform.sandbox,
            },
            holders: BTreeMap::new(),
        };
        anchors.require(platform)?;
        Ok(anchors)
    }

    /// Reads a file of anchors.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let named = || format!("{} is no file of anchors", file.display());
        let text = fs::read_to_string(file).with_context(named)?;
        let kept: AnchorsFile = serde_json::from_str(&text).with_context(named)?;
        let mut holders = BTreeMap::new();
        for (code, key) in &kept.holders {
            let key = hex::decode(key).ok().and_then(|key| key.try_into().ok());
            let key = key.with_context(|| format!("the key of {code} is not 32 bytes in hex"))?;
            holders.insert(code.clone(), key);
        }
        Ok(Self {
            keys: TrustAnchors {
                log_verifier_key: kept.log_verifier_key,
                receipt_key: hex::decode(&kept.receipt_key).with_context(named)?,
                roots: read_roots(&kept.roots, file)?,
                sandbox: kept.sandbox,
            },
            holders,
        })
    }

    /// Writes a file of anchors.
    pub fn write(&self, file: &Path) -> anyhow::Result<()> {
        let holders = self.holders.iter();
        let kept = AnchorsFile {
            log_verifier_key: self.keys.log_verifier_key.clone(),
            receipt_key: hex::encode(&self.keys.receipt_key),
            roots: self
                .keys
                .roots
                .iter()
                .map(|der| pem::certificate(der))
                .collect(),
            sandbox: self.keys.sandbox,
            holders: holders
                .map(|(code, key)| (code.clone(), hex::encode(key)))
                .collect(),
        };
        fs::write(file, serde_json::to_string_pretty(&kept)?)
            .with_context(|| format!("{} cannot be written", file.display()))
    }

    /// The platform's name, as it stands in its log's key.
    pub fn origin(&self) -> anyhow::Result<&str> {
        let name = self.keys.log_verifier_key.split('+').next();
        name.and_then(|name| name.strip_suffix("/log"))
            .context("the key of the public log does not name its platform")
    }

    pub fn roots(&self) -> anyhow::Result<Roots> {
        Ok(Roots::new(self.keys.roots.clone())?)
    }

    /// Refuses a platform that says anything else of itself.
    pub fn require(&self, platform: &GetPlatformResponse) -> anyhow::Result<()> {
        let mut ours = self.keys.roots.clone();
        let mut theirs = platform.roots.clone();
        ours.sort();
        theirs.sort();
        let differs = [
            ("name", platform.origin != self.origin()?),
            (
                "public log's key",
                platform.log_verifier_key != self.keys.log_verifier_key,
            ),
            (
                "receipts' key",
                platform.receipt_key != self.keys.receipt_key,
            ),
            ("certificate roots", ours != theirs),
            (
                "mode (sandbox or not)",
                platform.sandbox != self.keys.sandbox,
            ),
        ];
        let differs: Vec<&str> = differs
            .iter()
            .filter_map(|(what, differs)| differs.then_some(*what))
            .collect();
        if differs.is_empty() {
            return Ok(());
        }
        bail!(
            "this is not the platform that was pinned: \"{}\" differs in its {}; nothing was sent to it",
            platform.origin,
            differs.join(", ")
        )
    }

    /// Refuses anchors that could not be used.
    pub fn check(&self) -> anyhow::Result<()> {
        self.origin()?;
        self.roots()?;
        ensure!(
            self.keys.receipt_key.len() == 32,
            "the receipts' key is not 32 bytes"
        );
        Ok(())
    }

    /// What is pinned, for people to compare with what the institutions publish.
    pub fn show(&self, english: bool) -> String {
        let say = |zh: &str, en: &str| if english { en } else { zh }.to_owned();
        let mut lines = vec![
            say(
                "已固定下列平台密钥和根证书（首次使用时取自平台本身），请与平台另行公布的核对：",
                "Pinned on the platform's own word at first use; compare with what it publishes elsewhere:",
            ),
            format!("  log key      {}", self.keys.log_verifier_key),
            format!("  receipt key  {}", hex::encode(&self.keys.receipt_key)),
        ];
        for root in &self.keys.roots {
            lines.push(format!(
                "  root         sha256 {}",
                hex::encode(fingerprint(root))
            ));
        }
        if self.keys.sandbox {
            lines.push(format!(
                "  {}",
                say(
                    "这是试验平台，没有法律效力。",
                    "A sandbox: nothing here has legal effect."
                )
            ));
        }
        lines.join("\n")
    }
}

fn read_roots(written: &[String], beside: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut ders = Vec::new();
    for root in written {
        let text = if root.contains("-----BEGIN") {
            root.clone()
        } else {
            let path = beside.parent().unwrap_or(Path::new(".")).join(root);
            fs::read_to_string(&path)
                .with_context(|| format!("{} cannot be read", path.display()))?
        };
        ders.extend(pem::certificates(&text)?);
    }
    Ok(ders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sunbid_certificates::trial::TrialAuthority;
    use sunbid_terms::Instant;

    fn platform() -> GetPlatformResponse {
        let at = Instant::from_seconds;
        let root = |name| {
            let authority = TrialAuthority::new(name, at(0), at(4_000_000_000)).unwrap();
            authority.certificate().to_vec()
        };
        GetPlatformResponse {
            log_verifier_key: "sandbox.test/log+12345678+AAAA".into(),
            receipt_key: vec![3; 32],
            roots: vec![root("one"), root("two")],
            sandbox: true,
            origin: "sandbox.test".into(),
            ..GetPlatformResponse::default()
        }
    }

    #[test]
    fn what_is_pinned_comes_back_and_any_change_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("anchors.json");
        let platform = platform();
        let pinned = Anchors::of(&platform).unwrap();
        pinned.write(&file).unwrap();
        let again = Anchors::read(&file).unwrap();
        assert_eq!(again, pinned);
        again.check().unwrap();
        again.require(&platform).unwrap();
        let changes: [fn(&mut GetPlatformResponse); 5] = [
            |p| p.origin = "elsewhere".into(),
            |p| p.log_verifier_key = "sandbox.test/log+12345678+BBBB".into(),
            |p| p.receipt_key[0] ^= 1,
            |p| drop(p.roots.pop()),
            |p| p.sandbox = false,
        ];
        for change in changes {
            let mut other = platform.clone();
            change(&mut other);
            assert!(again.require(&other).is_err(), "{other:?}");
        }
        let mut reordered = platform;
        reordered.roots.reverse();
        again.require(&reordered).unwrap();
    }
}
