// Records of the log, as sentences that open to all that they hold.
import { Fill } from "../../../react/src/text.js";
import { type AuditQuery, audit } from "../api.js";
import { useLanguage } from "../language.js";
import { usePage } from "../paging.js";
import { hrefOf, Link } from "../router.js";
import type { App, AuditRecord } from "../types.js";
import { Empty, EnvironmentBadge, Pager, Time, Waiting } from "../ui/parts.js";

/** A list of records by pages, newest first. */
export function EventList({
  query,
  apps,
  isShort,
}: {
  query: AuditQuery;
  apps?: Map<string, App>;
  isShort?: boolean;
}) {
  const { strings } = useLanguage();
  const page = usePage(
    (cursor, signal) => audit.list({ ...query, ...(isShort && { limit: 15 }), cursor }, signal),
    JSON.stringify(query),
  );
  return (
    <>
      <Waiting of={page} />
      {page.data?.events.length === 0 && <Empty title={strings.audit.none} />}
      {page.data && page.data.events.length > 0 && (
        <Events of={page.data.events} apps={apps} isOfOne={isShort} />
      )}
      <Pager of={page} />
    </>
  );
}

export function Events({
  of,
  apps,
  isOfOne,
}: {
  of: AuditRecord[];
  apps?: Map<string, App> | undefined;
  /** Whether all are of one agent, whose name stands above them. */
  isOfOne?: boolean | undefined;
}) {
  return (
    <ol className="events">
      {of.map((record) => (
        <li key={record.id}>
          <details className="event" data-outcome={record.outcome}>
            <summary>
              <span className="dot" aria-hidden="true" />
              <span className="event-text">
                <Sentence of={record} />
                {!isOfOne && (
                  <span className="hint">
                    <Whose of={record} apps={apps} />
                  </span>
                )}
              </span>
              <span className="hint when">
                <Time at={record.occurred_at} />
              </span>
            </summary>
            <Whole of={record} />
          </details>
        </li>
      ))}
    </ol>
  );
}

/** One record, in a sentence. */
export function Sentence({ of: record }: { of: AuditRecord }) {
  const { strings, plural } = useLanguage();
  const words = strings.audit;
  const called = [record.method, record.endpoint].filter(Boolean).join(" ");
  const what = called || record.scope || record.reason || words.call;
  const isCall = record.event === "verified" || record.event === "refused";
  const reason = record.event === "refused" && record.reason ? words.reasons[record.reason] : null;
  return (
    <span className="sentence">
      {isCall ? (
        <Fill
          text={record.event === "verified" ? words.verified : words.refused}
          what={<code dir="ltr">{what}</code>}
        />
      ) : (
        (words.events[record.event] ?? record.event)
      )}
      {reason && <> – {reason}</>}
      {record.count > 1 && <> ({plural(words.times, record.count)})</>}
    </span>
  );
}

function Whose({ of: record, apps }: { of: AuditRecord; apps?: Map<string, App> | undefined }) {
  const parts = [
    record.agent_label,
    record.user_id,
    apps && record.app_id ? (apps.get(record.app_id)?.name ?? record.app_id) : null,
  ].filter((it): it is string => Boolean(it));
  return parts.map((text, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of one record never move
    <span key={index}>
      {index > 0 && " · "}
      <bdi>{text}</bdi>
    </span>
  ));
}

/** Everything that a record holds. */
function Whole({ of: record }: { of: AuditRecord }) {
  const { strings } = useLanguage();
  const words = strings.audit;
  const { app_id, connection_id, environment, ...rest } = record;
  const plain = Object.entries(rest).filter(([, value]) => value !== null);
  return (
    <dl className="whole" aria-label={words.whole}>
      {app_id && (
        <div>
          <dt>{strings.app.one}</dt>
          <dd>
            <Link href={hrefOf(`/apps/${app_id}`)}>
              <code dir="ltr">{app_id}</code>
            </Link>{" "}
            <EnvironmentBadge of={environment} />
          </dd>
        </div>
      )}
      {connection_id && (
        <div>
          <dt>{strings.connections.one}</dt>
          <dd>
            <Link href={hrefOf(`/connections/${connection_id}`)}>
              <code dir="ltr">{connection_id}</code>
            </Link>
          </dd>
        </div>
      )}
      {plain.map(([name, value]) => (
        <div key={name}>
          <dt>{words.members[name] ?? name}</dt>
          <dd>
            <bdi>{typeof value === "object" ? JSON.stringify(value) : String(value)}</bdi>
          </dd>
        </div>
      ))}
    </dl>
  );
}
