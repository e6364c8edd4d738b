import { useEffect, useId, useState } from "react";
import { useAdminConnections, useAdminRevoke } from "../../hooks.js";
import { useAgentAdmit } from "../../provider.js";
import { useLanguage } from "../../text.js";
import type { Connection, ConnectionStatus } from "../../types.js";
import { Heading } from "../Frame.js";
import { Said, ShowMore, Waiting } from "../parts.js";
import { ConnectionsTable } from "./ConnectionsTable.js";

const STATUSES: ConnectionStatus[] = ["active", "pending", "expired", "revoked"];

/** How long typing must rest before the app is asked, in milliseconds. */
const REST = 300;

/** Everybody's connections: search, filter, end. */
export function AllConnections() {
  const { strings, plural } = useLanguage();
  const words = strings.admin;
  const id = useId();
  const [status, setStatus] = useState<ConnectionStatus | "">("");
  const [search, setSearch] = useState("");
  const [said, setSaid] = useState("");
  const pages = useAdminConnections(status ? { status } : {});
  const ofUser = useOfUser(search.trim(), status, pages.data);
  const revoke = useAdminRevoke();
  const shown = unique([...ofUser, ...(pages.data ?? []).filter((it) => matches(it, search))]);
  const isSearching = search.trim() !== "";
  const ended = (count: number | undefined) => {
    setSaid(count === undefined ? words.endedOne : plural(words.endedAll, count));
    void pages.reload();
  };
  return (
    <section className="aa-section" aria-label={words.connections}>
      <Heading>{words.connections}</Heading>
      <div className="aa-filters" role="search">
        <div>
          <label className="aa-label" htmlFor={id}>
            {words.search}
          </label>
          <input
            className="aa-input"
            id={id}
            type="search"
            dir="auto"
            placeholder={words.searchHint}
            autoComplete="off"
            maxLength={128}
            value={search}
            onChange={(event) => setSearch(event.currentTarget.value)}
          />
        </div>
        <div>
          <label className="aa-label" htmlFor={`${id}-status`}>
            {words.status}
          </label>
          <select
            className="aa-input"
            id={`${id}-status`}
            value={status}
            onChange={(event) => setStatus(event.currentTarget.value as ConnectionStatus | "")}
          >
            <option value="">{words.anyStatus}</option>
            {STATUSES.map((it) => (
              <option key={it} value={it}>
                {strings.connections.status[it]}
              </option>
            ))}
          </select>
        </div>
      </div>
      <Said text={said} isGone />
      <Waiting of={pages} />
      {pages.data && (
        <p className="aa-hint" role="status">
          {plural(words.found, isSearching ? shown.length : (pages.total ?? shown.length))}
          {isSearching && pages.hasMore && ` ${words.searchMore}`}
        </p>
      )}
      {pages.data && shown.length === 0 && (
        <p className="aa-empty">{isSearching || status ? words.nothingFound : words.none}</p>
      )}
      {shown.length > 0 && <ConnectionsTable of={shown} revoke={revoke} onEnded={ended} />}
      <ShowMore of={pages} />
    </section>
  );
}

/** The connections of the user whose whole id was typed, wherever in the list they are. */
function useOfUser(id: string, status: ConnectionStatus | "", after: unknown): Connection[] {
  const client = useAgentAdmit();
  const [found, setFound] = useState<{ key: string; connections: Connection[] } | null>(null);
  const key = `${id} ${status}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: read again when the list was
  useEffect(() => {
    if (!id) return;
    const mine = new AbortController();
    const ask = async () => {
      const query = status ? { user_id: id, status } : { user_id: id };
      // an id that is none finds nobody
      const list = await client.adminConnections(query, mine.signal).catch(() => null);
      if (!mine.signal.aborted) setFound({ key, connections: list?.connections ?? [] });
    };
    const timer = setTimeout(() => void ask(), REST);
    return () => {
      clearTimeout(timer);
      mine.abort();
    };
  }, [client, id, status, key, after]);
  return id && found?.key === key ? found.connections : [];
}

export function matches(connection: Connection, search: string): boolean {
  const wanted = search.trim().toLocaleLowerCase();
  const { user_id, user_label, agent_label, connection_id, scopes } = connection;
  return [user_id, user_label, agent_label, connection_id, ...scopes].some((text) =>
    text?.toLocaleLowerCase().includes(wanted),
  );
}

function unique(connections: Connection[]): Connection[] {
  return [...new Map(connections.map((it) => [it.connection_id, it])).values()];
}
