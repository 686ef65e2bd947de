//! Which passwords are guessed at once, without a list of any: those that say next to nothing, and
//! those that say who the person is.

use crate::model::nfc;

/// So many characters must be other ones, and so many must not follow from the one before.
const FEWEST: usize = 4;

/// Returns whether a password is one of the first that are tried for a person of these names.
pub(super) fn is_guessed(password: &str, names: &[&str]) -> bool {
    let text: Vec<char> = folded(password).chars().collect();
    let mut kinds = text.clone();
    kinds.sort_unstable();
    kinds.dedup();
    kinds.len() < FEWEST || surprises(&text) < FEWEST || names.iter().any(|name| is_of(&text, name))
}

fn folded(text: &str) -> String {
    nfc(text).to_lowercase()
}

/// How many characters are neither the one before once more nor its neighbour, as those of
/// `12345678` and `aaaabbbb` are.
fn surprises(text: &[char]) -> usize {
    let follows = |pair: &[char]| u32::from(pair[0]).abs_diff(u32::from(pair[1])) <= 1;
    let steps = text.windows(2).filter(|pair| !follows(pair));
    steps.count() + usize::from(!text.is_empty())
}

/// Returns whether a password is a name with few characters beside it.
fn is_of(text: &[char], name: &str) -> bool {
    let name: Vec<char> = folded(name).chars().collect();
    let is_long = name.len() >= FEWEST || name.len() == text.len();
    let has_name = is_long && text.windows(name.len().max(1)).any(|part| part == name);
    has_name && text.len() < name.len() + FEWEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_next_to_nothing_is_guessed_and_what_people_think_of_is_not() {
        for guessed in [
            "aaaaaaaa",
            "abababab",
            "12345678",
            "87654321",
            "abcd1234",
            "AbcdEFGH",
            "11112222",
            "19901990",
            "ada.lovelace",
            "Ada.Lovelace1",
            "1ada.lovelace",
            "adalovelace99",
        ] {
            let names = ["ada.lovelace", "adalovelace"];
            assert!(is_guessed(guessed, &names), "{guessed}");
        }
        for fine in [
            "password1",
            "correct horse battery",
            "gudang-garam",
            "ada.lovelace and more",
            "пароль-мой",
        ] {
            assert!(!is_guessed(fine, &["ada.lovelace", "a", ""]), "{fine}");
        }
    }
}
