//! A whole platform for tests: the real program, real processes and sockets, entered through the
//! same doors as everybody uses. Holds no shortcuts into any service.

pub mod anyrpc;
pub mod storm;
pub mod surfaces;

use std::path::PathBuf;

use anyhow::Context;
use sunbid_cli::{
    demo::{acts, narration::Narrator, stage::Stage},
    output::Output,
};
use sunbid_contracts::tender::v1::Tender;
use sunbid_journal::trial;
use sunbid_platform::objects::Objects;
use sunbid_service::trial::ENGINE_VARIABLE;
use tempfile::TempDir;

/// How test platforms answer.
pub const OUTPUT: Output = Output {
    json: false,
    english: true,
};

/// A platform with everyone enrolled, in a folder of its own.
pub struct World {
    pub stage: Stage,
    pub narrator: Narrator,
    folder: TempDir,
}

impl World {
    /// Raises a platform on free ports, over the engine that `SUNBID_TEST_ENGINE` names.
    pub async fn raise() -> anyhow::Result<Self> {
        let database = match std::env::var(ENGINE_VARIABLE).as_deref() {
            Ok("postgres") => {
                let address = trial::fresh_address().await?;
                Some(address.context("PostgreSQL is asked for and not installed")?)
            }
            _ => None,
        };
        Self::raise_on(database).await
    }

    /// Raises a platform on free ports, over a PostgreSQL database where one is named.
    pub async fn raise_on(database: Option<String>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sunbid-test-").tempdir()?;
        let narrator = Narrator::new(OUTPUT, true);
        let stage = Stage::raise(program()?, folder.path(), 0, database, &narrator, OUTPUT).await?;
        Ok(Self {
            stage,
            narrator,
            folder,
        })
    }

    /// Raises a platform on free ports, with sealed payloads and documents in an object store.
    pub async fn raise_on_objects(objects: Objects) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sunbid-test-").tempdir()?;
        let narrator = Narrator::new(OUTPUT, true);
        let stage =
            Stage::raise_on_objects(program()?, folder.path(), objects, &narrator, OUTPUT).await?;
        Ok(Self {
            stage,
            narrator,
            folder,
        })
    }

    /// Raises a platform whose services run apart, on free ports.
    pub async fn raise_apart() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sunbid-test-").tempdir()?;
        let narrator = Narrator::new(OUTPUT, true);
        let stage = Stage::raise_apart(program()?, folder.path(), &narrator, OUTPUT).await?;
        Ok(Self {
            stage,
            narrator,
            folder,
        })
    }

    /// The platform's own folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("platform")
    }

    /// A tender that takes bids: one lot, a deposit if `deposit_fen` is not 0.
    pub async fn announced(&self, deposit_fen: i64) -> anyhow::Result<Tender> {
        let mut draft = acts::draft()?;
        draft.lots.truncate(1);
        for lot in &mut draft.lots {
            lot.deposit_fen = deposit_fen;
        }
        acts::announced(&self.stage, &self.narrator, draft).await
    }
}

/// The program under test: `sunbid` beside this test's own binary.
pub fn program() -> anyhow::Result<PathBuf> {
    beside("sunbid")
}

/// A program that was built with this test's own.
pub fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let mut folder = own.parent().context("a test has a folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("deps has a parent")?;
    }
    let program = folder.join(name);
    anyhow::ensure!(
        program.exists(),
        "{} is missing; build it first: cargo build -p sunbid -p sunbid-tests --bins (tests/run.sh does)",
        program.display()
    );
    Ok(program)
}
