//! One POST to a target that others have named.

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HOST, HeaderMap, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use jiff::fmt::rfc2822::DateTimeParser;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::idle::Idle;
use super::names::{Lookups, SystemNames};
use super::shares::Shares;
use super::{Holder, Names, Reach, Target, Trust};

/// 64 KiB of an answer's body are read; who sends more has the connection closed.
const MAX_BODY_BYTES: usize = 64 << 10;
/// 2 s: the status is the answer, and a body that drips holds no place for longer.
const BODY_PATIENCE: Duration = Duration::from_secs(2);
/// A day: the longest that an answer can ask to wait.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(86_400);
/// 8 holders have to do with targets that never answer until no place is left for others.
const LEAST_HOLDERS: usize = 8;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// All its addresses are such as may not be spoken to.
    #[error("its address is private")]
    Private,
    /// Its name has no address.
    #[error("its name cannot be looked up")]
    Unresolved(#[source] std::io::Error),
    /// There is no connection.
    #[error("it cannot be reached")]
    Unreachable(#[source] std::io::Error),
    /// The certificate is not trusted, or it speaks no TLS.
    #[error("no TLS with it")]
    Tls(#[source] std::io::Error),
    /// Its name can be in no certificate.
    #[error("its name is none that a certificate can have")]
    Name,
    /// It speaks no HTTP, or hung up.
    #[error("no answer that can be read")]
    Http(#[source] hyper::Error),
    /// No answer came in time.
    #[error("no answer in time")]
    Slow,
}

impl OutboundError {
    /// The error and its cause, for one line of a log. Nothing of the URL is in it.
    pub fn line(&self) -> String {
        match self.source() {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}

/// What a target answered. A redirect is an answer like another: it is not followed.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// For how long it asks to be left alone, at most a day.
    pub retry_after: Option<Duration>,
    /// The beginning of the body, at most 64 KiB.
    pub body_start: Bytes,
}

/// Posts to targets that others have named. Clones share their connections and their bounds.
#[derive(Clone)]
pub struct Outbound(Arc<Shared>);

struct Shared {
    trust: Trust,
    reach: Reach,
    lookups: Lookups,
    /// One for each request in flight.
    places: Semaphore,
    of_holders: Shares<Holder>,
    idle: Idle,
}

impl Outbound {
    /// Makes one that has so many requests in flight at most, and asks the system for addresses.
    pub fn new(trust: Trust, reach: Reach, places: usize) -> Self {
        Self::asking(Box::new(SystemNames), trust, reach, places)
    }

    /// Likewise, and asks this for addresses.
    pub fn asking(names: Box<dyn Names>, trust: Trust, reach: Reach, places: usize) -> Self {
        Self(Arc::new(Shared {
            trust,
            reach,
            lookups: Lookups::by(names),
            places: Semaphore::new(places),
            of_holders: Shares::of(places / LEAST_HOLDERS),
            idle: Idle::default(),
        }))
    }

    /// Looks whether a target may be spoken to, as far as it can be known now.
    pub async fn look(
        &self,
        holder: Holder,
        target: &Target,
        patience: Duration,
    ) -> Result<(), OutboundError> {
        let looking = self.0.addresses(holder, target);
        let looking = timeout_at(Instant::now() + patience, looking);
        looking.await.unwrap_or(Err(OutboundError::Slow)).map(drop)
    }

    /// Posts a body. The time for all of it begins once fewer requests are in flight than may be,
    /// of all and of this holder.
    pub async fn post(
        &self,
        holder: Holder,
        target: &Target,
        headers: HeaderMap,
        body: Bytes,
        patience: Duration,
    ) -> Result<Answer, OutboundError> {
        let _own = self.0.of_holders.place(holder).await;
        let place = self.0.places.acquire().await;
        let _place = place.expect("the places are never closed");
        let deadline = Instant::now() + patience;
        let request = Sent {
            holder,
            target,
            headers,
            body,
        };
        let (connection, response) = timeout_at(deadline, self.0.exchange(&request))
            .await
            .unwrap_or(Err(OutboundError::Slow))?;
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let body_until = deadline.min(Instant::now() + BODY_PATIENCE);
        let (body_start, is_whole) = read(response, body_until).await;
        if is_whole {
            self.0.idle.keep(target, connection);
        }
        Ok(Answer {
            status,
            retry_after,
            body_start,
        })
    }
}

/// What is sent.
struct Sent<'a> {
    holder: Holder,
    target: &'a Target,
    headers: HeaderMap,
    body: Bytes,
}

impl Sent<'_> {
    fn request(&self) -> Result<Request<Full<Bytes>>, OutboundError> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = hyper::Method::POST;
        let target = self.target.path_and_query().parse();
        *request.uri_mut() = target.map_err(|_| OutboundError::Name)?;
        *request.headers_mut() = self.headers.clone();
        let host = HeaderValue::from_str(self.target.authority());
        let headers = request.headers_mut();
        headers.insert(HOST, host.map_err(|_| OutboundError::Name)?);
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("chatd/", env!("CARGO_PKG_VERSION"))),
        );
        Ok(request)
    }
}

impl Shared {
    /// The addresses of a target that may be spoken to. They are those that are connected to: a
    /// name that has others a moment later leads nowhere else.
    async fn addresses(
        &self,
        holder: Holder,
        target: &Target,
    ) -> Result<Vec<IpAddr>, OutboundError> {
        let found = match target.address() {
            Some(address) => vec![address],
            None => {
                let looking = self.lookups.look_up(holder, target.host());
                looking.await.map_err(OutboundError::Unresolved)?
            }
        };
        if found.is_empty() {
            let none = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(OutboundError::Unresolved(none));
        }
        let allowed: Vec<_> = found
            .into_iter()
            .filter(|address| self.reach.allows(*address))
            .collect();
        if allowed.is_empty() {
            return Err(OutboundError::Private);
        }
        Ok(allowed)
    }

    async fn exchange(
        &self,
        sent: &Sent<'_>,
    ) -> Result<(Connection, Response<Incoming>), OutboundError> {
        if let Some(mut connection) = self.idle.take(sent.target)
            && connection.sender.ready().await.is_ok()
        {
            // The other end may close a connection in the moment in which it is used again: then
            // the request goes out once more, by a new one.
            if let Ok(response) = connection.sender.send_request(sent.request()?).await {
                return Ok((connection, response));
            }
        }
        let addresses = self.addresses(sent.holder, sent.target).await?;
        let mut connection = Connection::open(&self.trust, sent.target, &addresses).await?;
        let response = connection.sender.send_request(sent.request()?).await;
        Ok((connection, response.map_err(OutboundError::Http)?))
    }
}

/// Returns the beginning of a body, and whether that is all of it.
async fn read(response: Response<Incoming>, until: Instant) -> (Bytes, bool) {
    let mut body = response.into_body();
    let mut start = Vec::new();
    let reading = async {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            let Some(data) = frame.data_ref() else {
                continue;
            };
            let fits = MAX_BODY_BYTES - start.len();
            start.extend_from_slice(&data[..data.len().min(fits)]);
            if data.len() > fits {
                return false;
            }
        }
        true
    };
    let is_whole = timeout_at(until, reading).await.unwrap_or(false);
    (start.into(), is_whole)
}

/// Returns what a `Retry-After` says, in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = DateTimeParser::new().parse_timestamp(text).ok()?;
            let wait = at.duration_since(jiff::Timestamp::now());
            Duration::try_from(wait).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}
