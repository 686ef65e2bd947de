//! Why a change of hooks is refused.

/// Why a change of a hook is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HookRefusal {
    /// No hook has this number.
    #[error("no such hook")]
    NoSuchHook,
    /// So many hooks are kept.
    #[error("there are too many hooks")]
    TooManyHooks,
}
