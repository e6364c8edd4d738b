import { useState } from "react";
import { useAdminUsage } from "../../hooks.js";
import { useLanguage } from "../../text.js";
import { Frame, type FrameProps, Heading } from "../Frame.js";
import { Waiting } from "../parts.js";
import { LiveActivity } from "./Activity.js";
import { Chart } from "./Chart.js";
import { AllConnections } from "./Connections.js";
import { PlanCard } from "./Plan.js";

/** For the app's admins: plan, use, every connection, and what agents do. */
export function AgentAdmitAdminPanel(props: FrameProps) {
  return (
    <Frame {...props}>
      <UsageAndPlan />
      <AllConnections />
      <LiveActivity />
    </Frame>
  );
}

/** The last 30 days, today among them. */
function period(): { from: string; to: string } {
  const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
  return { from: day(29), to: day(0) };
}

function UsageAndPlan() {
  const { strings, number } = useLanguage();
  const words = strings.admin;
  const [days] = useState(period);
  const usage = useAdminUsage(days);
  const sum = (of: "allowed" | "refused") =>
    (usage.data?.series ?? []).reduce((total, day) => total + day[of], 0);
  const figures: [string, number][] = usage.data
    ? [
        [words.activeConnections, usage.data.active_connections],
        [words.allConnections, usage.data.total_connections],
        [words.callsInPeriod, sum("allowed")],
        [words.refusedInPeriod, sum("refused")],
      ]
    : [];
  return (
    <section className="aa-section" aria-label={words.usage}>
      <Heading>{words.usage}</Heading>
      <Waiting of={usage} />
      {usage.data && (
        <>
          {usage.data.environment === "test" && <p className="aa-note">{words.test}</p>}
          <dl className="aa-figures">
            {figures.map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{number(value)}</dd>
              </div>
            ))}
          </dl>
          <div className="aa-two">
            <Chart usage={usage.data} {...days} />
            <PlanCard plan={usage.data.plan} />
          </div>
        </>
      )}
    </section>
  );
}
