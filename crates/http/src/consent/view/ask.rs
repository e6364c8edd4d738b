//! The two questions: a new connection, and more for one that there is.

use agentadmit_core::app::CatalogueScope;
use agentadmit_core::connection::Connection;
use agentadmit_core::consent::Question;
use agentadmit_engine::consent::ConsentPage;
use agentadmit_engine::query::ConnectionView;
use agentadmit_protocol::api::consent::{OfferedDuration, PromptTemplate};
use agentadmit_protocol::scope::ScopeName;
use http::StatusCode;
use maud::{Markup, html};

use super::{Page, client, frame, parts};
use crate::consent::form::{Form, Mistake, UNTIL_REVOKED};
use crate::consent::words::{DURATIONS, Words, fill};

/// What is chosen when the page opens.
const CHOSEN_DURATION: &str = "2592000";

/// A question on its way to the user.
pub(crate) struct Ask<'a> {
    pub(crate) words: &'static Words,
    pub(crate) page: &'a ConsentPage,
    /// What the form must carry.
    pub(crate) token: &'a str,
    /// Where the form goes.
    pub(crate) path: &'a str,
    /// What was filled in, and what is wrong with it.
    pub(crate) again: Option<(&'a Form, &'a [Problem])>,
}

/// Something that the person must look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Problem {
    /// In the form.
    Mistake(Mistake),
    /// The app's list changed meanwhile.
    Changed,
    /// The user has too many connections.
    TooMany,
}

impl Problem {
    fn text(self, words: &Words, app: &str) -> String {
        let sentence = match self {
            Self::Mistake(Mistake::NoScope) => words.mistake_no_scope,
            Self::Mistake(Mistake::NoDuration) => words.mistake_no_duration,
            Self::Mistake(Mistake::AgentLabel) => words.mistake_agent_label,
            Self::Mistake(Mistake::UserIntent) => words.mistake_user_intent,
            Self::Mistake(Mistake::TemplateField) => words.mistake_template_field,
            Self::Mistake(Mistake::TemplateScopes) => words.mistake_template_scopes,
            Self::Changed => words.mistake_changed,
            Self::TooMany => words.mistake_too_many,
        };
        fill(sentence, &[("app", app)])
    }

    /// The id of what it is about.
    const fn place(self) -> &'static str {
        match self {
            Self::Mistake(Mistake::NoDuration) => "duration",
            Self::Mistake(Mistake::AgentLabel) => "agent_label",
            Self::Mistake(Mistake::UserIntent) => "user_intent",
            Self::Mistake(Mistake::TemplateField | Mistake::TemplateScopes) => "templates",
            Self::Mistake(Mistake::NoScope) | Self::Changed | Self::TooMany => "scopes",
        }
    }
}

impl Ask<'_> {
    fn app(&self) -> &str {
        &self.page.app.name
    }

    fn problems(&self) -> &[Problem] {
        self.again.map_or(&[], |(_, problems)| problems)
    }

    fn problem_at(&self, place: &str) -> Option<String> {
        let problem = self.problems().iter().find(|problem| problem.place() == place)?;
        Some(problem.text(self.words, self.app()))
    }

    fn typed(&self, of: impl Fn(&Form) -> &str) -> &str {
        self.again.map_or("", |(form, _)| of(form))
    }

    fn is_chosen(&self, scope: &CatalogueScope, beforehand: bool) -> bool {
        match self.again {
            Some((form, _)) => form.scopes.contains(&scope.scope.name),
            // whatever the app asked for: nothing sensitive is chosen for the user
            None => beforehand && !scope.scope.sensitive,
        }
    }

    /// The page around the question.
    fn finished(&self, title: &str, main: &Markup) -> Page {
        let status = if self.problems().is_empty() {
            StatusCode::OK
        } else {
            StatusCode::UNPROCESSABLE_ENTITY
        };
        let mistakes = self.words.mistakes;
        let title =
            if status.is_success() { title.to_owned() } else { format!("{mistakes}: {title}") };
        let mut page = Page::new(status, &frame(self.words, &title, &html! {}, main));
        let (app, session) = (&self.page.app, &self.page.session);
        page.picture_origin = parts::picture(app).map(|url| url.origin().ascii_serialization());
        let back = session.return_url.as_ref().and_then(|url| url::Url::parse(url.as_str()).ok());
        page.return_origin = match &self.page.authorization {
            Some(request) => client::form_targets(&request.reply),
            None => back.map(|url| url.origin().ascii_serialization()),
        };
        page
    }

    fn form(&self, questions: &Markup, next: &str) -> Markup {
        let (words, end) = (self.words, self.page.session.expires_at);
        html! {
            (self.summary())
            form method="post" action=(self.path) accept-charset="utf-8" {
                // what Enter in a text field would press: nothing is decided by accident
                button.nothing type="submit" disabled hidden {}
                input type="hidden" name="form_token" value=(self.token);
                (questions)
                p { (next) }
                div.decision {
                    button type="submit" name="decision" value="grant" { (self.words.allow) }
                    button type="submit" name="decision" value="deny" formnovalidate { (self.words.deny) }
                }
                p.hint { (parts::when(words, words.page_ends, end)) }
            }
        }
    }

    /// What must be mended, with links to where it is.
    fn summary(&self) -> Markup {
        html! {
            @if !self.problems().is_empty() {
                section.mistakes role="alert" aria-labelledby="mistakes" tabindex="-1" {
                    h2 #mistakes { (self.words.mistakes) }
                    ul {
                        @for problem in self.problems() {
                            li {
                                a href={ "#" (problem.place()) } {
                                    (problem.text(self.words, self.app()))
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    fn mistake(&self, place: &str) -> Markup {
        html! {
            @if let Some(text) = self.problem_at(place) {
                p.mistake id={ (place) "-mistake" } { (text) }
            }
        }
    }

    /// The ids that describe a field: its hint, and what is wrong with it.
    fn described_by(&self, place: &str) -> String {
        match self.problem_at(place) {
            Some(_) => format!("{place}-hint {place}-mistake"),
            None => format!("{place}-hint"),
        }
    }

    fn scopes(
        &self,
        legend: &str,
        hint: &str,
        is_beforehand: impl Fn(&CatalogueScope) -> bool,
    ) -> Markup {
        let groups = parts::by_category(&self.page.offered);
        html! {
            fieldset #scopes tabindex="-1" aria-describedby=(self.described_by("scopes")) {
                legend { h2 { (legend) } }
                p.hint #scopes-hint { (hint) }
                (self.mistake("scopes"))
                @for (category, scopes) in &groups {
                    @if groups.len() > 1 || category.is_some() {
                        h3 { bdi { (category.unwrap_or(self.words.other_scopes)) } }
                    }
                    @for scope in scopes { (self.scope(scope, is_beforehand(scope))) }
                }
            }
        }
    }

    fn scope(&self, entry: &CatalogueScope, is_beforehand: bool) -> Markup {
        let (scope, id) = (&entry.scope, format!("scope-{}", entry.id));
        html! {
            div.choice {
                input type="checkbox" name="scope" id=(id) value=(scope.name)
                    checked[self.is_chosen(entry, is_beforehand)]
                    aria-describedby=[scope.sensitive.then(|| format!("{id}-hint"))];
                label for=(id) {
                    bdi { (scope.description) }
                    @if scope.sensitive { " " (parts::sensitive(self.words)) }
                    " " code { (scope.name) }
                }
                @if scope.sensitive {
                    p.hint id={ (id) "-hint" } { (self.words.sensitive_hint) }
                }
            }
        }
    }

    fn durations(&self) -> Markup {
        let settings = &self.page.app.settings;
        let days = settings.idle_days.get().to_string();
        let offered = self.offered_durations();
        // a month where it is offered, else what the app named first
        let first = || {
            let is_month = offered.iter().any(|(value, _)| value == CHOSEN_DURATION);
            let first = offered.first().map_or(CHOSEN_DURATION, |(value, _)| value.as_str());
            if is_month { CHOSEN_DURATION } else { first }
        };
        let chosen = self.again.map_or_else(first, |(form, _)| form.duration.as_str());
        let until = |seconds: i64| {
            parts::when(self.words, self.words.until, self.page.now.plus_seconds(seconds))
        };
        html! {
            fieldset #duration tabindex="-1" aria-describedby=(self.described_by("duration")) {
                legend { h2 { (self.words.duration) } }
                p.hint #duration-hint { (self.words.duration_hint) }
                (self.mistake("duration"))
                @for (value, name) in &offered {
                    @match value.parse() {
                        Ok(seconds) => (radio("duration", value, chosen, name, &until(seconds))),
                        Err(_) => (radio(
                            "duration", value, chosen, name,
                            &html! { (fill(self.words.until_i_end_it_hint, &[("days", &days)])) },
                        )),
                    }
                }
            }
        }
    }

    /// What may be chosen, as the form sends it, with its name: the app's own list, in its order and
    /// words where it has them, else the page's. Without an end only where an operator allows it.
    fn offered_durations(&self) -> Vec<(String, String)> {
        let words = self.words;
        let own = self.page.session.durations();
        let named = |offered: &OfferedDuration| {
            let name = offered.label.as_ref().map(|label| label.as_str().to_owned());
            if let Some(seconds) = offered.seconds {
                (seconds.to_string(), name.unwrap_or_else(|| words.duration_of(seconds)))
            } else {
                let name = name.unwrap_or_else(|| words.until_i_end_it.to_owned());
                (UNTIL_REVOKED.to_owned(), name)
            }
        };
        let mut offered: Vec<(String, String)> = if own.is_empty() {
            let of_page = DURATIONS.map(Some).into_iter().chain([None]);
            of_page.map(|seconds| named(&OfferedDuration { label: None, seconds })).collect()
        } else {
            own.iter().map(named).collect()
        };
        offered.retain(|(value, _)| {
            self.page.app.settings.allow_until_revoked || value != UNTIL_REVOKED
        });
        offered
    }

    fn text_field(&self, name: &str, label: &str, hint: &str, max: usize, value: &str) -> Markup {
        html! {
            div.field {
                label for=(name) { (label) }
                p.hint id={ (name) "-hint" } { (hint) }
                (self.mistake(name))
                input type="text" id=(name) name=(name) value=(value) maxlength=(max) dir="auto"
                    autocomplete="off" aria-describedby=(self.described_by(name))
                    aria-invalid=[self.problem_at(name).map(|_| "true")];
            }
        }
    }

    /// Texts to start the agent with: those that need nothing which is not offered.
    fn templates(&self) -> Markup {
        let templates = offered_templates(self.page);
        let chosen = self.again.and_then(|(form, _)| form.template);
        html! {
            @if !templates.is_empty() {
                fieldset #templates tabindex="-1" aria-describedby=(self.described_by("templates")) {
                    legend { h2 { (self.words.templates) } }
                    p.hint #templates-hint { (self.words.templates_hint) }
                    (self.mistake("templates"))
                    div.choice {
                        input type="radio" name="template" id="template-none" value="none"
                            checked[chosen.is_none()];
                        label for="template-none" { (self.words.no_template) }
                    }
                    @for (place, template) in templates {
                        (self.template(place, template, chosen == Some(place)))
                    }
                }
            }
        }
    }

    fn template(&self, place: usize, template: &PromptTemplate, is_chosen: bool) -> Markup {
        let id = format!("template-{place}");
        let typed = |field: &str| {
            let fields = self.again.map_or(&[][..], |(form, _)| form.fields.as_slice());
            let it = fields.iter().find(|(of, name, _)| *of == place && name == field);
            it.map_or("", |(_, _, value)| value.as_str())
        };
        html! {
            div.choice {
                input type="radio" name="template" id=(id) value=(place) checked[is_chosen]
                    aria-describedby={ (id) "-hint" };
                label for=(id) { bdi { (template.name) } }
                div.hint id={ (id) "-hint" } {
                    p dir="auto" { (template.text) }
                    @if !template.scopes.is_empty() {
                        p { (fill(self.words.template_needs, &[("scopes", &self.described(&template.scopes))])) }
                    }
                }
                @for (number, field) in template.fields().into_iter().enumerate() {
                    div.field {
                        label for={ (id) "-" (number) } { bdi { (field) } }
                        input type="text" id={ (id) "-" (number) } maxlength="300" dir="auto"
                            autocomplete="off" name={ "field." (place) "." (field) } value=(typed(field));
                    }
                }
            }
        }
    }

    /// Scopes as the app describes them, in one line.
    fn described(&self, names: &[ScopeName]) -> String {
        let entries = names
            .iter()
            .filter_map(|name| self.page.offered.iter().find(|entry| entry.scope.name == *name));
        entries.map(|entry| entry.scope.description.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// The agents that there are.
    fn connections(&self) -> Markup {
        let (words, connections) = (self.words, &self.page.connections);
        let count = connections.len().to_string();
        html! {
            @if connections.is_empty() {
                p.hint { (fill(words.no_connections, &[("app", self.app())])) }
            } @else {
                details {
                    summary { (fill(words.connections, &[("app", self.app()), ("count", &count)])) }
                    ul.agents { @for view in connections { li { (self.connection(view)) } } }
                }
            }
        }
    }

    fn connection(&self, view: &ConnectionView) -> Markup {
        let words = self.words;
        let moment = |sentence, at| parts::when(words, sentence, at);
        html! {
            strong { bdi { (agent(words, &view.connection)) } }
            ul {
                li {
                    @match view.connection.exchanged_at() {
                        Some(at) => (moment(words.connected, at)),
                        None => (words.not_connected),
                    }
                }
                @if view.connection.exchanged_at().is_some() {
                    li {
                        @match view.activity.last_used_at {
                            Some(at) => (moment(words.last_used, at)),
                            None => (words.never_used),
                        }
                    }
                }
                @if let Some(end) = view.connection.expires_at { li { (moment(words.widen_ends, end)) } }
            }
        }
    }
}

/// The texts of a session that need nothing which is not offered, with their places.
pub(crate) fn offered_templates(page: &ConsentPage) -> Vec<(usize, &PromptTemplate)> {
    let is_offered = |name: &ScopeName| page.offered.iter().any(|entry| entry.scope.name == *name);
    let all = page.session.prompt_templates.iter().enumerate();
    all.filter(|(_, template)| template.scopes.iter().all(is_offered)).collect()
}

fn agent<'a>(words: &'a Words, connection: &'a Connection) -> &'a str {
    connection.agent_label.as_ref().map_or(words.unnamed_agent, |label| label.as_str())
}

fn radio(group: &str, value: &str, chosen: &str, name: &str, hint: &Markup) -> Markup {
    let id = format!("{group}-{value}");
    html! {
        div.choice {
            input type="radio" name=(group) id=(id) value=(value) checked[value == chosen]
                aria-describedby={ (id) "-hint" };
            label for=(id) { bdi { (name) } }
            p.hint id={ (id) "-hint" } { (hint) }
        }
    }
}

/// The question of a new connection.
pub(crate) fn ask(it: &Ask<'_>) -> Page {
    let (words, app) = (it.words, [("app", it.app())]);
    let preselected = it.page.session.preselected();
    let client = it.page.authorization.as_ref();
    let questions = html! {
        (it.scopes(words.scopes, words.scopes_hint, |entry| preselected.contains(&entry.id)))
        (it.durations())
        (it.text_field(
            "agent_label", words.agent_label, words.agent_label_hint, 100,
            it.typed(|form| &form.agent_label),
        ))
        (it.text_field(
            "user_intent", words.user_intent, &fill(words.user_intent_hint, &app), 300,
            it.typed(|form| &form.user_intent),
        ))
        @if client.is_none() { (it.templates()) }
        (it.connections())
    };
    let main = html! {
        h1 { (fill(words.heading, &app)) }
        (parts::who(words, it.page))
        @if let Some(request) = client { (client::who(words, request)) }
        (it.form(&questions, client.map_or(words.what_next, |request| client::next(words, request))))
    };
    it.finished(&fill(words.title, &app), &main)
}

/// The question of more for a connection: as it is and as it would be, side by side.
pub(crate) fn widen(it: &Ask<'_>, view: &ConnectionView, held: &[CatalogueScope]) -> Page {
    let (words, app) = (it.words, [("app", it.app())]);
    let old_end = view.connection.expires_at;
    let new_end = match it.page.session.question {
        Question::Widen { seconds: Some(seconds), .. } => Some(it.page.now.plus_seconds(seconds)),
        _ => None,
    };
    let end = |end: Option<_>| {
        end.map_or_else(
            || html! { (words.widen_never_ends) },
            |end| parts::when(words, words.widen_ends, end),
        )
    };
    let added = it.page.offered.iter();
    let questions = html! {
        div.sides {
            section {
                h2 { (words.widen_now) }
                (parts::scope_list(words, held))
                p { (end(old_end)) }
            }
            section {
                h2 { (words.widen_then) }
                (parts::scope_list(words, held.iter().chain(added)))
                p { (end(new_end.or(old_end))) }
            }
        }
        @if !it.page.offered.is_empty() {
            (it.scopes(words.widen_more, words.widen_more_hint, |_| true))
        }
        @if let Some(end) = new_end {
            p { (parts::when(words, words.widen_end, end)) }
        }
    };
    let which = fill(words.widen_which, &[("agent", agent(words, &view.connection))]);
    let main = html! {
        h1 { (fill(words.widen_heading, &app)) }
        (parts::who(words, it.page))
        p { (which) }
        (it.form(&questions, words.widen_next))
    };
    it.finished(&fill(words.widen_title, &app), &main)
}
