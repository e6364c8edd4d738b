//! Every key of `agentadmit.yaml`: the one table that the reader, the JSON Schema, the
//! documentation and the environment variables come from.

/// What a value must be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// `app_…`.
    AppId,
    /// A name for people, 1 to 100 characters.
    Label,
    /// A sentence or two for people, 1 to 300 characters.
    Text,
    /// An address: https, or http on this machine.
    Url,
    /// The same, without a path.
    PublicUrl,
    /// The same, with a path of plain characters.
    Resource,
    /// The same, ending in `/v1/verify`.
    VerifyUrl,
    /// `aa_test_…` or `aa_live_…`.
    ApiKey,
    /// A whole number between two others, both included.
    Count(u32, u32),
    /// `true` or `false`.
    Flag,
    /// A path such as `/agentadmit`.
    Prefix,
    /// A path that may hold `{next}`.
    LoginPath,
    /// A file, relative to the folder of the configuration.
    Path,
    /// A store's address, which may hold a password.
    StorageUrl,
    /// The name of a column or field.
    Field,
    /// Scheme, host and port.
    Origin,
    /// A network such as `10.0.0.0/8`.
    Network,
    /// `read:orders`.
    ScopeName,
    /// The one word `allowed`.
    Allowed,
    /// A list of values of one kind, with the most that it holds.
    List(&'static Kind, usize),
    /// A mapping with these members.
    Object(&'static [Key]),
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether an entry must have it. No top-level key is required by itself.
    pub(super) required: bool,
    /// What holds without it.
    pub(super) default: Option<&'static str>,
    /// What it means, for people.
    pub(super) about: &'static str,
}

/// The environment variable of a top-level key, or of a member of `storage`.
pub(super) fn variable(path: &str) -> String {
    format!("AGENTADMIT_{}", path.to_ascii_uppercase().replace('.', "_"))
}

const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, required: false, default: None, about }
}

const fn required(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, required: true, default: None, about }
}

const fn defaults(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
) -> Key {
    Key { name, kind, required: false, default: Some(default), about }
}

/// The most scopes of a catalogue.
const MAX_SCOPES: usize = agentadmit_protocol::scope::MAX_SCOPES;

/// The keys, in the order of the documentation.
pub(super) const KEYS: &[Key] = &[
    key(
        "app_id",
        Kind::AppId,
        "The app's id at the service. `agentadmit dev` writes it; an operator's `agentadmit apps create` prints it.",
    ),
    key("name", Kind::Label, "What people call the app."),
    key("description", Kind::Text, "What the app is, in a sentence."),
    key(
        "service_url",
        Kind::Url,
        "The AgentAdmit service. There is no default service; https, or http on this machine.",
    ),
    key(
        "verify_url",
        Kind::VerifyUrl,
        "The other spelling of `service_url`, as in the SDK 1.0.0: it ends in `/v1/verify`, and what stands before is the service.",
    ),
    key(
        "public_url",
        Kind::PublicUrl,
        "The app's own address, as people and agents reach it, without a path. The discovery document is built from it.",
    ),
    defaults(
        "resource",
        Kind::Resource,
        "public_url",
        "What OAuth clients call the app, as they reach it: for an MCP server the address of its endpoint. An operator registers the same address at the app. Tokens for another resource are refused.",
    ),
    defaults(
        "authorization_server",
        Kind::Url,
        "service_url",
        "The service's issuer, as OAuth clients reach it (`serve --public-url`), where the app itself reaches the service at another address.",
    ),
    defaults(
        "login_path",
        Kind::LoginPath,
        "a page that says to sign in first",
        "Where people sign in to the app: whom an OAuth client sends here before that goes there. `{next}` is where to come back to.",
    ),
    key(
        "api_key",
        Kind::ApiKey,
        "The app's credential. Better in the variable: a key in a file is soon in a repository.",
    ),
    key(
        "scopes",
        Kind::List(&Kind::Object(SCOPE), MAX_SCOPES),
        "What an agent can be allowed to do. `agentadmit sync` sends them to the service.",
    ),
    defaults(
        "durations",
        Kind::List(&Kind::Object(DURATION), 20),
        "1 hour, 1 day, 1 week, 30 days",
        "The durations that a user may pick.",
    ),
    defaults(
        "max_retries",
        Kind::Count(0, 10),
        "3",
        "Retries after a 429 of the app's own limit; 0 is none.",
    ),
    defaults(
        "max_waiting",
        Kind::Count(0, 1000),
        "8",
        "Calls that may wait for a retry at a time; the others are answered at once.",
    ),
    defaults(
        "timeout_seconds",
        Kind::Count(1, 60),
        "5",
        "How long a call to the service may take, its immediate retry included.",
    ),
    defaults(
        "route_prefix",
        Kind::Prefix,
        "/agentadmit",
        "Where the SDK's own routes are mounted in the app.",
    ),
    key(
        "allowed_origins",
        Kind::List(&Kind::Origin, 100),
        "Other origins whose pages may call these routes from a browser.",
    ),
    key(
        "trusted_proxies",
        Kind::List(&Kind::Network, 100),
        "Networks whose `X-Forwarded-For` is believed.",
    ),
    key(
        "private_key_path",
        Kind::Path,
        "The app's RS256 private key in PEM, relative to this file. It signs the discovery document, and calls where it stands in for an API key.",
    ),
    key(
        "ca_file",
        Kind::Path,
        "Certificates in PEM to trust for the service, beside those of the machine.",
    ),
    key(
        "storage",
        Kind::Object(STORAGE),
        "Where the Python package finds the app's users; the Rust package asks your code.",
    ),
    key(
        "prompt_templates",
        Kind::List(&Kind::Object(TEMPLATE), 50),
        "Texts that people can start their agent with.",
    ),
];

const SCOPE: &[Key] = &[
    required(
        "name",
        Kind::ScopeName,
        "At most 64 of `a-z 0-9 _ . -` with a colon inside, such as `read:orders`.",
    ),
    required(
        "description",
        Kind::Text,
        "What an agent that holds it can do, for the person who grants it.",
    ),
    key("category", Kind::Label, "The heading under which it is shown."),
    defaults("sensitive", Kind::Flag, "false", "Shown with a warning."),
    defaults("admin", Kind::Flag, "false", "Only the app's admins may grant it."),
    key(
        "in_app_ai",
        Kind::Allowed,
        "`allowed` says that this scope may be the app's own AI feature, and silences `in-app-ai`.",
    ),
];

const DURATION: &[Key] = &[
    required("label", Kind::Label, "What people read, such as `one week`."),
    key(
        "seconds",
        Kind::Count(60, 31_536_000),
        "How long; without it the connection lasts until it is revoked.",
    ),
];

const STORAGE: &[Key] = &[
    key("url", Kind::StorageUrl, "The database. Better in the variable when it holds a password."),
    defaults("user_id_field", Kind::Field, "user_id", "The field that holds a user's id."),
    key("active_field", Kind::Field, "The field that says whether a user is active."),
];

const TEMPLATE: &[Key] = &[
    required("name", Kind::Label, "What it is called."),
    required("text", Kind::Text, "The text; `{field}` stands for what the person fills in."),
    key(
        "scopes",
        Kind::List(&Kind::ScopeName, 50),
        "The scopes that it needs; all of them stand in `scopes`.",
    ),
];
