//! What a process shows at its port, and by which ways it reaches the services: chosen from the settings and
//! from what the process serves, so that nothing unencrypted is ever reachable from the network.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

use sunbid_service::{
    limits::inner_windows,
    peers::Roads,
    tls::{Face, Files, Passport},
};
use tonic::transport::Endpoint;

use crate::{
    config::{Config, ConfigFault, FILE},
    serve::{Part, SERVICES, ServeError},
};

/// Where a process with all services calls itself when its port is encrypted.
pub const INNER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The doors of a process.
pub struct Doors {
    /// What callers see; nothing: the port is not encrypted.
    pub face: Option<Arc<Face>>,
    passport: Option<Passport>,
    part: Part,
}

impl Doors {
    /// Reads the certificates that `part` needs from the folder `data`.
    pub fn open(data: &Path, config: &Config, part: &Part) -> Result<Self, ServeError> {
        let mutual = config.mutual.as_ref().map(|mutual| {
            let files = Files {
                certificate: data.join(&mutual.certificate),
                key: data.join(&mutual.key),
            };
            (files, data.join(&mutual.authority))
        });
        let face = match (part, &mutual, &config.tls) {
            (Part::Apart(_), Some((files, authority)), _) => {
                Some(Face::open(files.clone(), Some(authority.clone()))?)
            }
            (Part::Whole | Part::Front, _, Some(tls)) => {
                let files = Files {
                    certificate: data.join(&tls.certificate),
                    key: data.join(&tls.key),
                };
                Some(Face::open(files, None)?)
            }
            _ => None,
        };
        if *part != Part::Whole && mutual.is_none() {
            return Err(ServeError::Missing {
                missing: "[mutual]".to_owned(),
                why: "processes that run apart show each other certificates",
            });
        }
        if face.is_none() && !config.listen.ip().is_loopback() && !config.behind_tls_proxy {
            return Err(ConfigFault::OpenToTheNetwork {
                path: data.join(FILE),
                listen: config.listen,
            }
            .into());
        }
        let passport = match (part, &mutual) {
            (Part::Apart(_) | Part::Front, Some((files, authority))) => {
                Some(Passport::open(files, authority)?)
            }
            _ => None,
        };
        Ok(Self {
            face: face.map(Arc::new),
            passport,
            part: part.clone(),
        })
    }

    /// The ways to all services; those of this process are at `own`.
    pub fn roads(&self, config: &Config, own: SocketAddr) -> Result<Arc<Roads>, ServeError> {
        let Some(passport) = &self.passport else {
            let endpoint = Endpoint::from_shared(format!("http://{}", reachable(own)))?;
            let endpoint = inner_windows(endpoint).tcp_nodelay(true);
            return Ok(Arc::new(Roads::one(&endpoint)));
        };
        let mut roads: Option<Roads> = None;
        for service in SERVICES {
            let here = self.part.services().contains(&service);
            let address = match config.peers.get(service) {
                _ if here => reachable(own).to_string(),
                Some(address) => address.clone(),
                None => {
                    return Err(ServeError::Missing {
                        missing: format!("peers.{service}"),
                        why: "services find each other by their addresses",
                    });
                }
            };
            let endpoint = passport.endpoint(service, &address)?;
            roads = Some(match roads {
                None => Roads::one(&endpoint).and(service, &endpoint),
                Some(roads) => roads.and(service, &endpoint),
            });
        }
        roads.map(Arc::new).ok_or(ServeError::Missing {
            missing: "peers".to_owned(),
            why: "there are no services",
        })
    }
}

/// Where a process reaches itself when it serves on every address of its host.
const fn reachable(own: SocketAddr) -> SocketAddr {
    let ip = match own.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, own.port())
}
