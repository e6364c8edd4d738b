import { useState } from "react";
import { fill } from "../../../react/src/text.js";
import { connectionsOf } from "../api.js";
import { useLanguage } from "../language.js";
import { usePage } from "../paging.js";
import { go, hrefOf, Link } from "../router.js";
import type { App, Connection, ConnectionStatus } from "../types.js";
import { oneOf, refine } from "../ui/filters.js";
import { SelectField, TextField } from "../ui/form.js";
import {
  Badge,
  Empty,
  EnvironmentBadge,
  Pager,
  Table,
  Time,
  type Tone,
  View,
  Waiting,
} from "../ui/parts.js";
import { useApps } from "../ui/useApps.js";

export const STATUSES: ConnectionStatus[] = ["active", "pending", "expired", "revoked"];
const TONES: Record<ConnectionStatus, Tone> = {
  active: "good",
  pending: "accent",
  expired: "quiet",
  revoked: "quiet",
};

export function Status({ of }: { of: Pick<Connection, "status" | "suspended"> }) {
  const { strings } = useLanguage();
  if (of.suspended) return <Badge tone="warning">{strings.connections.suspended}</Badge>;
  return <Badge tone={TONES[of.status]}>{strings.connections.status[of.status]}</Badge>;
}

/** Every connection of every app. */
export function Connections({ query }: { query: URLSearchParams }) {
  const { strings } = useLanguage();
  return (
    <View title={strings.connections.title} intro={strings.connections.intro}>
      <ConnectionsOf query={query} />
    </View>
  );
}

/** Connections with search and filter: of one app, or across apps. */
export function ConnectionsOf({ app, query }: { app?: string; query: URLSearchParams }) {
  const { strings, plural } = useLanguage();
  const words = strings.connections;
  const path = app ? `/apps/${app}/connections` : "/connections";
  const apps = useApps();
  const wanted = {
    app_id: app ?? query.get("app") ?? undefined,
    environment: oneOf(["live", "test"] as const, query.get("environment")),
    status: oneOf(STATUSES, query.get("status")),
    user_id: query.get("user") ?? undefined,
  };
  const page = usePage(
    (cursor, signal) => connectionsOf.list({ ...wanted, cursor }, signal),
    JSON.stringify(wanted),
  );
  const isFiltered = Boolean(
    wanted.environment || wanted.status || wanted.user_id || (!app && wanted.app_id),
  );
  return (
    <>
      <ConnectionFilters path={path} query={query} apps={app ? null : apps} />
      <Waiting of={page} />
      {page.data && (
        <p className="hint" role="status">
          {plural(words.found, page.data.total)}
        </p>
      )}
      {page.data?.connections.length === 0 && (
        <Empty title={isFiltered ? words.nothingFound : words.none}>
          {isFiltered && (
            <Link className="button" href={hrefOf(path)}>
              {strings.clearFilters}
            </Link>
          )}
        </Empty>
      )}
      {page.data && page.data.connections.length > 0 && (
        <ConnectionsTable of={page.data.connections} apps={app ? null : apps} />
      )}
      <Pager of={page} />
    </>
  );
}

function ConnectionFilters({
  path,
  query,
  apps,
}: {
  path: string;
  query: URLSearchParams;
  apps: Map<string, App> | null;
}) {
  const { strings } = useLanguage();
  const words = strings.connections;
  const [search, setSearch] = useState(query.get("user") ?? "");
  const change = (changed: Record<string, string | undefined>) => refine(path, query, changed);
  const find = () => {
    const text = search.trim();
    if (/^conn_[0-9a-z]{26}$/.test(text)) go(hrefOf(`/connections/${text}`));
    else change({ user: text });
  };
  return (
    <form
      className="filters"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        find();
      }}
    >
      <TextField
        label={words.search}
        type="search"
        placeholder={words.searchHint}
        value={search}
        onValue={setSearch}
        maxLength={128}
        onBlur={find}
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
        label={words.statusLabel}
        value={query.get("status") ?? ""}
        onValue={(status) => change({ status })}
        options={[["", strings.any], ...STATUSES.map((it) => [it, words.status[it]] as const)]}
      />
      <button type="submit" className="button">
        {strings.search}
      </button>
    </form>
  );
}

export function AppPicker({
  apps,
  query,
  onPick,
}: {
  apps: Map<string, App>;
  query: URLSearchParams;
  onPick: (app: string) => void;
}) {
  const { strings } = useLanguage();
  const picked = query.get("app") ?? "";
  const options = [...apps.values()].map((app) => [app.app_id, app.name] as const);
  // what the address names is shown before its name is known
  const unknown = picked && !apps.has(picked) ? [[picked, picked] as const] : [];
  return (
    <SelectField
      label={strings.app.one}
      value={picked}
      onValue={onPick}
      options={[["", strings.any], ...unknown, ...options]}
    />
  );
}

export function ConnectionsTable({
  of,
  apps,
}: {
  of: Connection[];
  /** By which apps are called; `null` leaves the column out. */
  apps: Map<string, App> | null;
}) {
  const { strings, number } = useLanguage();
  const words = strings.connections;
  const heads = [
    words.agent,
    words.user,
    ...(apps ? [strings.app.one] : []),
    words.statusLabel,
    words.lastUsed,
    words.calls,
  ];
  return (
    <Table heads={heads} label={words.title}>
      {of.map((it) => (
        <tr key={it.connection_id} data-over={isOver(it) ? true : undefined}>
          <th scope="row">
            <Link
              className="row-link"
              href={hrefOf(`/connections/${it.connection_id}`)}
              aria-label={fill(words.open, {
                agent: it.agent_label ?? words.unnamed,
                user: it.user_label ?? it.user_id,
              })}
            >
              <bdi>{it.agent_label ?? words.unnamed}</bdi>
            </Link>
            <span className="hint" dir="ltr">
              {shortened(it.scopes)}
            </span>
          </th>
          <td data-name={words.user}>
            <bdi>{it.user_label ?? it.user_id}</bdi>
            {it.user_label && <bdi className="hint">{it.user_id}</bdi>}
          </td>
          {apps && (
            <td data-name={strings.app.one}>
              <bdi>{apps.get(it.app_id)?.name ?? it.app_id}</bdi>
              <EnvironmentBadge of={it.environment} />
            </td>
          )}
          <td data-name={words.statusLabel}>
            <Status of={it} />
          </td>
          <td data-name={words.lastUsed}>
            {it.last_used_at ? <Time at={it.last_used_at} /> : words.notUsed}
          </td>
          <td data-name={words.calls} className="number">
            {number(it.calls)}
          </td>
        </tr>
      ))}
    </Table>
  );
}

export const isOver = (of: Pick<Connection, "status">) =>
  of.status === "revoked" || of.status === "expired";

/** The first few, and how many more. */
export function shortened(scopes: string[], most = 3): string {
  const more = scopes.length - most;
  return scopes.slice(0, most).join("  ") + (more > 0 ? `  +${more}` : "");
}
