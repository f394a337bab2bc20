//! C2SP tiles (c2sp.org/tlog-tiles): the public log cut into files of 256 hashes or entries.

use crate::hash::{HASH_LENGTH, Hash};

/// Hashes or entries in a full tile.
pub const WIDTH: u64 = 256;
/// The binary levels of the tree that one tile spans.
pub const HEIGHT: u32 = 8;
/// The highest tile level a path may name: enough for 2^48 leaves.
pub const HIGHEST_LEVEL: u8 = 5;

/// What a tile path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// `width` hashes of level `level`, from number `256 * index` on.
    Hashes { level: u8, index: u64, width: u16 },
    /// `width` entries from number `256 * index` on.
    Entries { index: u64, width: u16 },
}

impl Tile {
    /// `tile/<level>/<index>[.p/<width>]` or `tile/entries/<index>[.p/<width>]`
    pub fn path(&self) -> String {
        let (head, index, width) = match self {
            Self::Hashes {
                level,
                index,
                width,
            } => (level.to_string(), *index, *width),
            Self::Entries { index, width } => ("entries".to_owned(), *index, *width),
        };
        let mut path = format!("tile/{head}/{}", index_path(index));
        if u64::from(width) != WIDTH {
            path.push_str(&format!(".p/{width}"));
        }
        path
    }

    /// Reads a path; only the one spelling that [`Tile::path`] writes.
    pub fn parse(path: &str) -> Option<Self> {
        let (head, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().ok()?),
            None => (rest, WIDTH as u16),
        };
        if width == 0 || u64::from(width) > WIDTH {
            return None;
        }
        let index = parse_index(index)?;
        let tile = if head == "entries" {
            Self::Entries { index, width }
        } else {
            let level = head.parse().ok().filter(|level| *level <= HIGHEST_LEVEL)?;
            Self::Hashes {
                level,
                index,
                width,
            }
        };
        (tile.path() == path).then_some(tile)
    }

    /// Whether a log of `size` leaves has this tile, with exactly this or a larger width.
    pub fn exists_at(&self, size: u64) -> bool {
        let (hashes, index, width) = match self {
            Self::Hashes {
                level,
                index,
                width,
            } => (size >> (HEIGHT * u32::from(*level)), *index, *width),
            Self::Entries { index, width } => (size, *index, *width),
        };
        index
            .checked_mul(WIDTH)
            .and_then(|first| first.checked_add(u64::from(width)))
            .is_some_and(|end| end <= hashes)
    }
}

/// Three digits to a part, all but the last marked with an x: 1234067 is `x001/x234/067`.
fn index_path(index: u64) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    path
}

fn parse_index(path: &str) -> Option<u64> {
    path.split('/').try_fold(0_u64, |index, part| {
        let digits = part.strip_prefix('x').unwrap_or(part);
        let number: u64 = digits.parse().ok()?;
        index.checked_mul(1000)?.checked_add(number)
    })
}

/// The bytes of a hash tile.
pub fn hash_tile(hashes: &[Hash]) -> Vec<u8> {
    hashes.concat()
}

/// The hashes of a hash tile of `width`.
pub fn parse_hash_tile(bytes: &[u8], width: u16) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_LENGTH>();
    (rest.is_empty() && hashes.len() == usize::from(width)).then(|| hashes.to_vec())
}

/// The bytes of an entry bundle: each entry after its length as two bytes, big-endian. Nothing if
/// an entry is longer than 65,535 bytes.
pub fn entry_bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).ok()?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Some(bytes)
}

/// The entries of a bundle of `width`.
pub fn parse_entry_bundle(bytes: &[u8], width: u16) -> Option<Vec<Vec<u8>>> {
    let mut rest = bytes;
    let mut entries = Vec::new();
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let (entry, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry.to_vec());
        rest = tail;
    }
    (rest.is_empty() && entries.len() == usize::from(width)).then_some(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tiles() -> impl Strategy<Value = Tile> {
        let hashes =
            (0..=HIGHEST_LEVEL, any::<u64>(), 1..=256_u16).prop_map(|(level, index, width)| {
                Tile::Hashes {
                    level,
                    index,
                    width,
                }
            });
        let entries =
            (any::<u64>(), 1..=256_u16).prop_map(|(index, width)| Tile::Entries { index, width });
        prop_oneof![hashes, entries]
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        let tile = Tile::Hashes {
            level: 0,
            index: 1_234_067,
            width: 256,
        };
        assert_eq!(tile.path(), "tile/0/x001/x234/067");
        let tile = Tile::Entries { index: 0, width: 7 };
        assert_eq!(tile.path(), "tile/entries/000.p/7");
        for wrong in [
            "tile/0/0",
            "tile/00/000",
            "tile/6/000",
            "tile/0/x000/001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/07",
            "tile/0/001/067",
            "tile/entries/",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(Tile::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_tile_exists_once_its_hashes_do() {
        let tile = |level, index, width| Tile::Hashes {
            level,
            index,
            width,
        };
        assert!(tile(0, 1, 3).exists_at(259));
        assert!(!tile(0, 1, 4).exists_at(259));
        assert!(tile(1, 0, 1).exists_at(256));
        assert!(!tile(1, 0, 1).exists_at(255));
        assert!(!tile(0, u64::MAX, 1).exists_at(u64::MAX));
    }

    proptest! {
        #[test]
        fn a_path_comes_back(tile in tiles()) {
            prop_assert_eq!(Tile::parse(&tile.path()), Some(tile));
        }

        #[test]
        fn random_paths_never_panic(path in "tile/([0-9]|entries)/[x0-9/.p]{0,20}") {
            if let Some(tile) = Tile::parse(&path) {
                prop_assert_eq!(tile.path(), path);
            }
        }

        #[test]
        fn tiles_come_back(
            hashes in prop::collection::vec(any::<Hash>(), 1..20),
            entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 1..20),
            noise in prop::collection::vec(any::<u8>(), 0..60), width: u16,
        ) {
            let bytes = hash_tile(&hashes);
            prop_assert_eq!(parse_hash_tile(&bytes, hashes.len() as u16), Some(hashes));
            let bundle = entry_bundle(entries.iter().map(Vec::as_slice)).unwrap();
            prop_assert_eq!(parse_entry_bundle(&bundle, entries.len() as u16), Some(entries));
            let _ = parse_hash_tile(&noise, width);
            let _ = parse_entry_bundle(&noise, width);
        }
    }
}
