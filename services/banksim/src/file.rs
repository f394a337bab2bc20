//! The file of the books: framed messages, appended and synced before anyone is answered.
//! A torn end (a crash while writing) was never answered and is cut off.

use std::path::{Path, PathBuf};

use sunbid_bankwire::{FrameFault, FrameReader, Message, MessageFault, frame};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncSeekExt, AsyncWriteExt},
};

/// Why the books cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    #[error("the bank's books {path} cannot be used: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("entry {entry} of the bank's books {path} cannot be read: {source}")]
    Entry {
        path: PathBuf,
        entry: usize,
        source: MessageFault,
    },
    #[error("the bank's books {path} are damaged behind entry {entry}: {source}")]
    Damaged {
        path: PathBuf,
        entry: usize,
        source: FrameFault,
    },
}

/// The open file, at its end.
pub(crate) struct BookFile {
    path: PathBuf,
    file: File,
}

impl BookFile {
    /// Opens or makes the file and hands back everything written so far.
    pub async fn open(path: &Path) -> Result<(Self, Vec<Message>), FileFault> {
        let fault = |source| FileFault::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .await
            .map_err(fault)?;
        let (messages, whole) = read_all(path, &mut file).await?;
        file.set_len(whole).await.map_err(fault)?;
        file.seek(std::io::SeekFrom::Start(whole))
            .await
            .map_err(fault)?;
        Ok((
            Self {
                path: path.to_owned(),
                file,
            },
            messages,
        ))
    }

    /// Appends messages; when this returns they are on the disk.
    pub async fn append(&mut self, messages: &[Message]) -> Result<(), FileFault> {
        let mut bytes = Vec::new();
        for message in messages {
            let framed =
                frame(message.to_xml().as_bytes()).map_err(|source| FileFault::Damaged {
                    path: self.path.clone(),
                    entry: 0,
                    source,
                })?;
            bytes.extend(framed);
        }
        let fault = |source| FileFault::Io {
            path: self.path.clone(),
            source,
        };
        self.file.write_all(&bytes).await.map_err(fault)?;
        self.file.sync_data().await.map_err(fault)
    }
}

async fn read_all(path: &Path, file: &mut File) -> Result<(Vec<Message>, u64), FileFault> {
    let mut reader = FrameReader::new(file);
    let (mut messages, mut whole) = (Vec::new(), 0);
    loop {
        let entry = messages.len();
        match reader.next().await {
            Ok(Some(bytes)) => {
                let message = Message::parse(&bytes).map_err(|source| FileFault::Entry {
                    path: path.to_owned(),
                    entry,
                    source,
                })?;
                messages.push(message);
                whole += 4 + bytes.len() as u64;
            }
            Ok(None) | Err(FrameFault::Torn) => return Ok((messages, whole)),
            Err(source) => {
                return Err(FileFault::Damaged {
                    path: path.to_owned(),
                    entry,
                    source,
                });
            }
        }
    }
}
