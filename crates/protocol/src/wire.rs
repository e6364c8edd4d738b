//! The two macros behind most wire types: closed lists of words, and objects that are objects.
//!
//! Both exist because serde's derives are laxer than the contract: a derived enum also reads
//! `{"live": null}`, and a derived struct also reads an array of its members in order.

/// A closed list of words: an enum whose text on the wire is written beside each variant.
///
/// In JSON the word; in rows (binary formats) the variant's position as one byte, so **variants
/// are only ever appended**. Generates `ALL`, `as_str`, `Display`, `FromStr`, serde and, with
/// the feature `openapi`, the schema.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// Every variant, in the order of the contract.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// Every word, in the order of the contract.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl core::str::FromStr for $name {
            type Err = $crate::wire::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::wire::UnknownWord { expected: Self::WORDS }),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.serialize_str(self.as_str())
                } else {
                    serializer.serialize_u8(*self as u8)
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::wire::deserialize_word(deserializer, Self::ALL, Self::WORDS)
            }
        }

        $crate::schema::impl_schema!($name, $crate::schema::words(Self::WORDS));
    };
}
pub(crate) use words;

/// Makes a type with `#[serde(remote = "Self", ...)]` read from JSON objects alone.
macro_rules! object {
    ($($name:ident),+ $(,)?) => {$(
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $name::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $name::deserialize($crate::wire::ObjectOnly(deserializer))
            }
        }
    )+};
}
pub(crate) use object;

/// [`object`] for what is only ever read: a request that holds a secret keeps its hash alone.
macro_rules! read_object {
    ($($name:ident),+ $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $name::deserialize($crate::wire::ObjectOnly(deserializer))
            }
        }
    )+};
}
pub(crate) use read_object;

/// A member that stands on the wire and takes no byte of the row of its struct: the row holds it
/// elsewhere, or, written before there was such a member, not at all.
pub(crate) mod not_in_rows {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            value.serialize(serializer)
        } else {
            serializer.serialize_unit()
        }
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: Deserialize<'de> + Default,
        D: Deserializer<'de>,
    {
        if deserializer.is_human_readable() {
            return T::deserialize(deserializer);
        }
        <()>::deserialize(deserializer)?;
        Ok(T::default())
    }
}

/// Reads an array of at most `MAX` items; `null` is the empty one.
pub(crate) fn at_most<'de, const MAX: usize, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: serde::Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    let items =
        <Option<Vec<T>> as serde::Deserialize>::deserialize(deserializer)?.unwrap_or_default();
    if items.len() > MAX {
        return Err(serde::de::Error::custom(format_args!("must hold at most {MAX} items")));
    }
    Ok(items)
}

/// [`at_most`] for a member that is required: `null` is not an array.
pub(crate) fn some_of<'de, const MAX: usize, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: serde::Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    let items = <Vec<T> as serde::Deserialize>::deserialize(deserializer)?;
    if items.len() > MAX {
        return Err(serde::de::Error::custom(format_args!("must hold at most {MAX} items")));
    }
    Ok(items)
}

/// A word that is not on the closed list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    /// The words that are.
    pub expected: &'static [&'static str],
}

impl core::fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("must be one of ")?;
        for (position, word) in self.expected.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            f.write_str(word)?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownWord {}

/// Reads a word (JSON) or its position (rows).
pub(crate) fn deserialize_word<'de, T, D>(
    deserializer: D,
    all: &'static [T],
    words: &'static [&'static str],
) -> Result<T, D::Error>
where
    T: Copy,
    D: serde::Deserializer<'de>,
{
    use serde::de::Error;
    if deserializer.is_human_readable() {
        deserializer.deserialize_str(WordVisitor { all, words })
    } else {
        let position = <u8 as serde::Deserialize>::deserialize(deserializer)?;
        all.get(usize::from(position))
            .copied()
            .ok_or_else(|| D::Error::custom("a row holds a word that this version does not know"))
    }
}

struct WordVisitor<T: 'static> {
    all: &'static [T],
    words: &'static [&'static str],
}

impl<T: Copy> serde::de::Visitor<'_> for WordVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a string: ")?;
        core::fmt::Display::fmt(&UnknownWord { expected: self.words }, f)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        self.words
            .iter()
            .position(|word| *word == text)
            .and_then(|position| self.all.get(position))
            .copied()
            .ok_or_else(|| E::custom(UnknownWord { expected: self.words }))
    }
}

/// Turns "a struct, from an object or from an array in order" into "from an object".
///
/// Rows (binary formats) keep the struct as it is: there the order is the format.
pub(crate) struct ObjectOnly<D>(pub(crate) D);

impl<'de, D: serde::Deserializer<'de>> serde::Deserializer<'de> for ObjectOnly<D> {
    type Error = D::Error;

    fn deserialize_any<V: serde::de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    fn deserialize_struct<V: serde::de::Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if self.0.is_human_readable() {
            self.0.deserialize_map(visitor)
        } else {
            self.0.deserialize_struct(name, fields, visitor)
        }
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Reads `null` as the default: an optional member that is sent empty is as good as absent.
pub(crate) fn null_is_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + serde::Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    if deserializer.is_human_readable() {
        <Option<T> as serde::Deserialize>::deserialize(deserializer).map(Option::unwrap_or_default)
    } else {
        T::deserialize(deserializer)
    }
}

/// Reads a member that may be `null` and must be there (a derived `Option` may be missing).
pub(crate) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: serde::Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    <Option<T> as serde::Deserialize>::deserialize(deserializer)
}

/// Reads a member where `null` means something: `Some(None)`; absent is `None` by
/// `#[serde(default)]`.
#[expect(clippy::option_option, reason = "absent, null and a value are three different things")]
pub(crate) fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: serde::Deserialize<'de>,
    D: serde::Deserializer<'de>,
{
    <Option<T> as serde::Deserialize>::deserialize(deserializer).map(Some)
}

/// A whole number with inclusive bounds; the error names them.
macro_rules! bounded {
    ($(#[$meta:meta])* $name:ident: $min:literal ..= $max:literal, $default:literal, $description:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u32);

        impl $name {
            /// The smallest value.
            pub const MIN: u32 = $min;
            /// The largest value.
            pub const MAX: u32 = $max;

            /// The value, if it is within the bounds.
            pub const fn new(value: u32) -> Option<Self> {
                if matches!(value, $min..=$max) { Some(Self(value)) } else { None }
            }

            /// The value.
            pub const fn get(self) -> u32 {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self($default)
            }
        }

        impl From<$name> for i64 {
            fn from(value: $name) -> Self {
                Self::from(value.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_i64(i64::from(self.0))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let number = <i64 as serde::Deserialize>::deserialize(deserializer)?;
                u32::try_from(number).ok().and_then(Self::new).ok_or_else(|| {
                    serde::de::Error::custom(concat!(
                        "must be a whole number from ", $min, " to ", $max
                    ))
                })
            }
        }

        $crate::schema::impl_schema!(
            $name,
            $crate::schema::whole($min, $max, Some($default), $description)
        );
    };
}
pub(crate) use bounded;
