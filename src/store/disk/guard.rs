//! Reading a file whose pages nobody has checked: redb panics on some that are damaged.
//!
//! Such a panic becomes an error. Its text is of no use to the person who runs the server, so that
//! it is not printed, but is in the log at `debug`.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Once};

use crate::store::error::StoreError;

thread_local! {
    /// Whether this thread is within [`guarded`].
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// Does the work. A panic within it, on this thread, is the error of a damaged page. What the work
/// shares with others must not be used after that.
pub(crate) fn guarded<R>(work: impl FnOnce() -> R) -> Result<R, StoreError> {
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            if IS_GUARDED.get() {
                tracing::debug!(%panic, "reading a data file ended in a panic");
            } else {
                print(panic);
            }
        }));
    });
    let outer = IS_GUARDED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_GUARDED.set(outer);
    result.map_err(|_| {
        let error = redb::Error::Corrupted("a page of it holds what no page can".into());
        StoreError::Database(Arc::new(error))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_on_a_damaged_page_is_an_error_and_the_next_reading_is_guarded_anew() {
        for _ in 0..2 {
            let error = guarded(|| -> u32 { panic!("index out of bounds") }).unwrap_err();
            let error: &dyn std::error::Error = &error;
            let cause = error.source().unwrap().to_string();
            assert!(!cause.contains("index out of bounds"), "{cause}");
            assert!(!IS_GUARDED.get());
        }
        let within = guarded(|| (guarded(|| 1).unwrap(), IS_GUARDED.get()));
        assert_eq!(within.unwrap(), (1, true));
    }
}
