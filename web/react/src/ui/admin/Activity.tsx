import { useId, useState } from "react";
import { useAdminActivity, useEvery } from "../../hooks.js";
import { useLanguage } from "../../text.js";
import { Event } from "../ActivityList.js";
import { Heading } from "../Frame.js";
import { AgentName, ShowMore, Waiting } from "../parts.js";

/** How often a live list is read again, in milliseconds. */
const READ_EVERY = 3_000;

/** What agents do, newest first, as it happens. */
export function LiveActivity() {
  const { strings } = useLanguage();
  const words = strings.admin;
  const id = useId();
  const [isLive, setLive] = useState(true);
  const activity = useAdminActivity();
  useEvery(isLive ? READ_EVERY : null, activity.reload);
  return (
    <section className="aa-section" aria-label={words.activity}>
      <div className="aa-card-head">
        <Heading>{words.activity}</Heading>
        <div className="aa-choice">
          <input id={id} type="checkbox" checked={isLive} onChange={() => setLive(!isLive)} />
          <label htmlFor={id}>{words.live}</label>
        </div>
      </div>
      <Waiting of={activity} />
      {activity.data?.length === 0 && <p className="aa-empty">{strings.activity.none}</p>}
      <ul className="aa-events">
        {activity.data?.map((event) => (
          <li key={event.id}>
            <Event event={event} />
            {event.connection_id && (
              <span className="aa-hint">
                <AgentName of={event} /> · <bdi>{event.user_id}</bdi>
              </span>
            )}
          </li>
        ))}
      </ul>
      <ShowMore of={activity} />
    </section>
  );
}
