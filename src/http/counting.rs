//! What requests and their answers cost, counted for people and addresses.

use std::net::IpAddr;

use hyper::body::Body as _;
use hyper::{Request, Response};
use serde::Serialize;

use super::answer;
use super::app::App;
use super::error::ApiError;
use super::request;
use crate::budget::{ANSWERS_OF_A_PERSON, ANSWERS_OF_AN_ADDRESS, Owner, UNCOUNTED_ANSWER};
use crate::limits::{BYTES_A_COUNT, Key, Kind};
use crate::model::UserId;
use crate::web::{self, Body, RequestBody};

impl App {
    /// Counts an answer until its last byte is written, for the person who asked and for the
    /// address, and refuses it where they, or all together, leave too many unread. One that is
    /// counted is not counted again.
    pub(super) fn count(
        &self,
        response: Response<Body>,
        person: Option<UserId>,
        address: IpAddr,
    ) -> Result<Response<Body>, ApiError> {
        let bytes = match response.body() {
            Body::Whole(bytes) if bytes.len() > UNCOUNTED_ANSWER => bytes.clone(),
            _ => return Ok(response),
        };
        let person = person.map(|person| (Owner::Person(person.get()), ANSWERS_OF_A_PERSON));
        let address =
            web::counted(address).map(|address| (Owner::Address(address), ANSWERS_OF_AN_ADDRESS));
        let mut portion = self.answers.portion(person.into_iter().chain(address));
        if !portion.grow(bytes.len()) {
            self.metrics.connections.refused_answers.inc();
            return Err(ApiError::crowded());
        }
        Ok(response.map(|_| Body::counted(bytes, portion)))
    }

    /// A page of rows for a person: counted, and refused where they leave too many unread.
    pub(super) fn page<T: Serialize, M: Serialize>(
        &self,
        request: &Request<RequestBody>,
        person: UserId,
        rows: T,
        meta: M,
    ) -> Result<Response<Body>, ApiError> {
        let response = answer::rows(rows, meta);
        let more = response.body().size_hint().lower() / BYTES_A_COUNT as u64;
        let more = usize::try_from(more).unwrap_or(usize::MAX);
        self.limits.charge(Kind::Requests, Key::User(person), more);
        match request::sender(request) {
            Some(sender) => self.count(response, Some(person), sender.address),
            None => Ok(response),
        }
    }

    /// Counts one of this kind for an address, unless it is too much. This machine's own is not
    /// counted.
    pub(super) fn allow(&self, kind: Kind, address: IpAddr) -> Result<(), ApiError> {
        match web::counted(address) {
            Some(address) => Ok(self.limits.check(kind, Key::Address(address))?),
            None => Ok(()),
        }
    }
}
