import { useId } from "react";
import { fill, useLanguage } from "../text.js";
import type { OfferedDuration } from "../types.js";
import { useNow } from "./parts.js";

/** How long: each choice with the date on which it ends. */
export function DurationPicker({
  durations,
  chosen,
  onChange,
}: {
  durations: OfferedDuration[];
  chosen: number | null;
  onChange: (seconds: number | null) => void;
}) {
  const { strings, moment, duration } = useLanguage();
  const id = useId();
  const now = useNow(30_000);
  return (
    <fieldset className="aa-field">
      <legend>{strings.grant.duration}</legend>
      <div className="aa-durations">
        {durations.map(({ label, seconds }) => (
          <div className="aa-choice" key={seconds ?? "for ever"}>
            <input
              type="radio"
              id={`${id}-${seconds}`}
              name={id}
              checked={chosen === seconds}
              onChange={() => onChange(seconds)}
              aria-describedby={`${id}-${seconds}-end`}
            />
            <label htmlFor={`${id}-${seconds}`}>
              <bdi>
                {label ?? (seconds === null ? strings.grant.untilRevoked : duration(seconds))}
              </bdi>
            </label>
            <span className="aa-hint" id={`${id}-${seconds}-end`}>
              {seconds === null
                ? strings.grant.untilRevokedHint
                : now > 0 && fill(strings.grant.endsOn, { date: moment(now + seconds * 1_000) })}
            </span>
          </div>
        ))}
      </div>
    </fieldset>
  );
}
