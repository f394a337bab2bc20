//! Where callers come from, as far as it is counted: callers who have not signed in are told apart by
//! nothing else. Behind a front door its word is taken, if its certificate shows that it is the front
//! door; nobody else's.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, header::HeaderName};

use crate::{connections::Admission, tls::ShownServices};

/// Header in which a front door says where a call came from.
const HEADER: HeaderName = HeaderName::from_static("sunbid-caller-address");

/// What the certificate of a front door is made out to.
pub const FRONT: &str = "front";

/// The address as one caller has it: of IPv6 the first half, the rest of which a caller chooses.
pub fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

/// Where a request came from; nothing where that cannot be known, such as behind a proxy.
pub fn of(
    headers: &HeaderMap,
    admission: Option<&Admission>,
    shown: Option<&ShownServices>,
) -> Option<IpAddr> {
    let said = shown
        .filter(|shown| shown.include(FRONT))
        .and_then(|_| headers.get(HEADER)?.to_str().ok()?.parse().ok());
    said.or_else(|| admission?.address).map(household)
}

/// Says where a call came from to the service that it is sent on to, whatever the caller said.
pub fn put(headers: &mut HeaderMap, admission: Option<&Admission>) {
    headers.remove(HEADER);
    let value = admission
        .and_then(|admission| admission.address)
        .and_then(|address| HeaderValue::from_str(&household(address).to_string()).ok());
    if let Some(value) = value {
        headers.insert(HEADER, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Admission {
        Admission {
            admitted: true,
            address: Some(address.parse().unwrap()),
        }
    }

    #[test]
    fn only_a_front_door_speaks_for_others() {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_static("192.0.2.9"));
        let here = at("192.0.2.1");
        let front = ShownServices::of(&["front"]);
        let bid = ShownServices::of(&["bid"]);
        let said: Option<IpAddr> = "192.0.2.9".parse().ok();
        assert_eq!(of(&headers, Some(&here), Some(&front)), said);
        for shown in [None, Some(&bid), Some(&ShownServices::default())] {
            assert_eq!(of(&headers, Some(&here), shown), here.address);
        }
        put(&mut headers, Some(&at("192.0.2.7")));
        assert_eq!(headers[HEADER], "192.0.2.7");
        put(&mut headers, None);
        assert!(headers.is_empty());
        assert_eq!(of(&headers, None, Some(&front)), None);
    }

    #[test]
    fn a_household_is_one() {
        let one = household("2001:db8::1".parse().unwrap());
        assert_eq!(one, household("2001:db8::ffff".parse().unwrap()));
        assert_ne!(one, household("2001:db8:0:1::1".parse().unwrap()));
        let mapped = household("::ffff:192.0.2.2".parse().unwrap());
        assert_eq!(mapped, household("192.0.2.2".parse().unwrap()));
    }
}
