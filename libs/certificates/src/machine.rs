//! Names of machines in certificates: which services of a platform a certificate speaks for.
//! Reads names only; that a chain ends in the right authority is checked where the connection is made.

use x509_parser::{certificate::X509Certificate, extensions::GeneralName, prelude::FromDer};

/// Under which each service has its name, such as `bid.sunbid.internal`: a name between services, the
/// same wherever they run. `.internal` is reserved for private use and never resolves in public.
const DOMAIN: &str = "sunbid.internal";

/// The name of a service in its certificate.
pub fn service_name(service: &str) -> String {
    format!("{service}.{DOMAIN}")
}

/// The services that a certificate, DER, is made out to. Wildcards speak for none.
pub fn services(certificate: &[u8]) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
        return Vec::new();
    };
    let Ok(Some(names)) = parsed.subject_alternative_name() else {
        return Vec::new();
    };
    let service = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => {
            let (service, domain) = name.split_once('.')?;
            let named = domain == DOMAIN
                && !service.is_empty()
                && service.bytes().all(|byte| byte.is_ascii_lowercase());
            named.then(|| service.to_owned())
        }
        _ => None,
    };
    names
        .value
        .general_names
        .iter()
        .filter_map(service)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::TrialAuthority;
    use sunbid_terms::Instant;

    #[test]
    fn a_certificate_speaks_for_the_services_in_it_and_no_others() {
        let until = Instant::from_seconds(4_000_000_000);
        let from = Instant::from_seconds(0);
        let authority = TrialAuthority::new("platform", from, until).unwrap();
        let names = [
            service_name("bid"),
            "*.sunbid.internal".into(),
            "bid.sunbid.internal.example.com".into(),
            "a.audit.sunbid.internal".into(),
            "localhost".into(),
            "127.0.0.1".into(),
        ];
        let issued = authority.issue_machine("bid", &names, from, until).unwrap();
        assert_eq!(services(&issued.certificate), ["bid"]);
        let certificate = authority.certificate();
        assert_eq!(services(certificate), Vec::<String>::new());
        assert_eq!(services(b"rubbish"), Vec::<String>::new());
    }
}
