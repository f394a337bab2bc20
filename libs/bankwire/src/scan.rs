//! The first look at a message: one root, no document type, no depth that costs; and which kind.

use quick_xml::{Reader, events::Event};

use crate::fault::{MessageFault, clip};

/// No message of this agreement is deeper.
const DEEPEST: usize = 24;

/// The namespace of the one root element `Document`.
pub(crate) fn namespace(text: &str) -> Result<String, MessageFault> {
    let mut reader = Reader::from_str(text);
    let malformed =
        |cause: &dyn std::fmt::Display| MessageFault::Malformed(clip(&cause.to_string()));
    let (mut depth, mut found) = (0_usize, None);
    loop {
        match reader.read_event().map_err(|error| malformed(&error))? {
            Event::Start(start) => {
                if depth == 0 {
                    if found.is_some() {
                        return Err(MessageFault::Malformed(
                            "there is more than one root".to_owned(),
                        ));
                    }
                    if start.name().as_ref() != "Document" {
                        return Err(MessageFault::Kind(clip(start.name().as_ref())));
                    }
                    let attribute = start
                        .try_get_attribute("xmlns")
                        .map_err(|error| malformed(&error))?
                        .ok_or_else(|| MessageFault::Kind("no namespace".to_owned()))?;
                    found = Some(attribute.value.into_owned());
                }
                depth += 1;
                if depth > DEEPEST {
                    return Err(MessageFault::Unwanted("elements nested very deeply"));
                }
            }
            Event::End(_) => {
                depth = depth
                    .checked_sub(1)
                    .ok_or_else(|| MessageFault::Malformed("an end without a start".to_owned()))?;
            }
            Event::Empty(_) if depth == 0 => {
                return Err(MessageFault::Malformed("the root is empty".to_owned()));
            }
            Event::Text(text) if depth == 0 && !text.trim().is_empty() => {
                return Err(MessageFault::Malformed(
                    "there is text beside the root".to_owned(),
                ));
            }
            Event::DocType(_) => return Err(MessageFault::Unwanted("a document type declaration")),
            Event::PI(_) => return Err(MessageFault::Unwanted("a processing instruction")),
            Event::CData(_) => return Err(MessageFault::Unwanted("a CDATA section")),
            Event::Eof if depth > 0 => {
                return Err(MessageFault::Malformed(
                    "the message ends inside an element".to_owned(),
                ));
            }
            Event::Eof => {
                return found
                    .ok_or_else(|| MessageFault::Malformed("there is no element".to_owned()));
            }
            _ => {}
        }
    }
}

/// The identifier of a message that may be wrong in everything else, so that its sender can be told.
pub fn message_id(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut reader = Reader::from_str(text);
    let mut inside = false;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => inside = start.name().as_ref() == "MsgId",
            Event::Text(text) if inside => {
                return crate::field::read_id("MsgId", text.to_string()).ok();
            }
            Event::End(_) => inside = false,
            Event::Eof => return None,
            _ => {}
        }
    }
}
