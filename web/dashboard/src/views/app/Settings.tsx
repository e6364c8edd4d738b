import { useState } from "react";
import { useAction } from "../../../../react/src/resource.js";
import { appsOf } from "../../api.js";
import { useLanguage } from "../../language.js";
import { go, hrefOf } from "../../router.js";
import { useSession } from "../../session.js";
import type { App, Settings } from "../../types.js";
import { Confirm } from "../../ui/dialog.js";
import { Choices, Form, LinesField, mistakeIn, TextField } from "../../ui/form.js";
import { Card, Fact, Facts, useSay } from "../../ui/parts.js";
import { limitOf } from "./PlanForm.js";

/** How an app behaves: what its users are asked, how long things last, how much it may call. */
export function AppSettings({
  app,
  canChange,
  onChanged,
}: {
  app: App;
  canChange: boolean;
  onChanged: () => void;
}) {
  if (!canChange) return <SettingsShown of={app} />;
  return (
    <>
      <SettingsForm app={app} onChanged={onChanged} />
      <DeleteApp app={app} />
    </>
  );
}

/** What the form holds: as typed. */
interface Draft {
  name: string;
  description: string;
  issuance: Settings["issuance"];
  on_replay: Settings["on_replay"];
  scope_used: Settings["scope_used"];
  allow_until_revoked: boolean;
  idle_days: string;
  connection_token_minutes: string;
  per_key_per_second: string;
  per_connection_per_second: string;
  redirect_uris: string;
  login_url: string;
  documentation_uri: string;
  logo_uri: string;
}

function draftOf({ name, description, settings }: App): Draft {
  const shown = (number: number | null | undefined) => (number == null ? "" : String(number));
  return {
    name,
    description: description ?? "",
    issuance: settings.issuance,
    on_replay: settings.on_replay,
    scope_used: settings.scope_used,
    allow_until_revoked: settings.allow_until_revoked,
    idle_days: String(settings.idle_days),
    connection_token_minutes: String(settings.connection_token_minutes),
    per_key_per_second: shown(settings.rate_limit.per_key_per_second),
    per_connection_per_second: shown(settings.rate_limit.per_connection_per_second),
    redirect_uris: settings.redirect_uris.join("\n"),
    login_url: settings.login_url ?? "",
    documentation_uri: settings.documentation_uri ?? "",
    logo_uri: settings.logo_uri ?? "",
  };
}

/** Which members cannot be sent as they are, before the service is asked. */
export function mistakesOf(draft: Pick<Draft, "name" | NumberName>): (keyof Draft)[] {
  const isWithin = (typed: string, low: number, high: number) => {
    const number = limitOf(typed);
    return typeof number === "number" && number >= low && number <= high;
  };
  const isRate = (typed: string) => typed.trim() === "" || isWithin(typed, 1, 1_000_000);
  const checks: [keyof Draft, boolean][] = [
    ["name", draft.name.trim() !== ""],
    ["idle_days", isWithin(draft.idle_days, 1, 365)],
    ["connection_token_minutes", isWithin(draft.connection_token_minutes, 1, 10)],
    ["per_key_per_second", isRate(draft.per_key_per_second)],
    ["per_connection_per_second", isRate(draft.per_connection_per_second)],
  ];
  return checks.filter(([, isGood]) => !isGood).map(([name]) => name);
}

type NumberName =
  | "idle_days"
  | "connection_token_minutes"
  | "per_key_per_second"
  | "per_connection_per_second";

/** What is sent: rates are an operator's. */
function changeOf(draft: Draft, isOperator: boolean) {
  const text = (typed: string) => typed.trim() || null;
  return {
    name: draft.name.trim(),
    description: text(draft.description),
    settings: {
      issuance: draft.issuance,
      on_replay: draft.on_replay,
      scope_used: draft.scope_used,
      allow_until_revoked: draft.allow_until_revoked,
      idle_days: limitOf(draft.idle_days),
      connection_token_minutes: limitOf(draft.connection_token_minutes),
      ...(isOperator && {
        rate_limit: {
          per_key_per_second: limitOf(draft.per_key_per_second),
          per_connection_per_second: limitOf(draft.per_connection_per_second),
        },
      }),
      redirect_uris: draft.redirect_uris.split(/\s+/).filter(Boolean),
      login_url: text(draft.login_url),
      documentation_uri: text(draft.documentation_uri),
      logo_uri: text(draft.logo_uri),
    },
  };
}

function SettingsForm({ app, onChanged }: { app: App; onChanged: () => void }) {
  const { strings } = useLanguage();
  const words = strings.settings;
  const say = useSay();
  const { rights } = useSession();
  const [draft, setDraft] = useState(() => draftOf(app));
  const [mistakes, setMistakes] = useState<(keyof Draft)[]>([]);
  const save = useAction(async () => {
    await appsOf.change(app.app_id, changeOf(draft, rights.isOperator));
    say(strings.savedNow);
    onChanged();
  });
  const set = (change: Partial<Draft>) => setDraft({ ...draft, ...change });
  const submit = () => {
    const found = mistakesOf(draft);
    setMistakes(found);
    if (found.length === 0) void save.run();
  };
  const number = (name: NumberName) => (
    <TextField
      label={words.numbers[name].name}
      hint={words.numbers[name].hint}
      inputMode="numeric"
      value={draft[name]}
      onValue={(value) => set({ [name]: value })}
      mistake={mistakes.includes(name) ? words.badNumber : null}
    />
  );
  // a list: the service names the one that is wrong
  const isRedirect = save.error?.field?.includes("redirect_uris") ?? false;
  const badRedirects =
    save.error?.code === "forbidden" ? words.operatorsRedirects : words.badRedirects;
  const address = (name: "login_url" | "documentation_uri" | "logo_uri") => (
    <TextField
      label={`${words.addresses[name].name} (${strings.optional})`}
      hint={words.addresses[name].hint}
      type="url"
      dir="ltr"
      value={draft[name]}
      onValue={(value) => set({ [name]: value })}
      mistake={mistakeIn(save.error, name, strings.badAddress)}
    />
  );
  const choice = <V extends string>(
    name: "issuance" | "on_replay" | "scope_used",
    values: readonly V[],
  ) => {
    const texts = words.choices[name];
    const options = texts.options as Record<string, { name: string; hint: string }>;
    return (
      <Choices
        label={texts.name}
        kind="radio"
        options={values.map((value) => ({
          value,
          text: options[value]?.name,
          hint: options[value]?.hint,
        }))}
        isChosen={(value) => draft[name] === value}
        onChoose={(value) => set({ [name]: value } as Partial<Draft>)}
      />
    );
  };
  return (
    <Form action={save} submit={strings.save} onSubmit={submit}>
      <Card title={words.about}>
        <TextField
          label={strings.apps.name}
          hint={strings.apps.nameHint}
          value={draft.name}
          onValue={(name) => set({ name })}
          maxLength={100}
          mistake={mistakes.includes("name") ? strings.apps.nameless : null}
        />
        <LinesField
          label={`${strings.apps.description} (${strings.optional})`}
          hint={strings.apps.descriptionHint}
          value={draft.description}
          onValue={(description) => set({ description })}
          rows={3}
          maxLength={300}
        />
        {address("logo_uri")}
        {address("documentation_uri")}
      </Card>
      <Card title={words.asking}>
        {choice("issuance", ["app", "hosted"])}
        <Choices
          label={words.ends}
          kind="checkbox"
          options={[{ value: "forever", text: words.untilRevoked, hint: words.untilRevokedHint }]}
          isChosen={() => draft.allow_until_revoked}
          onChoose={(_, isChosen) => set({ allow_until_revoked: isChosen })}
        />
        <LinesField
          label={`${words.redirects} (${strings.optional})`}
          hint={words.redirectsHint}
          value={draft.redirect_uris}
          onValue={(redirect_uris) => set({ redirect_uris })}
          isCode
          rows={3}
          mistake={isRedirect ? badRedirects : null}
        />
        {address("login_url")}
      </Card>
      <Card title={words.safety}>
        {number("connection_token_minutes")}
        {number("idle_days")}
        {choice("on_replay", ["revoke", "refuse"])}
        {choice("scope_used", ["optional", "required"])}
      </Card>
      {rights.isOperator && (
        <Card title={words.rates}>
          {number("per_key_per_second")}
          {number("per_connection_per_second")}
        </Card>
      )}
    </Form>
  );
}

function DeleteApp({ app }: { app: App }) {
  const { strings } = useLanguage();
  const words = strings.settings;
  const say = useSay();
  const [isAsked, setAsked] = useState(false);
  const remove = useAction(async () => {
    await appsOf.remove(app.app_id);
    say(words.deletedNow);
    go(hrefOf("/apps"));
  });
  return (
    <Card title={words.delete} tone="danger">
      <p>{words.deleteIntro}</p>
      <button type="button" className="button quiet-danger" onClick={() => setAsked(true)}>
        {words.delete}
      </button>
      {isAsked && (
        <Confirm
          title={words.deleteTitle}
          text={words.deleteText}
          values={{ app: app.name }}
          typed={{ label: words.deleteTyped, text: app.name }}
          yes={words.deleteYes}
          action={remove}
          onYes={() => void remove.run()}
          onNo={() => setAsked(false)}
        />
      )}
    </Card>
  );
}

function SettingsShown({ of: { settings } }: { of: App }) {
  const { strings, number } = useLanguage();
  const words = strings.settings;
  const rate = (value: number | null | undefined) =>
    value == null ? strings.plans.noLimit : number(value);
  return (
    <Card title={strings.app.tabs.settings}>
      <Facts>
        <Fact name={words.choices.issuance.name}>
          {words.choices.issuance.options[settings.issuance].name}
        </Fact>
        <Fact name={words.numbers.connection_token_minutes.name}>
          {number(settings.connection_token_minutes)}
        </Fact>
        <Fact name={words.numbers.idle_days.name}>{number(settings.idle_days)}</Fact>
        <Fact name={words.numbers.per_key_per_second.name}>
          {rate(settings.rate_limit.per_key_per_second)}
        </Fact>
        <Fact name={words.numbers.per_connection_per_second.name}>
          {rate(settings.rate_limit.per_connection_per_second)}
        </Fact>
      </Facts>
    </Card>
  );
}
