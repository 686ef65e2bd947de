//! The sockets of one group.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::socket::{Socket, SocketKey};

/// With more than so many, a socket that leaves is looked up and not searched for: all may watch
/// the same person, and go at once.
const FEW: usize = 16;

/// The sockets of a group, in no order.
pub(super) enum Members {
    /// Nearly always one.
    Few(SmallVec<[Socket; 1]>),
    Many(Box<FxHashMap<SocketKey, Socket>>),
}

impl Default for Members {
    fn default() -> Self {
        Self::Few(SmallVec::new())
    }
}

impl Members {
    /// Adds a socket that is not in it.
    pub(super) fn add(&mut self, socket: &Socket) {
        match self {
            Self::Few(few) if few.len() < FEW => few.push(socket.clone()),
            Self::Few(few) => {
                let few = std::mem::take(few).into_iter();
                let mut many: FxHashMap<_, _> = few.map(|socket| (socket.key(), socket)).collect();
                many.insert(socket.key(), socket.clone());
                *self = Self::Many(Box::new(many));
            }
            Self::Many(many) => drop(many.insert(socket.key(), socket.clone())),
        }
    }

    /// Takes a socket out.
    pub(super) fn remove(&mut self, key: SocketKey) {
        match self {
            Self::Few(few) => {
                if let Some(at) = few.iter().position(|socket| socket.key() == key) {
                    few.swap_remove(at);
                }
            }
            Self::Many(many) => {
                many.remove(&key);
                // Half of that, so that one socket that comes and goes moves no other.
                if many.len() <= FEW / 2 {
                    *self = Self::Few(std::mem::take(&mut **many).into_values().collect());
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Few(few) => few.is_empty(),
            Self::Many(many) => many.is_empty(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Socket> {
        let (few, many) = match self {
            Self::Few(few) => (few.as_slice(), None),
            Self::Many(many) => (&[][..], Some(&**many)),
        };
        few.iter()
            .chain(many.into_iter().flat_map(FxHashMap::values))
    }
}
