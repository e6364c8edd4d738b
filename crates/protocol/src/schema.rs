//! OpenAPI schemas of the types whose rule is not their Rust shape (feature `openapi`).

/// Implements utoipa's two traits for a type, from an expression that builds its schema.
///
/// Without the feature it expands to nothing, and the expression is not even looked at.
#[cfg(feature = "openapi")]
macro_rules! impl_schema {
    ($name:ident, $schema:expr) => {
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                $schema
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($name))
            }
        }
    };
}

#[cfg(not(feature = "openapi"))]
macro_rules! impl_schema {
    ($name:ident, $schema:expr) => {};
}

pub(crate) use impl_schema;

#[cfg(feature = "openapi")]
pub(crate) use with_feature::*;

#[cfg(feature = "openapi")]
mod with_feature {
    use utoipa::openapi::schema::{
        KnownFormat, Object, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, SchemaType, Type,
    };
    use utoipa::openapi::{Array, ArrayBuilder, RefOr};

    /// A string that is one of a closed list.
    pub(crate) fn words(words: &'static [&'static str]) -> RefOr<Schema> {
        object(ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.to_vec())))
    }

    /// A string that matches a pattern (ECMA-262, as JSON Schema has it).
    pub(crate) fn pattern(pattern: &str, description: &str, example: &str) -> RefOr<Schema> {
        object(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .pattern(Some(pattern))
                .description(Some(description))
                .examples([example]),
        )
    }

    /// A string with bounds on its length in characters, and a pattern.
    pub(crate) fn text(min: usize, max: usize, pattern: &str, description: &str) -> RefOr<Schema> {
        object(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .min_length(Some(min))
                .max_length(Some(max))
                .pattern(Some(pattern))
                .description(Some(description)),
        )
    }

    /// A whole number with inclusive bounds and a default.
    pub(crate) fn whole(
        min: i64,
        max: i64,
        default: Option<i64>,
        description: &str,
    ) -> RefOr<Schema> {
        object(
            ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(min))
                .maximum(Some(max))
                .default(default.map(serde_json::Value::from))
                .description(Some(description)),
        )
    }

    /// A string with one of the formats that JSON Schema knows.
    pub(crate) fn format(format: KnownFormat, description: &str, example: &str) -> RefOr<Schema> {
        object(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(format)))
                .description(Some(description))
                .examples([example]),
        )
    }

    /// An IPv4 or IPv6 address.
    pub(crate) fn ip_address(description: &str) -> RefOr<Schema> {
        let of = |format| {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(format)))
        };
        let either = OneOfBuilder::new()
            .item(of(KnownFormat::Ipv4))
            .item(of(KnownFormat::Ipv6))
            .description(Some(description));
        RefOr::T(Schema::OneOf(either.build()))
    }

    /// The name of one scope.
    pub(crate) fn scope_name() -> RefOr<Schema> {
        object(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .pattern(Some("^[a-z0-9_.-]+:[a-z0-9_.:-]+$"))
                .min_length(Some(3))
                .max_length(Some(64))
                .description(Some("A scope's name, compared byte by byte."))
                .examples(["orders:read"]),
        )
    }

    /// Names of scopes in one string.
    pub(crate) fn scope_list() -> RefOr<Schema> {
        object(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .pattern(Some("^[a-z0-9_.-]+:[a-z0-9_.:-]+( [a-z0-9_.-]+:[a-z0-9_.:-]+){0,49}$"))
                .min_length(Some(3))
                .description(Some(
                    "1 to 50 distinct scope names of at most 64 characters, separated by spaces.",
                ))
                .examples(["orders:read orders:write"]),
        )
    }

    /// An absolute address.
    pub(crate) fn web_url(description: &str) -> RefOr<Schema> {
        object(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::Custom("uri".to_owned())))
                .pattern(Some("^https?://[!-~]+$"))
                .max_length(Some(2048))
                .description(Some(description))
                .examples(["https://app.example/"]),
        )
    }

    /// An object of any members.
    pub(crate) fn any_object(description: &str) -> RefOr<Schema> {
        object(
            ObjectBuilder::new()
                .schema_type(SchemaType::Type(Type::Object))
                .description(Some(description)),
        )
    }

    /// An array without repetitions, of between `min` and `max` items.
    pub(crate) fn distinct(
        items: RefOr<Schema>,
        min: usize,
        max: usize,
        description: &str,
    ) -> RefOr<Schema> {
        let array: Array = ArrayBuilder::new()
            .items(items)
            .min_items(Some(min))
            .max_items(Some(max))
            .unique_items(true)
            .description(Some(description))
            .build();
        RefOr::T(Schema::Array(array))
    }

    fn object(builder: ObjectBuilder) -> RefOr<Schema> {
        let object: Object = builder.build();
        RefOr::T(Schema::Object(object))
    }
}
