//! What a message answers.

use std::sync::Arc;

use super::{MessageId, UserId};

/// The message that another one answers, of the same chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// Which message.
    pub to: MessageId,
    /// What that says, where it was looked up for a reader. `None` in a command and in the log, and
    /// where that message is gone or not the reader's to see.
    pub said: Option<Said>,
}

/// The beginning of a message that is answered, and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who wrote it.
    pub sender_id: UserId,
    /// Its first [`Said::QUOTED`] code points.
    pub content: Arc<str>,
}

impl Said {
    /// 200 code points: a line or two.
    pub const QUOTED: usize = 200;

    /// Returns what a message says, cut to what is quoted.
    pub fn new(sender_id: UserId, content: &str) -> Self {
        let end = content.char_indices().nth(Self::QUOTED);
        let end = end.map_or(content.len(), |(end, _)| end);
        Self {
            sender_id,
            content: content[..end].into(),
        }
    }
}

impl ReplyTo {
    /// Returns the answer to a message of which is not known what it says.
    pub const fn new(to: MessageId) -> Self {
        Self { to, said: None }
    }

    /// Returns about how many bytes it takes in a row.
    pub fn bytes(&self) -> usize {
        let said = self.said.as_ref().map_or(0, |said| said.content.len());
        size_of::<MessageId>() + said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_has_200_code_points_whatever_these_are() {
        let sender = UserId::new(1).unwrap();
        for unit in ["x", "é", "\u{1f600}"] {
            for (count, quoted) in [(0, 0), (199, 199), (200, 200), (201, 200), (4_000, 200)] {
                let said = Said::new(sender, &unit.repeat(count));
                assert_eq!(*said.content, unit.repeat(quoted));
            }
        }
    }
}
