//! Which record a request names, read off the beginning of its first message as it passes by. Takes
//! nothing from the service behind, believes nothing, and is never long.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use http_body::{Frame, SizeHint};
use tonic::body::Body;

/// How much of a request is looked at, bytes.
const LOOKED_AT: usize = 4096;
/// Longest name kept, characters.
const LONGEST: usize = 160;
/// What stands before each message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// The beginning of a request's body.
#[derive(Clone, Default)]
pub struct Beginning(Arc<Mutex<Vec<u8>>>);

impl Beginning {
    /// The names in it, where `paths` say.
    pub fn names(&self, paths: &[&[u32]]) -> String {
        let begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names(&begun, paths)
    }

    /// Whether that is for certain what the service behind read: the whole message was looked at, uncompressed,
    /// and names each of these things once. Other readers make other things of what is not so.
    pub fn is_plain(&self, paths: &[&[u32]]) -> bool {
        let begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        is_plain(&begun, paths)
    }

    fn add(&self, bytes: &[u8]) {
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = LOOKED_AT.saturating_sub(begun.len());
        begun.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }
}

/// A body whose beginning is kept.
pub struct Passing {
    pub body: Body,
    pub beginning: Beginning,
}

impl http_body::Body for Passing {
    type Data = <Body as http_body::Body>::Data;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.beginning.add(data);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn names(begun: &[u8], paths: &[&[u32]]) -> String {
    let Some((prefix, message)) = begun.split_at_checked(PREFIX) else {
        return String::new();
    };
    let length = prefix[1..].try_into().map_or(0, u32::from_be_bytes);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let message = message.get(..length).unwrap_or(message);
    let mut found = Vec::new();
    for path in paths {
        let mut bytes = Some(message);
        for wanted in *path {
            bytes = bytes.and_then(|message| field(message, *wanted));
        }
        let name = bytes.map(text).unwrap_or_default();
        if !name.is_empty() {
            found.push(name);
        }
    }
    found.join(" ")
}

fn is_plain(begun: &[u8], paths: &[&[u32]]) -> bool {
    let Some((prefix, message)) = begun.split_at_checked(PREFIX) else {
        return false;
    };
    let length = prefix[1..].try_into().map_or(0, u32::from_be_bytes);
    prefix[0] == 0
        && usize::try_from(length).is_ok_and(|length| length == message.len())
        && paths.iter().all(|path| {
            let mut inner = Some(message);
            path.iter().all(|wanted| match inner {
                Some(message) => match look(message, *wanted) {
                    (found, 0 | 1, true) => {
                        inner = found;
                        true
                    }
                    _ => false,
                },
                None => true,
            })
        })
}

/// Text for people: nothing that moves a terminal's cursor, and not too much of it.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST)
        .collect()
}

/// The bytes of the last field `wanted` of a message that may be cut off; as protocol buffers are
/// written, the last one counts.
fn field(message: &[u8], wanted: u32) -> Option<&[u8]> {
    look(message, wanted).0
}

/// The same, with how often the field is there, and whether the message could be read to its end.
fn look(mut message: &[u8], wanted: u32) -> (Option<&[u8]>, usize, bool) {
    let (mut found, mut times) = (None, 0);
    while !message.is_empty() {
        let Some(key) = varint(&mut message) else {
            return (found, times, false);
        };
        let length = match key & 7 {
            0 => varint(&mut message).map(|_| 0),
            1 => Some(8),
            2 => varint(&mut message).and_then(|length| usize::try_from(length).ok()),
            5 => Some(4),
            _ => None,
        };
        let Some((value, rest)) = length.and_then(|length| message.split_at_checked(length)) else {
            return (found, times, false);
        };
        if key >> 3 == u64::from(wanted) && key & 7 == 2 {
            found = Some(value);
            times += 1;
        }
        message = rest;
    }
    (found, times, true)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for at in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f).checked_shl(7 * at)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use sunbid_contracts::{
        bid::v1::{
            SubmitBidRequest, UploadPartHeader, UploadPartRequest, upload_part_request::Step,
        },
        registry::v1::GetOrganizationRequest,
    };

    use super::*;
    use crate::access;

    fn framed(message: &impl Message) -> Vec<u8> {
        let bytes = message.encode_to_vec();
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&[0], length.as_slice(), &bytes].concat()
    }

    fn of(path: &str, bytes: &[u8]) -> String {
        names(bytes, access::row(path).unwrap().names)
    }

    #[test]
    fn a_request_says_what_it_is_about() {
        let submit = SubmitBidRequest {
            request_id: "r".into(),
            tender: "tenders/1".into(),
            lot_id: "01".into(),
            ..SubmitBidRequest::default()
        };
        let path = "/sunbid.bid.v1.BidService/SubmitBid";
        assert_eq!(of(path, &framed(&submit)), "tenders/1 01");
        let upload = UploadPartRequest {
            step: Some(Step::Header(UploadPartHeader {
                tender: "tenders/2".into(),
                lot_id: "02".into(),
                ..UploadPartHeader::default()
            })),
        };
        let path = "/sunbid.bid.v1.BidService/UploadPart";
        assert_eq!(of(path, &framed(&upload)), "tenders/2 02");
    }

    #[test]
    fn what_others_could_read_otherwise_is_not_plain() {
        let path = "/sunbid.registry.v1.RegistryService/GetOrganization";
        let names = access::row(path).unwrap().names;
        let plain = |bytes: &[u8]| {
            let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
            is_plain(&[&[0], length.as_slice(), bytes].concat(), names)
        };
        let one = GetOrganizationRequest { name: "a".into() }.encode_to_vec();
        let other = GetOrganizationRequest { name: "b".into() }.encode_to_vec();
        // A group that is empty, a field that nobody knows.
        let (group, unknown) = ([0x7b, 0x7c].as_slice(), [0x78, 0x01].as_slice());
        assert!(plain(&one) && plain(&[]) && plain(&[unknown, &one].concat()));
        for odd in [
            [one.as_slice(), &other].concat(),
            [one.as_slice(), group, &other].concat(),
            [group, &one].concat(),
            one[..2].to_vec(),
        ] {
            assert!(!plain(&odd), "{odd:?}");
        }
        assert!(!is_plain(
            &[&[1, 0, 0, 0, 3], one.as_slice()].concat(),
            names
        ));
        let long = GetOrganizationRequest {
            name: "c".repeat(LOOKED_AT),
        };
        let beginning = Beginning::default();
        beginning.add(&framed(&long));
        assert!(!beginning.is_plain(names));
    }

    #[test]
    fn rubbish_says_nothing_and_is_never_long() {
        let path = "/sunbid.bid.v1.BidService/SubmitBid";
        let whole = framed(&SubmitBidRequest {
            tender: "t\u{1b}[2J\n".repeat(500),
            ..SubmitBidRequest::default()
        });
        let named = of(path, &whole);
        assert_eq!(named.chars().count(), LONGEST);
        assert!(!named.contains('\u{1b}'));
        for cut in 0..64 {
            assert_eq!(of(path, &whole[..cut]), "");
        }
        for byte in [0x00, 0x12, 0x7f, 0x80, 0xff] {
            of(path, &[byte; 400]);
        }
        let beginning = Beginning::default();
        for _ in 0..9 {
            beginning.add(&[7; 1000]);
        }
        assert_eq!(beginning.0.lock().unwrap().len(), LOOKED_AT);
    }
}
