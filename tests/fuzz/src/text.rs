//! Texts that callers and people write: names of resources, tokens, page tokens, codes, amounts,
//! times, languages, limits of time, and the opening sheet's JSON.

use sunbid_contracts::tender::v1::{SheetField, SheetFieldType};
use sunbid_domain::{deposit::VirtualAccount, opening::sheet, registry};
use sunbid_proofs::{CommandId, LogId};
use sunbid_rules::Jurisdiction;
use sunbid_service::{
    Language, deadline, names,
    page::{self, Pages},
    token::Unchecked,
};
use sunbid_terms::{CreditCode, DealCode, Fen, Instant};

use crate::{canonical, chosen};

pub fn run(bytes: &[u8]) {
    chosen(
        bytes,
        &[
            resource,
            access_token,
            page_token,
            credit_code,
            deal_code,
            amount,
            moment,
            headers,
            opening_sheet,
            identifiers,
        ],
    );
}

fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}

fn resource(bytes: &[u8]) {
    let Some(name) = text(bytes) else { return };
    if names::check_tender(name, "name").is_ok() {
        assert_eq!(name.len(), "tenders/".len() + 36);
    }
    for collection in ["intents", "notices", "questions"] {
        let _ = names::check(collection, name, "name");
    }
    if let Ok(code) = names::check_organization(name, "name") {
        canonical(bytes, registry::organization_name(&code).as_bytes());
    }
    if let Some(organization) = registry::organization_of(name) {
        assert!(name.starts_with(organization));
    }
    let _ = names::check_request_id(name);
    if let Ok(place) = Jurisdiction::parse(name) {
        canonical(bytes, place.as_str().as_bytes());
    }
}

fn access_token(bytes: &[u8]) {
    let Some(token) = text(bytes) else { return };
    if let Ok(unchecked) = Unchecked::parse(token) {
        let _ = unchecked.said_subject();
        assert!(
            unchecked
                .signed_by(&[vec![7; 32]], "platform.example")
                .is_err(),
            "a token was forged"
        );
    }
}

/// A filter after its length in a byte, then a token; and the filter's own token, which must be good
/// for it and for no other.
fn page_token(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first() else {
        return;
    };
    let (filter, token) = rest.split_at(rest.len().min(usize::from(*length)));
    let (Some(filter), Some(token)) = (text(filter), text(token)) else {
        return;
    };
    let pages = Pages::new(&[9; 32]);
    match pages.position(filter, token) {
        Ok(None) => assert!(token.is_empty()),
        Ok(Some(_)) => unreachable!("a page token was forged"),
        Err(_) => {}
    }
    let own = pages.token(filter, token.as_bytes());
    assert_eq!(
        pages.position(filter, &own),
        Ok(Some(token.as_bytes().to_vec()))
    );
    assert!(pages.position(&format!("{filter}."), &own).is_err());
    if let Some(size) = bytes.first_chunk::<4>() {
        assert!((1..=200).contains(&page::size(i32::from_be_bytes(*size))));
    }
}

fn credit_code(bytes: &[u8]) {
    let Some(code) = text(bytes) else { return };
    if let Ok(parsed) = CreditCode::parse(code) {
        canonical(bytes, parsed.as_str().as_bytes());
        let first: String = code.chars().take(17).collect();
        assert_eq!(CreditCode::complete(&first), Ok(parsed));
    }
    let _ = CreditCode::complete(code);
}

fn deal_code(bytes: &[u8]) {
    let Some(code) = text(bytes) else { return };
    if let Ok(parsed) = DealCode::parse(code) {
        canonical(bytes, parsed.as_str().as_bytes());
    }
    if let Some(account) = VirtualAccount::parse(code) {
        canonical(bytes, account.as_str().as_bytes());
    }
}

fn amount(bytes: &[u8]) {
    if let Some(number) = bytes.first_chunk::<8>() {
        let fen = Fen::new(i64::from_be_bytes(*number));
        let _ = (fen.to_string(), fen.chinese_capital());
        let _ = fen.share(i64::from_be_bytes(*number), 100);
    }
    let Some(amount) = text(bytes) else { return };
    if let Ok(fen) = Fen::parse_yuan(amount) {
        let _ = fen.chinese_capital();
        assert_eq!(Fen::parse_yuan(&fen.to_string()), Ok(fen));
    }
}

fn moment(bytes: &[u8]) {
    if let Some(number) = bytes.first_chunk::<8>() {
        let at = Instant::from_micros(i64::from_be_bytes(*number));
        let _ = (at.in_china().to_rfc3339(), at.china_date(), at.to_string());
        let _ = at.plus_seconds(i64::from_le_bytes(*number));
    }
    let Some(moment) = text(bytes) else { return };
    if let Some(at) = Instant::parse(moment) {
        let _ = (at.in_china().to_rfc3339(), at.to_string());
    }
}

fn headers(bytes: &[u8]) {
    let Ok(value) = http::HeaderValue::from_bytes(bytes) else {
        return;
    };
    let mut headers = http::HeaderMap::new();
    headers.insert("accept-language", value.clone());
    headers.insert("grpc-timeout", value);
    let _ = Language::of_headers(&headers);
    if let Some(time) = deadline::of(&headers) {
        // What is passed on to another service is never more time than was given.
        deadline::put(&mut headers, time);
        assert!(deadline::of(&headers).is_some_and(|passed| passed <= time));
    }
}

fn opening_sheet(bytes: &[u8]) {
    let field = |key: &str, kind: SheetFieldType, required: bool| SheetField {
        key: key.to_owned(),
        r#type: kind as i32,
        required,
        ..SheetField::default()
    };
    let fields: Vec<SheetField> = [
        SheetFieldType::Amount,
        SheetFieldType::Days,
        SheetFieldType::Text,
        SheetFieldType::Unspecified,
    ]
    .into_iter()
    .enumerate()
    .map(|(at, kind)| field(&format!("k{at}"), kind, at == 0))
    .collect();
    let Ok(values) = sheet::parse(bytes, &fields) else {
        return;
    };
    // Written again it says the same.
    let pairs: Vec<(String, String)> = values
        .iter()
        .map(|value| (value.key.clone(), value.value.clone()))
        .collect();
    let written = sheet::write(&pairs, &fields).expect("what was read can be written");
    let again = sheet::parse(&written, &fields).expect("what was written can be read");
    assert!(again == values, "a sheet reads back as another");
}

fn identifiers(bytes: &[u8]) {
    if let Some(log) = LogId::from_slice(bytes) {
        canonical(bytes, log.as_bytes());
    }
    if let Some(command) = CommandId::from_slice(bytes) {
        canonical(bytes, command.as_bytes());
    }
}
