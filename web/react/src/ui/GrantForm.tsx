import { type FormEvent, useId, useState } from "react";
import { useGenerateToken } from "../hooks.js";
import { Fill, fill, useLanguage } from "../text.js";
import type { Grantable, Granted, GrantRequest } from "../types.js";
import { DurationPicker } from "./DurationPicker.js";
import { Problem } from "./parts.js";
import { ScopePicker } from "./ScopePicker.js";

/** The form of a grant. */
export function GrantForm({
  offer,
  purpose,
  preselected = [],
  onGranted,
}: {
  offer: Grantable;
  purpose?: string | undefined;
  preselected?: readonly string[] | undefined;
  onGranted: (granted: Granted) => void;
}) {
  const { strings } = useLanguage();
  const [scopes, setScopes] = useState<ReadonlySet<string>>(() => harmless(offer, preselected));
  const [seconds, setSeconds] = useState(() => offer.durations[0]?.seconds ?? null);
  const [agent, setAgent] = useState("");
  const [intent, setIntent] = useState("");
  const [isLacking, setLacking] = useState(false);
  const generate = useGenerateToken();
  const wrong = generate.error?.status === 422 ? generate.error.field : null;

  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setLacking(scopes.size === 0);
    if (scopes.size === 0) {
      event.currentTarget.querySelector("input")?.focus();
      return;
    }
    const request: GrantRequest = { scopes: [...scopes] };
    if (seconds === null) request.until_revoked = true;
    else request.duration_seconds = seconds;
    if (agent.trim()) request.agent_label = agent.trim();
    if (intent.trim()) request.user_intent = intent.trim();
    if (purpose) request.purpose = purpose;
    const granted = await generate.run(request);
    if (granted) onGranted(granted);
  };

  if (offer.scopes.length === 0) return <p>{strings.grant.noScopes}</p>;
  return (
    <form className="aa-form" onSubmit={(event) => void submit(event)} noValidate>
      <p>
        <Fill text={strings.grant.intro} app={offer.app.name} />
      </p>
      {purpose && (
        <div className="aa-purpose">
          <strong>
            <Fill text={strings.grant.purpose} app={offer.app.name} />
          </strong>
          <p>
            <bdi>{purpose}</bdi>
          </p>
        </div>
      )}
      <ScopePicker
        scopes={offer.scopes}
        chosen={scopes}
        error={isLacking && scopes.size === 0 ? strings.grant.nothingChosen : undefined}
        onChange={setScopes}
      />
      <DurationPicker durations={offer.durations} chosen={seconds} onChange={setSeconds} />
      <TextField
        label={strings.grant.agent}
        hint={strings.grant.agentHint}
        most={100}
        isWrong={wrong === "agent_label"}
        value={agent}
        onChange={setAgent}
      />
      <TextField
        label={strings.grant.intent}
        hint={strings.grant.intentHint}
        most={300}
        isWrong={wrong === "user_intent"}
        value={intent}
        onChange={setIntent}
      />
      <Problem error={generate.error} />
      <div className="aa-actions">
        <button type="submit" className="aa-button aa-main" aria-disabled={generate.isRunning}>
          {generate.isRunning ? strings.grant.submitting : strings.grant.submit}
        </button>
      </div>
    </form>
  );
}

function TextField({
  label,
  hint,
  most,
  isWrong,
  value,
  onChange,
}: {
  label: string;
  hint: string;
  most: number;
  isWrong: boolean;
  value: string;
  onChange: (value: string) => void;
}) {
  const { strings, number } = useLanguage();
  const id = useId();
  return (
    <div className="aa-field">
      <label className="aa-label" htmlFor={id}>
        {label} <span className="aa-hint">({strings.optional})</span>
      </label>
      <p className="aa-hint" id={`${id}-hint`}>
        {hint}
      </p>
      <p className="aa-error" id={`${id}-error`} role="alert">
        {isWrong && fill(strings.errors.invalid_text ?? "", { max: number(most) })}
      </p>
      <input
        className="aa-input"
        id={id}
        type="text"
        dir="auto"
        autoComplete="off"
        maxLength={most}
        value={value}
        aria-invalid={isWrong}
        aria-describedby={`${id}-hint ${id}-error`}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
    </div>
  );
}

/** What the app proposes, without anything sensitive: that, people choose themselves. */
function harmless(offer: Grantable, preselected: readonly string[]): ReadonlySet<string> {
  const isHarmless = (name: string) =>
    offer.scopes.some((scope) => scope.name === name && !scope.sensitive && !scope.admin);
  return new Set(preselected.filter(isHarmless));
}
