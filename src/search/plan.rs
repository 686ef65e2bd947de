//! How a search goes about: what is looked up in each segment, and what has come of it so far.

use std::collections::BTreeSet;

use super::query::{Lookup, Query};
use super::terms::{WITH_FILE, of_sender};
use crate::model::UserId;

/// 16 terms narrow a search down; the text has the last word in any case.
const MAX_LOOKUPS: usize = 16;

/// What is looked up.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// A message must have a term of each.
    pub(super) wanted: Vec<Lookup>,
    /// It must have none of these.
    pub(super) unwanted: Vec<Lookup>,
    /// None can be found: each that has a term of one lookup has one that it must not have.
    pub(super) is_void: bool,
}

impl Plan {
    /// Returns what the index is asked for a query.
    pub(super) fn of(query: &Query, sender: Option<UserId>, has_file: bool) -> Self {
        let sender = sender.map(|sender| Lookup::Exact(of_sender(sender.get())[..].into()));
        let file = has_file.then(|| Lookup::Exact(WITH_FILE.into()));
        let words = query.wanted.iter().flat_map(|chunk| chunk.lookups());
        let mut words: Vec<_> = words.collect();
        // The longest first: the shorter a beginning, the less it tells.
        words.sort_by_key(|lookup| std::cmp::Reverse(lookup.term().len()));
        words.dedup();
        // The text does not say who wrote it, nor that a file hangs on it: both are never left out.
        let mut wanted: Vec<_> = sender.into_iter().chain(file).chain(words).collect();
        wanted.truncate(MAX_LOOKUPS);
        let exact = query.unwanted.iter().filter(|chunk| chunk.is_exact());
        let mut unwanted: Vec<_> = exact.flat_map(|chunk| chunk.lookups()).collect();
        let is_void = wanted
            .iter()
            .any(|wanted| unwanted.iter().any(|other| wanted.is_within(other)));
        unwanted.truncate(MAX_LOOKUPS);
        Self {
            wanted,
            unwanted,
            is_void,
        }
    }
}

/// The newest messages that were found, of those before some id.
#[derive(Debug)]
pub(super) struct Found {
    /// Only messages older than this one.
    before: u64,
    /// So many are wanted.
    most: usize,
    ids: BTreeSet<u64>,
    /// What it cost, in some 2 ns each.
    pub(super) work: usize,
}

impl Found {
    /// Returns an empty one for `most` messages with ids below `before`.
    pub(super) fn before(before: u64, most: usize) -> Self {
        Self {
            before,
            most,
            ids: BTreeSet::new(),
            work: 0,
        }
    }

    /// Notes a message.
    pub(super) fn put(&mut self, id: u64) {
        self.work += 1;
        let is_wanted = id < self.before
            && (self.ids.len() < self.most || self.ids.first().is_some_and(|first| id > *first));
        if is_wanted && self.ids.insert(id) && self.ids.len() > self.most {
            self.ids.pop_first();
        }
    }

    /// Returns whether messages of these ids, this one at most, might be among those wanted.
    pub(super) fn takes(&self, low: u64) -> bool {
        low < self.before
    }

    /// Returns whether as many are there as are wanted, all newer than this one.
    pub(super) fn is_full_above(&self, high: u64) -> bool {
        self.ids.len() == self.most && self.ids.first().is_some_and(|first| *first > high)
    }

    /// Returns those that are newer than this one, the newest first.
    pub(super) fn newest_first(self, above: u64) -> Vec<u64> {
        let newer = self.ids.into_iter().filter(|id| *id > above);
        let mut newer: Vec<_> = newer.collect();
        newer.reverse();
        newer
    }

    /// Returns the message before which there may be more, where nothing was looked at that is not
    /// newer than `above`; `None` where there are no more.
    pub(super) fn resume(&self, above: u64) -> Option<u64> {
        let full = self.ids.first().filter(|_| self.ids.len() == self.most);
        let looked_at = full.copied().unwrap_or(0);
        let unseen = if above > 0 { above + 1 } else { 0 };
        Some(looked_at.max(unseen)).filter(|resume| *resume > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word and its own beginning with a minus went through the whole index, to find nothing.
    #[test]
    fn a_query_that_rules_itself_out_is_known_by_itself() {
        for (text, is_void) in [
            ("kopi -kopi", true),
            ("kopi -ko", true),
            ("kopi -k teh", true),
            (r#""kopi" -kop"#, true),
            (r#""kopi" -"kopi""#, true),
            ("東京 -東京", false),
            ("かな -かな", true),
            ("かなが -なが", true),
            ("東 -東", true),
            ("東京 -東", true),
            (r#"kopi -"kopi""#, false),
            ("ko -kopi", false),
            ("kopi -teh", false),
            (r#"kopi -"kopi teh""#, false),
        ] {
            let plan = Plan::of(&Query::parse(text).unwrap(), None, false);
            assert_eq!(plan.is_void, is_void, "{text}");
        }
    }

    /// Beside many long words the sender was left out, and the matches of others ended the page.
    #[test]
    fn who_wrote_it_is_asked_of_the_index_however_many_words_there_are() {
        let words: Vec<_> = ('a'..='t')
            .map(|letter| letter.to_string().repeat(11))
            .collect();
        let query = Query::parse(&words.join(" ")).unwrap();
        let sender = UserId::new(7).unwrap();
        let plan = Plan::of(&query, Some(sender), true);
        assert_eq!(plan.wanted.len(), MAX_LOOKUPS);
        for term in [of_sender(7)[..].to_vec(), WITH_FILE.to_vec()] {
            assert!(plan.wanted.iter().any(|lookup| lookup.term() == &term[..]));
        }
    }
}
