//! Since when something that was erased may still lie in free pages of the data file.

use crate::model::Timestamp;

/// The oldest of what was erased and is in the file still. The file notes it too, in the
/// transaction that erases it.
#[derive(Debug, Default)]
pub(crate) struct Erased {
    oldest: Option<Timestamp>,
    /// While the file is rewritten: the oldest of what was erased since that began, which may be in
    /// the new file.
    since: Option<Option<Timestamp>>,
}

impl Erased {
    /// As the file notes it.
    pub(crate) fn of(oldest: Option<Timestamp>) -> Self {
        Self {
            oldest,
            since: None,
        }
    }

    /// Returns when the oldest was erased; `None` where nothing is left of anything.
    pub(crate) fn oldest(&self) -> Option<Timestamp> {
        self.oldest
    }

    /// A transaction that erased something is on disk.
    pub(super) fn note(&mut self, at: Timestamp) {
        self.oldest.get_or_insert(at);
        if let Some(since) = &mut self.since {
            since.get_or_insert(at);
        }
    }

    /// The file is opened anew, and notes this.
    pub(super) fn reopened(&mut self, oldest: Option<Timestamp>) {
        self.oldest = oldest;
    }

    /// The file begins to be rewritten: nothing that was erased by now comes into the new one.
    pub(super) fn begin(&mut self) {
        self.since = Some(None);
    }

    /// Returns what the new file is to note.
    pub(super) fn since_begin(&self) -> Option<Timestamp> {
        self.since.unwrap_or(self.oldest)
    }

    /// The rewriting was given up.
    pub(super) fn give_up(&mut self) {
        self.since = None;
    }

    /// The new file has taken the place of the old one.
    pub(super) fn rewritten(&mut self) {
        self.oldest = self.since_begin();
        self.since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_erased_while_the_file_is_rewritten_is_left_for_the_next_time() {
        let at = Timestamp::from_ms;
        let mut erased = Erased::default();
        erased.note(at(5));
        erased.note(at(9));
        assert_eq!(erased.oldest(), Some(at(5)));
        erased.begin();
        assert_eq!(erased.since_begin(), None);
        erased.give_up();
        assert_eq!(erased.oldest(), Some(at(5)), "nothing is gone yet");
        erased.begin();
        erased.note(at(12));
        erased.note(at(14));
        assert_eq!(erased.oldest(), Some(at(5)));
        assert_eq!(erased.since_begin(), Some(at(12)));
        erased.rewritten();
        assert_eq!(erased.oldest(), Some(at(12)));
        erased.begin();
        erased.rewritten();
        assert_eq!(erased.oldest(), None);
    }
}
