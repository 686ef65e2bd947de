//! A CONNECT: who the client is, whether there is room for one more socket, and which lost one it
//! would go on as.

use std::borrow::Cow;
use std::sync::Arc;

use super::door::Door;
use super::recovery::Recovery;
use super::resume::{Lost, resume, start};
use super::{Attendance, Expiry, Outbound};
use crate::accounts::{AccountError, Caller, Identity, bearer};
use crate::contract::{
    Capable, Code, ConnectError, Continued, FieldError, Fields, Refusal, Speaks,
};
use crate::hub::{self, ConnectRequest, Connecting, Handler, Socket};
use crate::limits::{Key, Kind};
use crate::model::{Timestamp, UserId};
use crate::transport::CloseReason;
use crate::verbs::Verbs;

/// 1,000 sockets of one person, as many as sessions of one address: each message to them goes to
/// every one.
const MAX_SOCKETS: usize = 1_000;
/// 1 s: when to try again where too many sockets of one person are being resumed.
const RESUMING_RETRY_MS: u64 = 1_000;

/// Decides who may chat, and hears them.
pub struct Inbound {
    door: Arc<Door>,
}

impl Inbound {
    /// Returns the door to these verbs. At most `most_lost` sockets that were lost are remembered.
    pub fn new(
        verbs: Verbs,
        attendance: Arc<Attendance>,
        expiry: Arc<Expiry>,
        outbound: Arc<Outbound>,
        most_lost: usize,
    ) -> Self {
        let recovery = Recovery::new((verbs.clock)(), verbs.chat.recovery_window(), most_lost);
        let door = Door {
            verbs,
            attendance,
            expiry,
            outbound,
            recovery,
            turns: Arc::default(),
        };
        Self {
            door: Arc::new(door),
        }
    }
}

impl Handler for Inbound {
    fn connect(&self, socket: &Socket, request: ConnectRequest<'_>) -> Connecting {
        let now = (self.door.verbs.clock)();
        let fields = match request.auth.map(|auth| Fields::parse(auth.get())) {
            // Its token may be among what is not kept: that there is none cannot be said.
            Some(Err(error @ FieldError::TooManyKeys)) => {
                let refusal = Refusal::new(Code::InvalidToken, error.to_string());
                return Connecting::Done(Err(refused(&self.door, refusal)));
            }
            fields => fields.and_then(Result::ok).unwrap_or_default(),
        };
        // A token that is no string is none of ours.
        let token = match fields.optional::<Cow<'_, str>>("token") {
            Ok(token) => token.filter(|token| !token.is_empty()),
            Err(_) => {
                return Connecting::Done(Err(refused(
                    &self.door,
                    AccountError::InvalidToken.into(),
                )));
            }
        };
        let bearer = request.authorization.and_then(bearer);
        let token = token
            .as_deref()
            .or(bearer.filter(|token| !token.is_empty()));
        let capable = Capable::read(&fields).ok().and_then(|said| said.cursor);
        if !capable.unwrap_or(request.library.takes_further_arguments()) {
            socket.make_plain();
        }
        if let Ok(Speaks { v: Some(version) }) = Speaks::read(&fields) {
            socket.speak(version.number());
        }
        let continued = Continued::read(&fields).ok();
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let (pid, offset) = continued.map_or((None, None), |continued| {
            (owned(continued.pid), owned(continued.offset))
        });
        let admission = Admission {
            door: Arc::clone(&self.door),
            socket: socket.clone(),
            now,
            pid,
            offset,
        };
        match self.door.verbs.accounts.recognize(now, token) {
            Some(identity) => admission.of(identity),
            None => {
                let token = token.unwrap_or_default().to_owned();
                Connecting::Later(Box::pin(async move {
                    let accounts = &admission.door.verbs.accounts;
                    let identity = accounts.examine(now, token).await;
                    admission.of(identity).decided().await
                }))
            }
        }
    }
}

/// A CONNECT that is being decided.
struct Admission {
    door: Arc<Door>,
    socket: Socket,
    now: Timestamp,
    /// The private id of the socket that it would go on as, if any.
    pid: Option<String>,
    /// The cursor of the last event that its client had.
    offset: Option<String>,
}

impl Admission {
    /// Decides, now that it is known who this is, or why that cannot be said.
    fn of(self, identity: Result<Identity, AccountError>) -> Connecting {
        match identity {
            Ok(Identity::Known(caller)) => self.of_caller(caller),
            Ok(Identity::New(newcomer)) => {
                let (door, now) = (Arc::clone(&self.door), self.now);
                Connecting::Later(Box::pin(async move {
                    match door.verbs.accounts.admit(now, newcomer).await {
                        Ok(caller) => self.of_caller(caller).decided().await,
                        Err(error) => Err(refused(&door, error.into())),
                    }
                }))
            }
            Err(error @ AccountError::Busy) => self.put_off(error.into()),
            Err(error) => Connecting::Done(Err(refused(&self.door, error.into()))),
        }
    }

    fn of_caller(self, caller: Caller) -> Connecting {
        let user = caller.user.id;
        let verbs = &self.door.verbs;
        if let Err(limited) = verbs.limits.check(Kind::Connections, Key::User(user)) {
            return self.put_off(limited.into());
        }
        if verbs.chat.presence().sockets(user) >= MAX_SOCKETS {
            let message = format!("{MAX_SOCKETS} sockets of yours are open already");
            let refusal = Refusal::new(Code::RateLimited, message);
            return Connecting::Done(Err(refused(&self.door, refusal)));
        }
        let turn = self.pid.as_ref().map(|_| self.door.turns.begin(user));
        if let Some(None) = turn {
            let message = "too many sockets of yours come back at once, try again later";
            return self.put_off(Refusal::later(message, RESUMING_RETRY_MS));
        }
        match self.lost(user) {
            None => {
                if self.pid.is_some() {
                    verbs.metrics.events.came_back(false);
                }
                Connecting::Done(Ok(Box::new(start(self.door, self.socket, &caller))))
            }
            Some(lost) => Connecting::Later(Box::pin(async move {
                let resumed = resume(self.door, self.socket, &caller, lost).await;
                drop(turn);
                Ok(resumed)
            })),
        }
    }

    /// Closes the session in place of a refusal: after that, a stock client would not come back by
    /// itself.
    fn put_off(&self, refusal: Refusal) -> Connecting {
        self.door.count(&refusal);
        self.socket.close(CloseReason::ForcedClose);
        Connecting::Done(Err(hub::Refusal {
            message: refusal.message.into_owned(),
            data: None,
        }))
    }

    /// Returns the lost socket that the client asks to go on as, if it may.
    fn lost(&self, user: UserId) -> Option<Lost> {
        if self.socket.is_plain() {
            return None;
        }
        let (pid, offset) = (self.pid.as_deref()?, self.offset.as_deref());
        Lost::find(&self.door, self.now, &self.socket, user, pid, offset)
    }
}

/// Returns a refusal as a CONNECT_ERROR carries it.
fn refused(door: &Door, refusal: Refusal) -> hub::Refusal {
    door.count(&refusal);
    let ConnectError { message, data } = refusal.into();
    hub::Refusal {
        message,
        data: serde_json::to_value(data).ok(),
    }
}
