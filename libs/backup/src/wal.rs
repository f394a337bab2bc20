//! SQLite's write-ahead log as a file (sqlite.org/fileformat2.html#walformat): which frames are
//! committed, and which of them follow what was read before. Reads only, and believes a frame only if
//! its salts and its running checksum say that it belongs there.

use std::{fs::File, io, os::unix::fs::FileExt};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const MAGIC_LITTLE: u32 = 0x377f_0682;
const MAGIC_BIG: u32 = 0x377f_0683;

/// How far a log was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// There was no log, or an empty one.
    Nothing,
    /// Up to the commit that ends with this many frames.
    Frames(Frames),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frames {
    pub page_size: u32,
    salts: (u32, u32),
    pub count: u64,
    sums: (u32, u32),
    /// Whether the checksums read words with the highest byte first.
    big: bool,
}

/// What was committed since a mark.
#[derive(Debug)]
pub(crate) struct Scan {
    /// Whole frames, header and page, ending with a commit; may be empty.
    pub frames: Vec<u8>,
    pub mark: Mark,
}

/// Why a log was not read on.
#[derive(Debug)]
pub(crate) enum WalFault {
    Io(io::Error),
    /// The log was begun anew more than once since the mark.
    Gap,
    Form(&'static str),
}

/// Reads what was committed since `after`. Nobody may be writing.
pub(crate) fn scan(file: Option<&File>, after: Option<Mark>) -> Result<Scan, WalFault> {
    let header = match file {
        Some(file) => read_header(file)?,
        None => None,
    };
    let (Some(file), Some(header)) = (file, header) else {
        return match after {
            None | Some(Mark::Nothing) => Ok(Scan {
                frames: Vec::new(),
                mark: Mark::Nothing,
            }),
            // A log that was there is only taken away when its last user leaves.
            Some(Mark::Frames(_)) => Err(WalFault::Gap),
        };
    };
    let from = match after {
        None | Some(Mark::Nothing) => header,
        Some(Mark::Frames(known)) if known.salts == header.salts => known,
        // Each time the log begins anew the first salt rises by one.
        Some(Mark::Frames(known)) if known.salts.0.wrapping_add(1) == header.salts.0 => header,
        Some(Mark::Frames(_)) => return Err(WalFault::Gap),
    };
    let (frames, mark) = committed(file, from)?;
    Ok(Scan {
        frames,
        mark: Mark::Frames(mark),
    })
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    u32::from_be_bytes(four.unwrap_or_default())
}

fn read_header(file: &File) -> Result<Option<Frames>, WalFault> {
    let mut bytes = [0; HEADER];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(WalFault::Io(error)),
    }
    let big = match word(&bytes, 0) {
        MAGIC_LITTLE => false,
        MAGIC_BIG => true,
        _ => return Err(WalFault::Form("its write-ahead log does not begin as one")),
    };
    let sums = checksum((0, 0), bytes.get(..24).unwrap_or_default(), big);
    if sums != (word(&bytes, 24), word(&bytes, 28)) {
        return Err(WalFault::Form("its write-ahead log's header is damaged"));
    }
    let page_size = word(&bytes, 8);
    if !(512..=65_536).contains(&page_size) || !page_size.is_power_of_two() {
        return Err(WalFault::Form("its page size is not one of SQLite's"));
    }
    Ok(Some(Frames {
        page_size,
        salts: (word(&bytes, 16), word(&bytes, 20)),
        count: 0,
        sums,
        big,
    }))
}

fn committed(file: &File, from: Frames) -> Result<(Vec<u8>, Frames), WalFault> {
    let length = FRAME_HEADER + from.page_size as usize;
    let mut frames = Vec::new();
    let (mut at, mut end, mut kept) = (from, from, 0);
    loop {
        let mut frame = vec![0; length];
        let place = HEADER as u64 + at.count * length as u64;
        match file.read_exact_at(&mut frame, place) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(WalFault::Io(error)),
        }
        let (head, page) = frame.split_at(FRAME_HEADER);
        let sums = checksum(at.sums, head.get(..8).unwrap_or_default(), at.big);
        let sums = checksum(sums, page, at.big);
        let belongs = (word(head, 8), word(head, 12)) == at.salts
            && (word(head, 16), word(head, 20)) == sums
            && word(head, 0) != 0;
        if !belongs {
            break;
        }
        let commits = word(head, 4) != 0;
        at.sums = sums;
        at.count += 1;
        frames.extend_from_slice(&frame);
        if commits {
            end = at;
            kept = frames.len();
        }
    }
    // What follows the last commit was never said to have happened.
    frames.truncate(kept);
    Ok((frames, end))
}

fn checksum(start: (u32, u32), bytes: &[u8], big: bool) -> (u32, u32) {
    let (mut one, mut two) = start;
    for pair in bytes.chunks_exact(8) {
        let (first, second) = (word(pair, 0), word(pair, 4));
        let (first, second) = if big {
            (first, second)
        } else {
            (first.swap_bytes(), second.swap_bytes())
        };
        one = one.wrapping_add(first).wrapping_add(two);
        two = two.wrapping_add(second).wrapping_add(one);
    }
    (one, two)
}

/// Writes the pages of whole frames into a database file.
pub(crate) fn apply(frames: &[u8], page_size: u32, database: &File) -> io::Result<()> {
    let length = FRAME_HEADER + page_size as usize;
    let mut pages = None;
    for frame in frames.chunks_exact(length) {
        let (head, page) = frame.split_at(FRAME_HEADER);
        let number = u64::from(word(head, 0)).saturating_sub(1);
        database.write_all_at(page, number * u64::from(page_size))?;
        if word(head, 4) != 0 {
            pages = Some(u64::from(word(head, 4)));
        }
    }
    // A commit says how many pages the database then has.
    match pages {
        Some(pages) => database.set_len(pages * u64::from(page_size)),
        None => Ok(()),
    }
}

/// The length of a frame with pages of this size.
pub(crate) const fn frame_length(page_size: u32) -> usize {
    FRAME_HEADER + page_size as usize
}
