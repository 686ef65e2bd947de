//! One list for what is decoded and what is documented.

/// Writes the struct of a payload, a query or the parts of a path; its schema; and its `read`,
/// which takes each key from the source named after `from` by the method named before the key:
/// `required`, `optional` (absent or null) and `nullable` (absent, null or a value) of an object,
/// `text` (absent, or any text, the empty one too) of a query.
macro_rules! reads {
    ($(#[$meta:meta])* $name:ident $(<$life:lifetime>)? from $source:ty {
        $($(#[$about:meta])* $how:ident $key:ident: $type:ty,)*
    }) => {
        #[derive(schemars::JsonSchema)]
        $(#[$meta])*
        pub(crate) struct $name $(<$life>)? {
            $($(#[$about])* pub(crate) $key: reads!(@$how $type),)*
        }

        impl $(<$life>)? $name $(<$life>)? {
            pub(crate) fn read(source: &$source) -> Result<Self, crate::contract::FieldError> {
                Ok(Self { $($key: source.$how(stringify!($key))?,)* })
            }
        }
    };
    (@required $type:ty) => { $type };
    (@optional $type:ty) => { Option<$type> };
    (@text $type:ty) => { Option<$type> };
    (@nullable $type:ty) => { Option<Option<$type>> };
}

pub(crate) use reads;
