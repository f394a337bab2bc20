//! Reading what was put: the whole file is read once and judged, then read again and handed out, each
//! chunk compared with the first reading. So not a byte of a file that is not right is handed out, and
//! what changes in between is not either. Memory holds two chunks and a digest for each.

use bytes::Bytes;
use object_store::ObjectStoreExt;
use ring::digest::{Context, SHA256, digest};

use crate::{Hash, Room, StoreFault, room::off_thread};

/// Chunks read at a time.
const WINDOW: u64 = 2;

/// Judges a file by its chunks.
pub trait Check: Send + 'static {
    /// The hash by which a chunk is known again.
    fn hash(chunk: &[u8]) -> Hash;
    /// Takes in the next chunk and its hash.
    fn take(&mut self, chunk: &[u8], hash: Hash);
    /// Whether what was taken in is the file.
    fn judge(self) -> bool;
}

/// Judges a file by its SHA-256.
#[derive(Clone)]
pub struct Sha256Check {
    context: Context,
    expected: Vec<u8>,
}

impl Sha256Check {
    pub fn new(expected: &[u8]) -> Self {
        Self {
            context: Context::new(&SHA256),
            expected: expected.to_vec(),
        }
    }
}

impl Check for Sha256Check {
    fn hash(chunk: &[u8]) -> Hash {
        let mut hash = Hash::default();
        hash.copy_from_slice(digest(&SHA256, chunk).as_ref());
        hash
    }

    fn take(&mut self, chunk: &[u8], _: Hash) {
        self.context.update(chunk);
    }

    fn judge(self) -> bool {
        self.context.finish().as_ref() == self.expected
    }
}

/// A file that was found right, to be read again.
pub struct Checked {
    room: Room,
    name: String,
    bytes: u64,
    chunk_bytes: u64,
    hash: fn(&[u8]) -> Hash,
    hashes: Vec<Hash>,
    given: u64,
    ready: Vec<Bytes>,
}

impl Room {
    /// Reads the whole file and judges it, in chunks of `chunk_bytes`.
    pub async fn check<C: Check>(
        &self,
        name: &str,
        bytes: u64,
        chunk_bytes: usize,
        check: C,
    ) -> Result<Checked, StoreFault> {
        let found = self.size(name).await?.ok_or(StoreFault::Lost)?;
        if found != bytes {
            return Err(StoreFault::Length {
                expected: bytes,
                found,
            });
        }
        let mut checked = Checked {
            room: self.clone(),
            name: name.to_owned(),
            bytes,
            chunk_bytes: chunk_bytes.max(1) as u64,
            hash: C::hash,
            hashes: Vec::new(),
            given: 0,
            ready: Vec::new(),
        };
        let mut judged = (check, Vec::new());
        let mut at = 0;
        while at < bytes {
            let window = checked.window(at).await?;
            at += window.len() as u64;
            judged = off_thread(move || {
                for chunk in window.chunks(chunk_bytes.max(1)) {
                    let hash = C::hash(chunk);
                    judged.0.take(chunk, hash);
                    judged.1.push(hash);
                }
                judged
            })
            .await?;
        }
        if !judged.0.judge() {
            return Err(StoreFault::Changed);
        }
        checked.hashes = judged.1;
        Ok(checked)
    }
}

impl Checked {
    /// The next chunk; nothing after the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreFault> {
        if self.ready.is_empty() && self.given < self.bytes {
            let window = self.window(self.given).await?;
            let first = usize::try_from(self.given / self.chunk_bytes).unwrap_or(usize::MAX);
            let chunk_bytes = usize::try_from(self.chunk_bytes).unwrap_or(usize::MAX);
            let expected: Vec<Hash> = self
                .hashes
                .iter()
                .skip(first)
                .take(WINDOW as usize)
                .copied()
                .collect();
            let hash = self.hash;
            self.given += window.len() as u64;
            let right = off_thread(move || {
                let found = window.chunks(chunk_bytes).map(hash);
                found.eq(expected).then_some(window)
            });
            let mut window = right.await?.ok_or(StoreFault::Changed)?;
            while !window.is_empty() {
                let chunk = window.split_to(chunk_bytes.min(window.len()));
                self.ready.push(chunk);
            }
            self.ready.reverse();
        }
        Ok(self.ready.pop())
    }

    /// Whether every chunk was handed out.
    pub fn is_over(&self) -> bool {
        self.given == self.bytes && self.ready.is_empty()
    }

    /// Some chunks from `at` on.
    async fn window(&self, at: u64) -> Result<Bytes, StoreFault> {
        let end = self.bytes.min(at + WINDOW * self.chunk_bytes);
        let kept = &self.room.store.0;
        let key = self.room.key(&self.name);
        match kept.files.get_range(&key, at..end).await {
            Ok(window) if window.len() as u64 == end - at => Ok(window),
            // Cut off since it was measured.
            Ok(window) => Err(StoreFault::Length {
                expected: self.bytes,
                found: at + window.len() as u64,
            }),
            Err(error) => Err(kept.fault(error).await),
        }
    }
}
