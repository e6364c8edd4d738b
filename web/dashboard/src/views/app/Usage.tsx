import { useState } from "react";
import { useResource } from "../../../../react/src/resource.js";
import { appsOf } from "../../api.js";
import { useLanguage } from "../../language.js";
import type { App, Environment } from "../../types.js";
import { Chart, Figures, lastDays } from "../../ui/Chart.js";
import { Environments } from "../../ui/Environments.js";
import { Card, Waiting } from "../../ui/parts.js";
import { PlanMeter } from "../Plans.js";

/** What an app's agents did in the last 30 days, and how much of its plan that is. */
export function AppUsage({ app, environment }: { app: App; environment: Environment }) {
  const { strings, number } = useLanguage();
  const words = strings.usage;
  const [days] = useState(() => lastDays(30, Date.now()));
  const usage = useResource(
    (signal) => appsOf.usage(app.app_id, { environment, ...days }, signal),
    `${app.app_id} ${environment}`,
  );
  const sum = (of: "allowed" | "refused") =>
    number((usage.data?.series ?? []).reduce((all, day) => all + day[of], 0));
  return (
    <>
      <div className="section-head">
        <p>{environment === "test" ? words.introTest : words.intro}</p>
        <Environments path={`/apps/${app.app_id}`} now={environment} />
      </div>
      <Waiting of={usage} />
      {usage.data && (
        <>
          <Figures
            of={[
              [words.active, number(usage.data.active_connections)],
              [words.ever, number(usage.data.total_connections)],
              [words.allowed, sum("allowed")],
              [words.refused, sum("refused")],
            ]}
          />
          <Card title={strings.chart.title}>
            <Chart series={usage.data.series} {...days} />
          </Card>
          <div className="columns">
            <Card title={strings.plans.one}>
              <PlanMeter plan={usage.data.plan} />
            </Card>
            <Card title={words.byAgent}>
              {usage.data.breakdown.length === 0 && <p className="hint">{strings.chart.empty}</p>}
              <ol className="ranking">
                {usage.data.breakdown.map((it) => (
                  <li key={it.label ?? ""}>
                    <bdi>{it.label ?? strings.connections.unnamed}</bdi>
                    <span>{number(it.calls)}</span>
                  </li>
                ))}
              </ol>
            </Card>
          </div>
        </>
      )}
    </>
  );
}
