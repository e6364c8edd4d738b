import { useState } from "react";
import { useEvery } from "../../../react/src/hooks.js";
import { useAction, useResource } from "../../../react/src/resource.js";
import { fill } from "../../../react/src/text.js";
import { type AuditQuery, audit } from "../api.js";
import { useLanguage } from "../language.js";
import { hrefOf, Link } from "../router.js";
import type { AuditEvent } from "../types.js";
import { oneOf, refine } from "../ui/filters.js";
import { SelectField, TextField } from "../ui/form.js";
import { Badge, Card, Problem, useSay, View, Waiting } from "../ui/parts.js";
import { useApps } from "../ui/useApps.js";
import { AppPicker } from "./Connections.js";
import { EventList } from "./Events.js";

/** What happened, in every app: search, export, and whether the log is whole. */
export function Audit({ query }: { query: URLSearchParams }) {
  const { strings } = useLanguage();
  return (
    <View title={strings.audit.title} intro={strings.audit.intro}>
      <VerificationCard />
      <AuditList query={query} />
    </View>
  );
}

/** The records that the address asks for; of one app, where the view is of one. */
export function AuditList({ app, query }: { app?: string; query: URLSearchParams }) {
  const { strings } = useLanguage();
  const apps = useApps();
  const path = app ? `/apps/${app}/activity` : "/audit";
  const wanted = queryOf(query, strings.audit.events, app);
  const isFiltered = [...query.values()].some(Boolean);
  return (
    <>
      <AuditFilters key={String(isFiltered)} path={path} query={query} apps={app ? null : apps} />
      <div className="between">
        {isFiltered ? (
          <Link className="button small" href={hrefOf(path)}>
            {strings.clearFilters}
          </Link>
        ) : (
          <span />
        )}
        <Export query={wanted} />
      </div>
      <EventList query={wanted} {...(!app && { apps })} />
    </>
  );
}

/** The person's terms, as the service takes them. */
export function queryOf(
  query: URLSearchParams,
  events: Record<string, string>,
  app?: string,
): AuditQuery {
  const term = query.get("term")?.trim() ?? "";
  const known = Object.keys(events) as AuditEvent[];
  return {
    app_id: app ?? query.get("app") ?? undefined,
    environment: oneOf(["live", "test"] as const, query.get("environment")),
    event: oneOf(known, query.get("event")),
    outcome: oneOf(OUTCOMES, query.get("outcome")),
    reason: query.get("reason") || undefined,
    from: startOf(query.get("from"), 0),
    // the last day is in it
    to: startOf(query.get("to"), 1),
    ...termOf(term),
  };
}

const OUTCOMES = ["allowed", "refused", "done"] as const;
/** What stands before an id in the name of whoever did it. */
const ACTORS: Record<string, string> = {
  key: "key",
  op: "operator",
  acct: "account",
  ses: "session",
};

/** A term says by itself what it names: a connection, whoever did it, or a person. */
export function termOf(term: string): Pick<AuditQuery, "connection_id" | "actor" | "user_id"> {
  if (/^conn_[0-9a-z]{26}$/.test(term)) return { connection_id: term };
  if (
    /^(key:key|operator:op|agent:conn|account:acct|session:ses)_[0-9a-z]{26}$|^system$/.test(term)
  ) {
    return { actor: term };
  }
  const kind = /^(key|op|acct|ses)_[0-9a-z]{26}$/.exec(term)?.[1];
  if (kind) return { actor: `${ACTORS[kind]}:${term}` };
  return term ? { user_id: term } : {};
}

/** The beginning of a day in UTC, some days later. */
export function startOf(day: string | null, later: number): string | undefined {
  const time = Date.parse(`${day}T00:00:00Z`);
  if (!day || Number.isNaN(time)) return undefined;
  return new Date(time + later * 86_400_000).toISOString();
}

function AuditFilters({
  path,
  query,
  apps,
}: {
  path: string;
  query: URLSearchParams;
  apps: ReturnType<typeof useApps> | null;
}) {
  const { strings } = useLanguage();
  const words = strings.audit;
  const [term, setTerm] = useState(query.get("term") ?? "");
  const change = (changed: Record<string, string | undefined>) => refine(path, query, changed);
  const day = (name: "from" | "to") => (
    <TextField
      label={words[name]}
      type="date"
      dir="ltr"
      value={query.get(name) ?? ""}
      onValue={(value) => change({ [name]: value })}
    />
  );
  return (
    <form
      className="filters"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        change({ term: term.trim() });
      }}
    >
      <TextField
        label={words.term}
        type="search"
        placeholder={words.termHint}
        value={term}
        onValue={setTerm}
        maxLength={128}
        spellCheck={false}
        onBlur={() => change({ term: term.trim() })}
      />
      {apps && <AppPicker apps={apps} query={query} onPick={(app) => change({ app })} />}
      <SelectField
        label={strings.keys.environment}
        value={query.get("environment") ?? ""}
        onValue={(environment) => change({ environment })}
        options={[
          ["", strings.any],
          ["live", strings.environments.live],
          ["test", strings.environments.test],
        ]}
      />
      <SelectField
        label={words.event}
        value={query.get("event") ?? ""}
        onValue={(event) => change({ event })}
        options={[["", strings.any], ...Object.entries(words.events)]}
      />
      <SelectField
        label={words.outcome}
        value={query.get("outcome") ?? ""}
        onValue={(outcome) => change({ outcome })}
        options={[["", strings.any], ...OUTCOMES.map((it) => [it, words.outcomes[it]] as const)]}
      />
      <SelectField
        label={words.reason}
        value={query.get("reason") ?? ""}
        onValue={(reason) => change({ reason })}
        options={[["", strings.any], ...Object.entries(words.reasons)]}
      />
      {day("from")}
      {day("to")}
      <button type="submit" className="button">
        {strings.search}
      </button>
    </form>
  );
}

/** An export is of one app's environment, or of the service itself. */
function Export({ query }: { query: AuditQuery }) {
  const { strings } = useLanguage();
  const words = strings.audit;
  const say = useSay();
  const save = useAction(async (format: "ndjson" | "csv") => {
    const { limit: _limit, cursor: _cursor, ...filter } = query;
    const blob = await audit.exported({ ...filter, format });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `agentadmit-audit.${format}`;
    link.click();
    URL.revokeObjectURL(link.href);
    say(words.exported);
  });
  const isWhole = Boolean(query.app_id) === Boolean(query.environment);
  return (
    <div className="export">
      <div className="actions">
        {(["csv", "ndjson"] as const).map((format) => (
          <button
            key={format}
            type="button"
            className="button small"
            aria-disabled={!isWhole || save.isRunning}
            aria-describedby={isWhole ? undefined : "export-hint"}
            onClick={() => isWhole && void save.run(format)}
          >
            {fill(words.export, { format: format.toUpperCase() })}
          </button>
        ))}
      </div>
      {!isWhole && (
        <p className="hint" id="export-hint">
          {words.exportNeeds}
        </p>
      )}
      <Problem error={save.error} />
    </div>
  );
}

/** How often a running check is asked how far it is, in milliseconds. */
const ASK_EVERY = 1_000;

const NOTHING = { running: null, last: null, failed_at: null };

/** Whether the log is whole: each record holds the hash of the one before. */
export function VerificationCard() {
  const { strings, number, moment, plural } = useLanguage();
  const words = strings.verification;
  const state = useResource((signal) => audit.verification(signal), "verification");
  const start = useAction(async () => {
    await audit.verify();
    await state.reload();
  });
  const { running, last, failed_at: failed } = state.data ?? NOTHING;
  useEvery(running ? ASK_EVERY : null, state.reload);
  return (
    <Card
      title={words.title}
      beside={
        last && (
          <Badge tone={last.intact ? "good" : "bad"}>
            {last.intact ? words.intact : words.broken}
          </Badge>
        )
      }
    >
      <p>{words.intro}</p>
      <Waiting of={state} />
      {last && (
        <p>
          {fill(last.intact ? words.lastIntact : words.lastBroken, {
            time: moment(last.verified_at),
            records: plural(words.records, last.records),
            chains: plural(words.chains, last.chains),
          })}
        </p>
      )}
      {last && !last.intact && (
        <div className="problem" role="alert">
          <p>{words.whatToDo}</p>
          <ul>
            {last.findings.map((finding) => (
              <li key={finding}>
                <bdi lang="en" dir="ltr">
                  {finding}
                </bdi>
              </li>
            ))}
          </ul>
          {last.findings_total > last.findings.length && (
            <p>{plural(words.more, last.findings_total - last.findings.length)}</p>
          )}
        </div>
      )}
      {failed && <p className="mistake">{fill(words.failed, { time: moment(failed) })}</p>}
      {state.data && !last && !running && <p className="hint">{words.never}</p>}
      <Problem error={start.error} />
      {running ? (
        <div className="running">
          <p role="status">{fill(words.running, { records: number(running.records) })}</p>
          <progress
            className="meter"
            aria-label={words.progress}
            max={Math.max(running.end, 1)}
            value={running.position}
          />
        </div>
      ) : (
        state.data && (
          <button
            type="button"
            className="button"
            aria-disabled={start.isRunning}
            onClick={() => void start.run()}
          >
            {words.start}
          </button>
        )
      )}
    </Card>
  );
}
