//! The public URL: its name, its port, its TLS, and single requests of it.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::verifier::Verifier;
use crate::cli::failure::{chain, without_logins};
use crate::web::PublicUrl;

/// The most time that anything may take that is not meant to wait.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
/// More than any answer that is asked for here.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// A connection, by TLS or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The address at which people reach the server.
#[derive(Clone)]
pub(super) struct Site {
    /// `chat.example.org`, `127.0.0.1` or `::1`.
    pub(super) host: String,
    port: u16,
    /// As the `Host` header has it.
    pub(super) authority: String,
    /// Below which the server is reached: `/chat`, or nothing.
    pub(super) path: String,
    tls: Option<Arc<ClientConfig>>,
}

impl fmt::Display for Site {
    /// The URL by which people come, without a slash at its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

/// An open connection.
pub(super) struct Connected {
    pub(super) stream: Box<dyn Stream>,
    /// Its end here.
    pub(super) local: Option<SocketAddr>,
    /// The moment, in seconds since 1970, at which the certificate ends.
    pub(super) certificate_ends: Option<i64>,
}

impl Site {
    /// Reads a URL; `ca` is a file of certificates that are trusted beside the public authorities'.
    pub(super) fn parse(url: &str, ca: Option<&Path>) -> Result<Self, String> {
        let wrong = || {
            let url = without_logins(url);
            format!("{url}: give the URL by which people come, such as https://chat.example.org")
        };
        let public: PublicUrl = url.parse().map_err(|_| wrong())?;
        let uri: Uri = public.to_string().parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let tls = uri.scheme_str() == Some("https");
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(Self {
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            path: uri.path().trim_end_matches('/').to_owned(),
            tls: tls.then(|| client_config(ca)).transpose()?,
            host,
        })
    }

    /// Returns whether TLS is spoken.
    pub(super) fn is_https(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns what a browser calls pages from here.
    pub(super) fn origin(&self) -> String {
        let scheme = if self.is_https() { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// Connects, and speaks TLS where that is due.
    pub(super) async fn connect(&self) -> Result<Connected, String> {
        within(PATIENCE, self.try_connect())
            .await
            .unwrap_or_else(|| {
                Err(format!(
                    "nothing answers at {} port {}: a firewall drops it, or the name leads elsewhere",
                    self.host, self.port
                ))
            })
    }

    async fn try_connect(&self) -> Result<Connected, String> {
        let addresses = tokio::net::lookup_host((self.host.as_str(), self.port)).await;
        let addresses: Vec<SocketAddr> = addresses
            .map_err(|error| {
                format!(
                    "the name {} is not known: make its A and AAAA records ({error})",
                    self.host
                )
            })?
            .collect();
        let stream = TcpStream::connect(&addresses[..]).await.map_err(|error| {
            let at: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
            format!(
                "nothing listens at {}: start the proxy or chatd there, or mend the name's records ({error})",
                at.join(", ")
            )
        })?;
        let local = stream.local_addr().ok();
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return Ok(Connected {
                stream: Box::new(stream),
                local,
                certificate_ends: None,
            });
        };
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| format!("{} is no name that a certificate can have", self.host))?;
        let connector = TlsConnector::from(Arc::clone(tls));
        let stream = connector
            .connect(name, stream)
            .await
            .map_err(|error| tls_trouble(&self.host, &error))?;
        let certificates = stream.get_ref().1.peer_certificates();
        let certificate_ends = certificates.and_then(|all| ends(all.first()?));
        Ok(Connected {
            stream: Box::new(stream),
            local,
            certificate_ends,
        })
    }

    /// Sends one request for a path below the site's own on a connection of its own, and gives the
    /// whole answer.
    pub(super) async fn request(
        &self,
        request: hyper::http::request::Builder,
        body: impl Into<Bytes>,
        patience: Duration,
    ) -> Result<Response<Bytes>, String> {
        let connected = self.connect().await?;
        self.request_on(connected, request, body, patience).await
    }

    /// The same on this connection.
    pub(super) async fn request_on(
        &self,
        connected: Connected,
        request: hyper::http::request::Builder,
        body: impl Into<Bytes>,
        patience: Duration,
    ) -> Result<Response<Bytes>, String> {
        let mut request: Request<Full<Bytes>> = request
            .header(HOST, &self.authority)
            .header(
                "user-agent",
                concat!("chatd-doctor/", env!("CARGO_PKG_VERSION")),
            )
            .body(Full::new(body.into()))
            .map_err(|error| chain(&error))?;
        let below = format!("{}{}", self.path, request.uri());
        *request.uri_mut() = below.parse().map_err(|_| format!("no path: {below}"))?;
        let answering = async {
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(connected.stream))
                    .await
                    .map_err(|error| chain(&error))?;
            let _connection = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(connection));
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| chain(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES)
                .collect()
                .await
                .map_err(|error| error.to_string())?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        within(patience, answering)
            .await
            .unwrap_or_else(|| Err(format!("no answer within {} s", patience.as_secs())))
    }
}

/// Returns what came in time.
pub(super) async fn within<T>(patience: Duration, what: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(patience, what).await.ok()
}

/// Trusts whom browsers trust, and `ca`.
fn client_config(ca: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let mut given = Vec::new();
    if let Some(path) = ca {
        let failed =
            |error: &dyn std::error::Error| format!("--ca {}: {}", path.display(), chain(error));
        let pem = std::fs::read(path).map_err(|error| failed(&error))?;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| failed(&error))?;
            roots
                .add(certificate.clone())
                .map_err(|error| failed(&error))?;
            given.push(certificate);
        }
        if given.is_empty() {
            return Err(format!(
                "--ca {}: there is no certificate in it: give a PEM file",
                path.display()
            ));
        }
    }
    let provider = Arc::new(ring::default_provider());
    let usual = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| chain(&error))?;
    let verifier = Arc::new(Verifier { usual, given });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| chain(&error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Returns when a certificate ends.
fn ends(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(certificate.validity().not_after.timestamp())
}

/// Returns why TLS failed, and what to do.
fn tls_trouble(host: &str, error: &std::io::Error) -> String {
    let cause = error
        .get_ref()
        .and_then(|error| error.downcast_ref::<rustls::Error>());
    let advice = match cause {
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate has expired: renew it, and see why that did not happen by itself"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet: one of the two clocks is wrong"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the certificate is for another name: get one whose subjectAltName is this one"
            }
            CertificateError::UnknownIssuer => {
                "nobody knows who made the certificate: serve the whole chain (fullchain.pem), or give a private authority's by --ca"
            }
            _ => {
                "browsers refuse the certificate: get another, or give it by --ca where the site made it for itself"
            }
        },
        Some(rustls::Error::InvalidMessage(_)) => {
            "that is no TLS: the port speaks plain HTTP; mend the proxy's listener, or give an http:// URL"
        }
        _ => "TLS cannot be agreed on: allow TLS 1.2 and 1.3",
    };
    format!("{host}: {advice} ({error})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_site_at_its_root_or_below_a_path() {
        for (url, authority, host, port, origin) in [
            (
                "https://chat.example.org",
                "chat.example.org",
                "chat.example.org",
                443,
                "https://chat.example.org",
            ),
            (
                "http://127.0.0.1:8080/",
                "127.0.0.1:8080",
                "127.0.0.1",
                8080,
                "http://127.0.0.1:8080",
            ),
            ("http://[::1]:81", "[::1]:81", "::1", 81, "http://[::1]:81"),
            (
                "HTTPS://Chat.Example.org:443/talk/",
                "chat.example.org",
                "chat.example.org",
                443,
                "https://chat.example.org",
            ),
        ] {
            let site = Site::parse(url, None).unwrap();
            assert_eq!(
                (&*site.authority, &*site.host, site.port),
                (authority, host, port)
            );
            assert_eq!(site.origin(), origin);
            assert_eq!(site.path, if url.contains("talk") { "/talk" } else { "" });
        }
        for (url, words) in [
            ("chat.example.org", "give the URL"),
            ("ftp://x", "give the URL"),
            ("https://user:secret@x", "give the URL"),
            ("https://example.org/chat?a=b", "give the URL"),
        ] {
            let Err(error) = Site::parse(url, None) else {
                panic!("{url}")
            };
            assert!(
                error.contains(words) && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
