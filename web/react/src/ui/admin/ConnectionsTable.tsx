import { useRef, useState } from "react";
import type { Action } from "../../resource.js";
import { useLanguage } from "../../text.js";
import type { AdminRevocation, Connection, Revoked } from "../../types.js";
import { AgentName, Confirm, Status, useNow } from "../parts.js";

interface Asked {
  connection: Connection;
  isAll: boolean;
}

/** A table on a desk, cards on a phone. */
export function ConnectionsTable({
  of: connections,
  revoke,
  onEnded,
}: {
  of: Connection[];
  revoke: Action<[AdminRevocation], Revoked>;
  /** With how many, where a user's were ended. */
  onEnded: (count: number | undefined) => void;
}) {
  const { strings } = useLanguage();
  const words = strings.admin;
  const [asked, setAsked] = useState<Asked | null>(null);
  const from = useRef<HTMLElement | null>(null);
  const close = () => {
    setAsked(null);
    revoke.reset();
    from.current?.focus();
  };
  const end = async ({ connection, isAll }: Asked) => {
    const { user_id, connection_id } = connection;
    const ended = await revoke.run(isAll ? { user_id } : { connection_id });
    if (!ended) return;
    setAsked(null);
    onEnded(isAll ? (ended.count ?? 0) : undefined);
  };
  return (
    <table className="aa-table aa-cards">
      <thead>
        <tr>
          <th scope="col">{words.agent}</th>
          <th scope="col">{words.user}</th>
          <th scope="col">{words.status}</th>
          <th scope="col">{strings.connections.lastUsed}</th>
          <th scope="col">{words.calls}</th>
          <td />
        </tr>
      </thead>
      {connections.map((connection) => (
        <tbody key={connection.connection_id}>
          <Row
            of={connection}
            onAsk={(isAll, button) => {
              from.current = button;
              revoke.reset();
              setAsked({ connection, isAll });
            }}
          />
          {asked?.connection.connection_id === connection.connection_id && (
            <tr>
              <td colSpan={6}>
                <Confirm
                  key={String(asked.isAll)}
                  text={asked.isAll ? words.confirmAll : words.confirmEnd}
                  values={{
                    agent: connection.agent_label ?? strings.connections.unnamed,
                    user: connection.user_label ?? connection.user_id,
                  }}
                  yes={strings.connections.confirm}
                  action={revoke}
                  onYes={() => void end(asked)}
                  onNo={close}
                />
              </td>
            </tr>
          )}
        </tbody>
      ))}
    </table>
  );
}

function Row({
  of: connection,
  onAsk,
}: {
  of: Connection;
  onAsk: (isAll: boolean, button: HTMLElement) => void;
}) {
  const { strings, relative, moment, number } = useLanguage();
  const words = strings.admin;
  const now = useNow(30_000);
  const isOver = connection.status === "revoked" || connection.status === "expired";
  const { last_used_at, user_label, user_id } = connection;
  const agent = connection.agent_label ?? strings.connections.unnamed;
  return (
    <tr>
      <th scope="row">
        <AgentName of={connection} />
        <span className="aa-hint" dir="ltr">
          {connection.scopes.join(" ")}
        </span>
      </th>
      <td data-name={words.user}>
        <bdi>{user_label ?? user_id}</bdi>
        {user_label && (
          <span className="aa-hint">
            <bdi>{user_id}</bdi>
          </span>
        )}
      </td>
      <td data-name={words.status}>
        <Status of={connection.status} />
      </td>
      <td data-name={strings.connections.lastUsed}>
        {last_used_at && now > 0 ? (
          <time dateTime={last_used_at} title={moment(last_used_at)}>
            {relative(last_used_at, now)}
          </time>
        ) : (
          strings.connections.notUsed
        )}
      </td>
      <td data-name={words.calls}>{number(connection.calls)}</td>
      <td>
        {!isOver && (
          <div className="aa-actions">
            <button
              type="button"
              className="aa-button aa-quiet-danger"
              aria-label={`${words.end}: ${agent}, ${user_label ?? user_id}`}
              onClick={(event) => onAsk(false, event.currentTarget)}
            >
              {words.end}
            </button>
            <button
              type="button"
              className="aa-button aa-quiet-danger"
              aria-label={`${words.endAll}: ${user_label ?? user_id}`}
              onClick={(event) => onAsk(true, event.currentTarget)}
            >
              {words.endAll}
            </button>
          </div>
        )}
      </td>
    </tr>
  );
}
