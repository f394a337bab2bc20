//! The sealer's rescue file: the ephemeral secret and the header it belongs to.
//! When fewer than t holders act, a supplier may publish it; anyone then checks that it is the
//! header's secret and opens this one envelope. It opens nothing else.

use thiserror::Error;
use zeroize::Zeroizing;

use crate::group::{GroupError, SecretScalar, SharedSecret};
use crate::header::{CheckedHeader, Header, HeaderError};
use crate::reading::{ReadError, Reading};
use crate::tender_key::SealingKey;

const MAGIC: &str = "SEALRSC1";

/// The ephemeral secret of one envelope, with its header.
#[derive(Clone, Debug)]
pub struct Rescue {
    secret: SecretScalar,
    header: Header,
}

/// Why a rescue file does not open an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RescueError {
    /// The file is not in its canonical form.
    #[error("The rescue file is not canonical. {0}")]
    Form(#[from] ReadError),
    /// The secret is no scalar.
    #[error("The rescue file's secret is refused. {0}")]
    Secret(#[from] GroupError),
    /// The header in the file is refused.
    #[error("The rescue file's header is refused. {0}")]
    Header(#[from] HeaderError),
    /// The secret is another envelope's.
    #[error("The rescue file's secret does not belong to this envelope.")]
    OtherEnvelope,
    /// The envelope is sealed to another key.
    #[error("The envelope is sealed to another tender key.")]
    OtherKey,
}

impl Rescue {
    pub(crate) const fn new(secret: SecretScalar, header: Header) -> Self {
        Self { secret, header }
    }

    /// The envelope this file belongs to.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The secret that opens the envelope once it is published: the scalar r. Wiped when dropped.
    #[must_use]
    pub fn secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.secret.to_bytes()
    }

    /// The file's bytes: marker, secret, header. Secret; wiped when dropped.
    #[must_use]
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let header = self.header.encode();
        let mut out = Zeroizing::new(Vec::with_capacity(MAGIC.len() + 32 + header.len()));
        out.extend_from_slice(MAGIC.as_bytes());
        out.extend_from_slice(self.secret.to_bytes().as_slice());
        out.extend_from_slice(&header);
        out
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`RescueError`] when the bytes are not canonical or the secret is not the header's.
    pub fn parse(bytes: &[u8]) -> Result<Self, RescueError> {
        let mut reading = Reading::new(bytes);
        reading.magic(MAGIC)?;
        let secret = SecretScalar::decode(&Zeroizing::new(reading.array("secret")?))?;
        let header = Header::parse(reading.rest())?;
        if secret.public() != header.ephemeral {
            return Err(RescueError::OtherEnvelope);
        }
        Ok(Self { secret, header })
    }

    /// The shared secret of the envelope, as the holders would have found it.
    ///
    /// # Errors
    /// When the envelope or the key is not the one this file belongs to.
    pub fn shared_secret(
        &self,
        key: &SealingKey,
        header: &CheckedHeader,
    ) -> Result<SharedSecret, RescueError> {
        if self.secret.public() != header.ephemeral {
            return Err(RescueError::OtherEnvelope);
        }
        if key.id() != header.key_id() {
            return Err(RescueError::OtherKey);
        }
        Ok(SharedSecret::from_point(
            *self.secret.times(key.element()).point(),
        ))
    }
}
