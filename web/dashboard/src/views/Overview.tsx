import { useEffect, useId, useState } from "react";
import { useEvery } from "../../../react/src/hooks.js";
import { useResource } from "../../../react/src/resource.js";
import { fill } from "../../../react/src/text.js";
import { audit, service } from "../api.js";
import { useLanguage } from "../language.js";
import { hrefOf, Link } from "../router.js";
import { Chart, Figures, lastDays } from "../ui/Chart.js";
import { Badge, Card, Empty, Fact, Facts, Time, View, Waiting } from "../ui/parts.js";
import { useApps } from "../ui/useApps.js";
import { Events } from "./Events.js";

/** How often the live list is read again, in milliseconds. */
const READ_EVERY = 5_000;
/** After how long without a hand on it the page stops asking: asking would keep the session open. */
const QUIET_AFTER = 5 * 60_000;

/** The service at a glance. */
export function Overview() {
  const { strings } = useLanguage();
  return (
    <View title={strings.overview.title}>
      <Numbers />
      <div className="columns wide">
        <Live />
        <ServiceHealth />
      </div>
    </View>
  );
}

function Numbers() {
  const { strings, number, plural } = useLanguage();
  const words = strings.overview;
  const [days] = useState(() => lastDays(30, Date.now()));
  const overview = useResource((signal) => service.overview(signal), "overview");
  const it = overview.data;
  return (
    <>
      <Waiting of={overview} />
      {it && (
        <>
          <Figures
            of={[
              [words.apps, number(it.apps)],
              [words.active, number(it.connections.active)],
              [words.allowedToday, number(it.today.allowed)],
              [words.refusedToday, number(it.today.refused)],
            ]}
          />
          <Card title={strings.chart.title}>
            <Chart series={it.series} {...days} />
            {it.refusals.length > 0 && (
              <p className="hint">
                {words.refusals}{" "}
                {it.refusals
                  .slice(0, 3)
                  .map(
                    (refusal) =>
                      `${strings.audit.reasons[refusal.code] ?? refusal.code} (${plural(strings.audit.times, refusal.count)})`,
                  )
                  .join(", ")}
              </p>
            )}
          </Card>
        </>
      )}
    </>
  );
}

/** Whether somebody touched the page lately. */
function useIsAttended(): boolean {
  const [isAttended, setAttended] = useState(true);
  useEffect(() => {
    let timer = setTimeout(() => setAttended(false), QUIET_AFTER);
    const touched = () => {
      clearTimeout(timer);
      setAttended(true);
      timer = setTimeout(() => setAttended(false), QUIET_AFTER);
    };
    const kinds = ["pointerdown", "pointermove", "keydown", "scroll"];
    for (const kind of kinds) addEventListener(kind, touched, { passive: true });
    return () => {
      clearTimeout(timer);
      for (const kind of kinds) removeEventListener(kind, touched);
    };
  }, []);
  return isAttended;
}

function Live() {
  const { strings } = useLanguage();
  const words = strings.overview;
  const id = useId();
  const apps = useApps();
  const [isLive, setLive] = useState(true);
  const isAttended = useIsAttended();
  const events = useResource((signal) => audit.list({ limit: 12 }, signal), "live");
  useEvery(isLive && isAttended ? READ_EVERY : null, events.reload);
  return (
    <Card
      title={words.live}
      beside={
        <span className="choice">
          <input id={id} type="checkbox" checked={isLive} onChange={() => setLive(!isLive)} />
          <label htmlFor={id}>{words.keepUp}</label>
        </span>
      }
    >
      <Waiting of={events} />
      {events.data?.events.length === 0 && <Empty title={strings.audit.none} />}
      {events.data && <Events of={events.data.events} apps={apps} />}
      <p>
        <Link href={hrefOf("/audit")}>{words.all}</Link>
      </p>
    </Card>
  );
}

function ServiceHealth() {
  const { strings, number } = useLanguage();
  const words = strings.health;
  const ready = useResource((signal) => service.ready(signal), "ready");
  const health = useResource((signal) => service.health(signal), "health");
  const isAttended = useIsAttended();
  useEvery(isAttended ? READ_EVERY * 6 : null, async () => {
    await Promise.all([ready.reload(), health.reload()]);
  });
  const isOk = ready.data?.status === "ok";
  return (
    <Card
      title={words.title}
      beside={
        ready.data && <Badge tone={isOk ? "good" : "bad"}>{isOk ? words.ok : words.failing}</Badge>
      }
    >
      <Waiting of={ready} />
      {ready.data && (
        <ul className="checks">
          {ready.data.checks.map((check) => (
            <li key={check.name} data-status={check.status}>
              <span className="dot" aria-hidden="true" />
              <span>{words.checks[check.name] ?? check.name}</span>
              <span className="hint">
                {check.status === "ok" ? words.checkOk : words.checkFailing}
              </span>
              {check.status !== "ok" && check.detail && (
                <bdi className="hint detail" lang="en" dir="ltr">
                  {check.detail}
                </bdi>
              )}
            </li>
          ))}
        </ul>
      )}
      <Waiting of={health} />
      {health.data && (
        <Facts>
          <Fact name={words.version}>{health.data.version}</Fact>
          <Fact name={words.address}>
            <bdi dir="ltr">{health.data.issuer}</bdi>
          </Fact>
          <Fact name={words.write}>
            {fill(words.milliseconds, {
              n: number(Math.round(health.data.store.write_microseconds / 100) / 10),
            })}
          </Fact>
          {health.data.store.free_bytes !== null && (
            <Fact name={words.free}>
              {fill(words.gigabytes, {
                n: number(Math.round((health.data.store.free_bytes ?? 0) / 1e8) / 10),
              })}
            </Fact>
          )}
          {health.data.log.newest_record_at && (
            <Fact name={words.newest}>
              <Time at={health.data.log.newest_record_at} />
            </Fact>
          )}
        </Facts>
      )}
    </Card>
  );
}
