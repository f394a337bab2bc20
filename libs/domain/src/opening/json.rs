//! JSON of one form only: an object of strings, RFC 8259. Everything else is refused with the place
//! where it stops being that, counted in bytes. Repeated keys are kept, for the caller to judge.

/// Where and why a text is not an object of strings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotAnObject {
    pub at: usize,
    pub expected: &'static str,
}

/// The keys and values in the order in which they stand.
pub(super) fn object_of_strings(text: &str) -> Result<Vec<(String, String)>, NotAnObject> {
    let mut reader = Reader { text, at: 0 };
    reader.blank();
    reader.expect('{', "{")?;
    let mut pairs = Vec::new();
    reader.blank();
    if !reader.take('}') {
        loop {
            reader.blank();
            let key = reader.string()?;
            reader.blank();
            reader.expect(':', ":")?;
            reader.blank();
            let value = reader.string()?;
            pairs.push((key, value));
            reader.blank();
            if reader.take('}') {
                break;
            }
            reader.expect(',', ", or }")?;
        }
    }
    reader.blank();
    if reader.at == text.len() {
        Ok(pairs)
    } else {
        Err(reader.fault("the end"))
    }
}

/// Appends a JSON string.
pub(super) fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn fault(&self, expected: &'static str) -> NotAnObject {
        NotAnObject {
            at: self.at,
            expected,
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn expect(&mut self, wanted: char, name: &'static str) -> Result<(), NotAnObject> {
        if self.take(wanted) {
            Ok(())
        } else {
            Err(self.fault(name))
        }
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn string(&mut self) -> Result<String, NotAnObject> {
        self.expect('"', "a string")?;
        let mut out = String::new();
        loop {
            let before = self.at;
            match self.next() {
                Some('"') => return Ok(out),
                Some('\\') => out.push(self.escape()?),
                Some(c) if c >= ' ' => out.push(c),
                _ => {
                    self.at = before;
                    return Err(self.fault("the rest of a string"));
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, NotAnObject> {
        let fault = self.fault("an escape");
        match self.next() {
            Some(c @ ('"' | '\\' | '/')) => Ok(c),
            Some('b') => Ok('\u{8}'),
            Some('f') => Ok('\u{c}'),
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('u') => {
                let first = self.four_digits()?;
                // A high surrogate is half a character: the low half must follow.
                let code = if (0xd800..0xdc00).contains(&first) {
                    if !(self.take('\\') && self.take('u')) {
                        return Err(fault);
                    }
                    let second = self.four_digits()?;
                    if !(0xdc00..0xe000).contains(&second) {
                        return Err(fault);
                    }
                    0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
                } else {
                    first
                };
                char::from_u32(code).ok_or(fault)
            }
            _ => Err(fault),
        }
    }

    fn four_digits(&mut self) -> Result<u32, NotAnObject> {
        let mut code = 0;
        for _ in 0..4 {
            let fault = self.fault("four hexadecimal digits");
            let digit = self.next().and_then(|c| c.to_digit(16)).ok_or(fault)?;
            code = code * 16 + digit;
        }
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_objects_of_strings_are_read() {
        let read = |text| object_of_strings(text).ok();
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(read("{}"), Some(vec![]));
        assert_eq!(
            read(" { \"a\" : \"\\u4e2d\\ud83d\\ude00\\n\" } "),
            Some(vec![pair("a", "中😀\n")])
        );
        assert_eq!(
            read("{\"a\":\"1\",\"a\":\"2\"}"),
            Some(vec![pair("a", "1"), pair("a", "2")])
        );
        for bad in [
            "",
            "{",
            "[]",
            "{\"a\":1}",
            "{\"a\":null}",
            "{\"a\":\"b\",}",
            "{\"a\":\"b\"}x",
            "{'a':'b'}",
            "{\"a\":\"\\ud83d\"}",
            "{\"a\":\"\\ude00\"}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\n\"}",
            "\u{feff}{}",
            "{\"a\":{}}",
            "{\"a\" \"b\"}",
            "{\"a\":\"b\" \"c\":\"d\"}",
            "{\"a\":\"\\u12\"}",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(text in "\\PC*|[\\x00-\\x7f]*") {
            let mut out = String::from("{");
            write_string(&mut out, &text);
            out.push(':');
            write_string(&mut out, &text);
            out.push('}');
            prop_assert_eq!(object_of_strings(&out), Ok(vec![(text.clone(), text)]));
        }

        #[test]
        fn any_text_is_answered(text in "[{}\\[\\]\":,\\\\u0-9a-f \u{4e2d}]*") {
            let _ = object_of_strings(&text);
        }
    }
}
