import { type FormEvent, useId, useState } from "react";
import { useNarrow } from "../hooks.js";
import { fill, useLanguage } from "../text.js";
import type { Connection, Grantable, Narrowing } from "../types.js";
import { Problem, useNow } from "./parts.js";
import { ScopeChoice } from "./ScopePicker.js";

/** Takes away what a connection may do, or lets it end earlier. */
export function NarrowForm({
  of: connection,
  offer,
  onSaved,
  onCancel,
}: {
  of: Connection;
  offer: Grantable | null;
  onSaved: () => void;
  onCancel: () => void;
}) {
  const { strings } = useLanguage();
  const [kept, setKept] = useState<ReadonlySet<string>>(() => new Set(connection.scopes));
  const [seconds, setSeconds] = useState<number | null>(null);
  const narrow = useNarrow();
  const isChanged = seconds !== null || kept.size < connection.scopes.length;

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (kept.size === 0) return;
    if (!isChanged) return onCancel();
    const request: Narrowing = {};
    const removed = connection.scopes.filter((name) => !kept.has(name));
    if (removed.length > 0) request.remove_scopes = removed;
    if (seconds !== null) request.expires_at = new Date(Date.now() + seconds * 1_000).toISOString();
    if (await narrow.run(connection.connection_id, request)) onSaved();
  };

  const toggle = (name: string) => {
    const changed = new Set(kept);
    if (!changed.delete(name)) changed.add(name);
    setKept(changed);
  };
  const known = new Map(offer?.scopes.map((scope) => [scope.name, scope]));
  return (
    <form className="aa-form aa-inner" onSubmit={(event) => void submit(event)} noValidate>
      <p className="aa-hint">{strings.narrow.intro}</p>
      <fieldset className="aa-field">
        <legend>{strings.narrow.scopes}</legend>
        {connection.scopes.map((name) => (
          <ScopeChoice
            key={name}
            scope={known.get(name) ?? { name, description: name, sensitive: false, admin: false }}
            isChosen={kept.has(name)}
            onToggle={() => toggle(name)}
          />
        ))}
        <p className="aa-error" role="alert">
          {kept.size === 0 && strings.narrow.keepOne}
        </p>
      </fieldset>
      <EarlierEnd of={connection} offer={offer} chosen={seconds} onChange={setSeconds} />
      <Problem error={narrow.error} />
      <div className="aa-actions">
        <button
          type="submit"
          className="aa-button aa-main"
          aria-disabled={narrow.isRunning || kept.size === 0}
        >
          {strings.narrow.save}
        </button>
        <button type="button" className="aa-button" onClick={onCancel}>
          {strings.cancel}
        </button>
      </div>
    </form>
  );
}

const HOUR_DAY_WEEK = [3_600, 86_400, 604_800];

function EarlierEnd({
  of: connection,
  offer,
  chosen,
  onChange,
}: {
  of: Connection;
  offer: Grantable | null;
  chosen: number | null;
  onChange: (seconds: number | null) => void;
}) {
  const { strings, duration, moment } = useLanguage();
  const id = useId();
  const now = useNow(30_000);
  const end = connection.expires_at ? Date.parse(connection.expires_at) : Number.POSITIVE_INFINITY;
  const offered = offer?.durations.flatMap((it) => it.seconds ?? []) ?? [];
  const earlier = [...new Set([...HOUR_DAY_WEEK, ...offered])]
    .sort((a, b) => a - b)
    .filter((seconds) => now + seconds * 1_000 < end);
  const asNow = connection.expires_at ? moment(connection.expires_at) : strings.connections.never;
  return (
    <div className="aa-field">
      <label className="aa-label" htmlFor={id}>
        {strings.narrow.end}
      </label>
      <select
        className="aa-input"
        id={id}
        value={chosen ?? ""}
        onChange={(event) => onChange(Number(event.currentTarget.value) || null)}
      >
        <option value="">{`${strings.narrow.asNow}: ${asNow}`}</option>
        {earlier.map((seconds) => (
          <option key={seconds} value={seconds}>
            {`${fill(strings.narrow.inTime, { duration: duration(seconds) })}: ${moment(now + seconds * 1_000)}`}
          </option>
        ))}
      </select>
    </div>
  );
}
