import { useActivity } from "../hooks.js";
import { Fill, fill, useLanguage } from "../text.js";
import type { Activity } from "../types.js";
import { ShowMore, Waiting } from "./parts.js";

/** What the agent of a connection did. */
export function ActivityOfConnection({ id }: { id: string }) {
  const { strings } = useLanguage();
  const activity = useActivity(id);
  return (
    <div className="aa-activity">
      <Waiting of={activity} />
      {activity.data?.length === 0 && <p className="aa-hint">{strings.activity.none}</p>}
      <ul className="aa-events">
        {activity.data?.map((event) => (
          <li key={event.id}>
            <Event event={event} />
          </li>
        ))}
      </ul>
      <ShowMore of={activity} />
    </div>
  );
}

/** One record, in a sentence. */
export function Event({ event }: { event: Activity }) {
  const { strings, short, plural } = useLanguage();
  return (
    <>
      <span className="aa-dot" data-kind={event.outcome} aria-hidden="true" />
      <span>
        <Sentence event={event} />
        {event.count > 1 && ` (${plural(strings.activity.times, event.count)})`}
      </span>
      <time className="aa-hint" dateTime={event.occurred_at}>
        {short(event.occurred_at)}
      </time>
    </>
  );
}

function Sentence({ event }: { event: Activity }) {
  const { strings } = useLanguage();
  const words = strings.activity;
  if (event.event !== "verified" && event.event !== "refused") {
    return <>{words.events[event.event] ?? words.other}</>;
  }
  const what =
    [event.method, event.endpoint].filter(Boolean).join(" ") || event.scope || words.call;
  const reason = event.reason && words.reasons[event.reason];
  return (
    <>
      <Fill text={fill(words[event.event], {})} what={<code dir="ltr">{what}</code>} />
      {event.event === "refused" && reason && ` – ${reason}`}
    </>
  );
}
