//! The language a caller reads, from its `accept-language`; Chinese unless it asks for English.

use http::HeaderMap;
use tonic::metadata::MetadataMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Chinese,
    English,
}

impl Language {
    /// The first of the two languages that the caller names.
    pub fn of(metadata: &MetadataMap) -> Self {
        Self::of_headers(metadata.as_ref())
    }

    /// The same of a request whose metadata are headers still.
    pub fn of_headers(headers: &HeaderMap) -> Self {
        let Some(asked) = headers.get("accept-language").and_then(|v| v.to_str().ok()) else {
            return Self::Chinese;
        };
        for tag in asked.split(',') {
            let tag = tag.trim_start();
            if tag.starts_with("en") {
                return Self::English;
            }
            if tag.starts_with("zh") {
                return Self::Chinese;
            }
        }
        Self::Chinese
    }

    /// The BCP 47 tag told to clients.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Chinese => "zh-CN",
            Self::English => "en",
        }
    }

    /// Picks one of two texts.
    pub fn pick<'a>(self, zh: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Chinese => zh,
            Self::English => en,
        }
    }
}
