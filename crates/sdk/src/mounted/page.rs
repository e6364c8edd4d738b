//! The connections page: the panels of `web/`, packed into one file, on a page of the app's own
//! origin. An app has it with no build and no package.
//!
//! The page holds no data of the user: the panel asks the routes beside it. Its policy lets it run
//! the one script, use the one sheet, and talk to the app's own origin; nobody may frame it.

use std::fmt::Write as _;
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::header::{
    ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::Call;
use crate::admit::AgentAdmit;
use crate::app::App;
use crate::client::ServiceClient;
use crate::refusal::Refused;

const FRAME: &str = include_str!("page.html");

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'",
);

/// For pages of the app's own, which cannot know the hash.
const STABLE_SCRIPT: &str = "agentadmit.js";

const FIVE_MINUTES: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Its name holds its hash: what was fetched once never changes.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Every header of an HTML page.
const PAGE_HEADERS: [(HeaderName, HeaderValue); 7] = [
    (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// A file that the page needs, the same for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asset {
    /// Both panels as custom elements.
    Script,
    /// The same under a name that stays, for pages of the app's own.
    ScriptOfAnyVersion,
    /// The frame around a panel.
    Sheet,
}

/// Which of the panels a page shows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Panel {
    OfUser,
    OfAdmin,
}

static SCRIPT_NAME: LazyLock<String> = LazyLock::new(|| named(Asset::Script, "js"));
static SHEET_NAME: LazyLock<String> = LazyLock::new(|| named(Asset::Sheet, "css"));

impl Asset {
    /// The asset of a name, which is the whole of it: of another version there is none.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        let all = [Self::Script, Self::ScriptOfAnyVersion, Self::Sheet];
        all.into_iter().find(|asset| asset.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Script => &SCRIPT_NAME,
            Self::ScriptOfAnyVersion => STABLE_SCRIPT,
            Self::Sheet => &SHEET_NAME,
        }
    }

    const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Script | Self::ScriptOfAnyVersion => include_bytes!("../../assets/agentadmit.js"),
            Self::Sheet => include_bytes!("../../assets/page.css"),
        }
    }

    pub(super) fn answer(self) -> Response<Bytes> {
        let (media_type, kept) = match self {
            Self::Script => ("text/javascript; charset=utf-8", IMMUTABLE),
            Self::ScriptOfAnyVersion => ("text/javascript; charset=utf-8", FIVE_MINUTES),
            Self::Sheet => ("text/css; charset=utf-8", IMMUTABLE),
        };
        let mut response = Response::new(Bytes::from_static(self.bytes()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(CACHE_CONTROL, kept);
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

/// 64 bits of the hash: it tells versions apart, it proves nothing.
fn named(asset: Asset, extension: &str) -> String {
    let hash = digest(&SHA256, asset.bytes());
    let mut name = "agentadmit-".to_owned();
    for byte in hash.as_ref().iter().take(8) {
        // writing to a String does not fail
        let _ = write!(name, "{byte:02x}");
    }
    format!("{name}.{extension}")
}

impl<A: App, C: ServiceClient> AgentAdmit<A, C> {
    /// `GET` of the prefix itself, and of `/admin` below it.
    pub(super) async fn page(
        &self,
        call: &Call<'_>,
        panel: Panel,
    ) -> Result<Response<Bytes>, Refused> {
        let words = Words::of(&call.parts.headers);
        let signed = match self.signed_in(call).await {
            Ok(signed) => signed,
            Err(refused) if refused.status == StatusCode::UNAUTHORIZED => {
                return Ok(self.note(words, StatusCode::UNAUTHORIZED, words.sign_in));
            }
            Err(refused) => return Err(refused),
        };
        let base = escaped(self.prefix());
        let is_admin = self.app().admins() && self.is_admin(&signed.user).await;
        let (element, other) = match panel {
            Panel::OfUser if is_admin => {
                ("agentadmit-panel", Some((format!("{base}/admin"), words.all_of_app)))
            }
            Panel::OfUser => ("agentadmit-panel", None),
            Panel::OfAdmin if is_admin => {
                ("agentadmit-admin-panel", Some((base.clone(), words.own)))
            }
            Panel::OfAdmin => {
                return Ok(self.note(words, StatusCode::FORBIDDEN, words.admins_only));
            }
        };
        let link =
            other.map_or_else(String::new, |(href, text)| format!("<a href=\"{href}\">{text}</a>"));
        let content = format!(
            "<{element} base=\"{base}\" lang=\"{}\" theme=\"system\"></{element}>\n\
             <noscript><p>{}</p></noscript>",
            words.language, words.no_script
        );
        Ok(self.framed(words, StatusCode::OK, &link, &content))
    }

    /// A page that says one thing.
    pub(super) fn note(&self, words: &Words, status: StatusCode, text: &str) -> Response<Bytes> {
        self.framed(words, status, "", &format!("<p>{text}</p>"))
    }

    fn framed(
        &self,
        words: &Words,
        status: StatusCode,
        link: &str,
        content: &str,
    ) -> Response<Bytes> {
        // the app's name comes last: it may hold anything, a placeholder too
        let html = FRAME
            .replace("{language}", words.language)
            .replace("{direction}", words.direction)
            .replace("{title}", words.title)
            .replace("{base}", &escaped(self.prefix()))
            .replace("{script}", Asset::Script.name())
            .replace("{sheet}", Asset::Sheet.name())
            .replace("{link}", link)
            .replace("{content}", content)
            .replace("{app}", &escaped(&self.shown_name()));
        let mut response = Response::new(Bytes::from(html));
        *response.status_mut() = status;
        response.headers_mut().extend(PAGE_HEADERS);
        response
    }
}

/// What the page says around the panel. The panel's own words are in `web/`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    language: &'static str,
    direction: &'static str,
    title: &'static str,
    pub(super) sign_in: &'static str,
    pub(super) no_request: &'static str,
    pub(super) request_over: &'static str,
    pub(super) nothing_to_grant: &'static str,
    pub(super) later: &'static str,
    admins_only: &'static str,
    all_of_app: &'static str,
    own: &'static str,
    no_script: &'static str,
}

/// The first is for everybody whose language is not among them.
const LANGUAGES: [Words; 2] = [
    Words {
        language: "en",
        direction: "ltr",
        title: "AI agents",
        sign_in: "Sign in first, then come back to this page.",
        no_request: "This link is not whole. Go back to the program that sent you here, and start again.",
        request_over: "This request is over. Go back to the program that sent you here, and start again.",
        nothing_to_grant: "There is nothing in this request that you could let a program do here.",
        later: "This did not work now. Load the page again in a minute.",
        admins_only: "This page is for people who look after this app.",
        all_of_app: "Everyone’s agents",
        own: "Your own agents",
        no_script: "This page needs JavaScript. Turn it on, then load the page again.",
    },
    Words {
        language: "ar",
        direction: "rtl",
        title: "وكلاء الذكاء الاصطناعي",
        sign_in: "سجّل الدخول أولاً، ثم عُد إلى هذه الصفحة.",
        no_request: "هذا الرابط غير مكتمل. عُد إلى البرنامج الذي أرسلك إلى هنا وابدأ من جديد.",
        request_over: "انتهى هذا الطلب. عُد إلى البرنامج الذي أرسلك إلى هنا وابدأ من جديد.",
        nothing_to_grant: "لا يتضمن هذا الطلب أي شيء يمكنك أن تسمح به لبرنامج هنا.",
        later: "تعذّر ذلك الآن. أعد تحميل الصفحة بعد دقيقة.",
        admins_only: "هذه الصفحة مخصصة للقائمين على هذا التطبيق.",
        all_of_app: "وكلاء جميع المستخدمين",
        own: "وكلاؤك",
        no_script: "تحتاج هذه الصفحة إلى JavaScript. شغّلها ثم أعد تحميل الصفحة.",
    },
];

impl Words {
    /// The first language of `Accept-Language` that there is. Browsers list by preference, and what
    /// follows `;` is left unread.
    pub(super) fn of(headers: &HeaderMap) -> &'static Self {
        let [default, ..] = &LANGUAGES;
        let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let mut wanted = accepted.unwrap_or_default().split(',').map(|range| {
            let tag = range.split([';', '-']).next().unwrap_or_default();
            tag.trim().to_ascii_lowercase()
        });
        wanted
            .find_map(|tag| LANGUAGES.iter().find(|words| words.language == tag))
            .unwrap_or(default)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_language_wins() {
        let language = |accepted: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(accepted));
            Words::of(&headers).language
        };
        for (accepted, wanted) in [
            ("ar", "ar"),
            ("ar-EG,en;q=0.5", "ar"),
            ("fr, AR;q=0.8, en", "ar"),
            ("en-GB, ar", "en"),
            ("fr", "en"),
            ("", "en"),
            (";;,-", "en"),
        ] {
            assert_eq!(language(accepted), wanted, "{accepted}");
        }
        assert_eq!(Words::of(&HeaderMap::new()).language, "en");
    }

    #[test]
    fn an_asset_is_found_by_its_whole_name_alone() {
        for asset in [Asset::Script, Asset::ScriptOfAnyVersion, Asset::Sheet] {
            assert_eq!(Asset::by_name(asset.name()), Some(asset));
        }
        for name in ["", "agentadmit", "agentadmit-0000000000000000.js", "../page.rs"] {
            assert_eq!(Asset::by_name(name), None, "{name}");
        }
    }
}
