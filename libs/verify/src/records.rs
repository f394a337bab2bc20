//! Where records are read from. The caller's: this library opens no file.

use std::collections::BTreeMap;
use std::io::{self, Read};

/// The files of one disclosure.
pub trait Records {
    /// Every file's path, with forward slashes.
    fn list(&self) -> io::Result<Vec<String>>;
    /// One file from its beginning.
    fn open(&self, path: &str) -> io::Result<Box<dyn Read + '_>>;
}

/// Files in memory, by path.
impl Records for BTreeMap<String, Vec<u8>> {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.keys().cloned().collect())
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn Read + '_>> {
        let bytes = self.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(bytes.as_slice()))
    }
}
