import { type ReactNode, useId, useRef, useState } from "react";
import { useRevoke } from "../hooks.js";
import { fill, useLanguage } from "../text.js";
import type { Connection, Grantable } from "../types.js";
import { ActivityOfConnection } from "./ActivityList.js";
import { Subheading } from "./Frame.js";
import { NarrowForm } from "./NarrowForm.js";
import { AgentName, Confirm, Status, useNow } from "./parts.js";

type Open = "activity" | "change" | "end" | null;

/** One connection of the user's own, and what can be done with it. */
export function ConnectionRow({
  of: connection,
  offer,
  onChanged,
}: {
  of: Connection;
  offer: Grantable | null;
  /** With what to tell the person, and whether the row changes its place. */
  onChanged: (said: string, isGone: boolean) => void;
}) {
  const { strings } = useLanguage();
  const words = strings.connections;
  const id = useId();
  const [open, setOpen] = useState<Open>(null);
  const buttons = useRef<HTMLDivElement>(null);
  const revoke = useRevoke();
  const agent = connection.agent_label ?? words.unnamed;
  const isOver = connection.status === "revoked" || connection.status === "expired";

  const close = () => {
    // the focus goes back to where it came from
    buttons.current?.querySelector<HTMLElement>("[aria-expanded=true]")?.focus();
    setOpen(null);
    revoke.reset();
  };
  const end = async () => {
    if (await revoke.run(connection.connection_id)) {
      onChanged(fill(words.endedNow, { agent }), true);
    }
  };
  const button = (what: Exclude<Open, null>, text: string, kind = "") => (
    <button
      type="button"
      className={`aa-button ${kind}`}
      aria-label={`${text}: ${agent}`}
      aria-expanded={open === what}
      aria-controls={open === what ? `${id}-${what}` : undefined}
      onClick={() => (open === what ? close() : setOpen(what))}
    >
      {text}
    </button>
  );

  return (
    <li className="aa-card" aria-labelledby={id} data-over={isOver || undefined}>
      <div className="aa-card-head">
        <Subheading id={id}>
          <AgentName of={connection} />
        </Subheading>
        <Status of={connection.status} />
      </div>
      {connection.status === "pending" && <p className="aa-hint">{words.pendingHint}</p>}
      <Facts of={connection} offer={offer} />
      <div className="aa-actions" ref={buttons}>
        {button("activity", words.activity)}
        {!isOver && button("change", words.change)}
        {!isOver && button("end", words.end, "aa-quiet-danger")}
      </div>
      <div id={`${id}-${open}`}>
        {open === "activity" && <ActivityOfConnection id={connection.connection_id} />}
        {open === "change" && (
          <NarrowForm
            of={connection}
            offer={offer}
            onCancel={close}
            onSaved={() => {
              close();
              onChanged(words.changedNow, false);
            }}
          />
        )}
        {open === "end" && (
          <Confirm
            text={words.confirmEnd}
            values={{ agent }}
            yes={words.confirm}
            action={revoke}
            onYes={() => void end()}
            onNo={close}
          />
        )}
      </div>
    </li>
  );
}

function Facts({ of: connection, offer }: { of: Connection; offer: Grantable | null }) {
  const { strings, moment, relative, plural } = useLanguage();
  const words = strings.connections;
  const now = useNow(30_000);
  const described = new Map(offer?.scopes.map((scope) => [scope.name, scope.description]));
  const isOver = connection.status === "revoked" || connection.status === "expired";
  const end = connection.revoked_at ?? connection.expires_at;
  return (
    <dl className="aa-facts">
      <Fact name={words.may}>
        <ul className="aa-plain">
          {connection.scopes.map((name) => (
            <li key={name}>
              <bdi>{described.get(name) ?? name}</bdi>
            </li>
          ))}
        </ul>
      </Fact>
      <Fact name={isOver ? words.ended : words.ends}>
        {end ? <time dateTime={end}>{moment(end)}</time> : words.never}
      </Fact>
      <Fact name={words.lastUsed}>
        {connection.last_used_at && now > 0 ? (
          <time dateTime={connection.last_used_at} title={moment(connection.last_used_at)}>
            {`${relative(connection.last_used_at, now)}, ${plural(words.calls, connection.calls)}`}
          </time>
        ) : (
          words.notUsed
        )}
      </Fact>
      {connection.user_intent && (
        <Fact name={words.yourNote}>
          <bdi>{connection.user_intent}</bdi>
        </Fact>
      )}
      {connection.purpose && (
        <Fact name={words.purpose}>
          <bdi>{connection.purpose}</bdi>
        </Fact>
      )}
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
