//! One event to many sockets: encoded once in each of its forms, and shared.

use std::ops::RangeInclusive;

use serde::Serialize;
use smallvec::SmallVec;

use super::encode;
use super::members::Members;
use super::namespace::{Group, Namespace, revalidate};
use super::socket::SocketKey;
use crate::transport::Frame;

/// An event in both of its forms: with further arguments, and with the plain ones. All who are told
/// share them.
pub struct Encoded {
    further: Frame,
    plain: Frame,
}

impl Encoded {
    /// Encodes an event of a namespace; arguments as for [`Broadcast::emit_further`].
    pub(super) fn new<F, P>(
        namespace: &str,
        name: &str,
        further: &F,
        plain: &P,
    ) -> Result<Self, serde_json::Error>
    where
        F: Serialize + ?Sized,
        P: Serialize + ?Sized,
    {
        Ok(Self {
            further: encode::event(namespace, name, further, None, 0)?,
            plain: encode::event(namespace, name, plain, None, 0)?,
        })
    }
}

/// An event that is told to some sockets now and to others later.
pub struct Prepared {
    /// The event.
    pub encoded: Encoded,
    /// Its place in the application's order.
    pub sequence: u64,
    /// A socket that does not hear it.
    pub except: Option<SocketKey>,
}

impl Prepared {
    /// Returns how many bytes it takes in an outbox, in its longer form.
    pub fn cost(&self) -> usize {
        self.encoded.further.cost()
    }
}

/// The sockets of some groups, to be told something.
pub struct Broadcast<'a> {
    namespace: &'a Namespace,
    groups: SmallVec<[Group; 2]>,
    except: Option<SocketKey>,
    sequence: Option<u64>,
    versions: RangeInclusive<u8>,
}

impl<'a> Broadcast<'a> {
    pub(super) fn new(namespace: &'a Namespace, groups: SmallVec<[Group; 2]>) -> Self {
        Self {
            namespace,
            groups,
            except: None,
            sequence: None,
            versions: 0..=u8::MAX,
        }
    }

    /// Leaves one socket out.
    pub fn except(mut self, socket: Option<SocketKey>) -> Self {
        self.except = socket;
        self
    }

    /// Gives what is told its place in an order of the application's: a socket that is being
    /// resumed may have been told of it already. See `Socket::release`.
    pub fn sequenced(mut self, sequence: u64) -> Self {
        self.sequence = Some(sequence);
        self
    }

    /// Leaves out the sockets that speak another version of the application's protocol.
    pub fn versions(mut self, versions: RangeInclusive<u8>) -> Self {
        self.versions = versions;
        self
    }

    /// Has the handler of each put it out if it may no longer stay. They are called from another
    /// task.
    pub fn revalidate(self) {
        let sockets = {
            let groups = self.namespace.groups();
            let members = self.groups.iter().filter_map(|group| groups.get(group));
            let sockets = members.flat_map(Members::iter);
            let others = sockets.filter(|socket| Some(socket.key()) != self.except);
            others.cloned().collect()
        };
        revalidate(sockets);
    }

    /// Emits an event to each: encoded once, and not at all where no socket is there. `args` is
    /// written as a JSON array, so a tuple, an array or a slice.
    pub fn emit<A: Serialize + ?Sized>(self, name: &str, args: &A) {
        self.emit_forms(name, args, None::<&A>);
    }

    /// Emits an event to each: with `further` arguments, and with `plain` ones to sockets that take
    /// no more. Each form is encoded at most once.
    pub fn emit_further<F, P>(self, name: &str, further: &F, plain: &P)
    where
        F: Serialize + ?Sized,
        P: Serialize + ?Sized,
    {
        self.emit_forms(name, further, Some(plain));
    }

    /// Sends events to each, in this order, that were encoded before, since not all who hear them
    /// are told at once. Each of them says what [`Broadcast::except`] and [`Broadcast::sequenced`]
    /// do.
    pub fn send<'e>(self, events: impl Iterator<Item = &'e Prepared> + Clone) {
        let groups = self.namespace.groups();
        let members = self.groups.iter().filter_map(|group| groups.get(group));
        let sockets = members
            .flat_map(Members::iter)
            .filter(|socket| self.versions.contains(&socket.version()));
        for socket in sockets {
            let theirs = events
                .clone()
                .filter(|event| event.except != Some(socket.key()));
            socket.hear_all(theirs.map(|event| {
                let frame = match socket.is_plain() {
                    true => &event.encoded.plain,
                    false => &event.encoded.further,
                };
                (event.sequence, frame.clone())
            }));
        }
    }

    fn emit_forms<F, P>(self, name: &str, further: &F, plain: Option<&P>)
    where
        F: Serialize + ?Sized,
        P: Serialize + ?Sized,
    {
        let groups = self.namespace.groups();
        let members = self.groups.iter().filter_map(|group| groups.get(group));
        let mut sockets = members
            .flat_map(Members::iter)
            .filter(|socket| Some(socket.key()) != self.except)
            .filter(|socket| self.versions.contains(&socket.version()))
            .peekable();
        let namespace = self.namespace.name();
        let mut frames: [Option<Frame>; 2] = [None, None];
        while let Some(socket) = sockets.next() {
            let plain = plain.filter(|_| socket.is_plain());
            let encoded = &mut frames[usize::from(plain.is_some())];
            // The last one takes it.
            let frame = match encoded.take() {
                Some(frame) => frame,
                None => {
                    let frame = match plain {
                        Some(plain) => encode::event(namespace, name, plain, None, 0),
                        None => encode::event(namespace, name, further, None, 0),
                    };
                    match frame {
                        Ok(frame) => frame,
                        Err(error) => {
                            return tracing::error!(%error, name, "an event could not be encoded");
                        }
                    }
                }
            };
            if sockets.peek().is_some() {
                *encoded = Some(frame.clone());
            }
            socket.hear(frame, self.sequence);
        }
    }
}
