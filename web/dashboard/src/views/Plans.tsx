import { useId } from "react";
import { fill } from "../../../react/src/text.js";
import { webAddress } from "../../../react/src/ui/ConnectAgentButton.js";
import { appsOf } from "../api.js";
import { useLanguage } from "../language.js";
import { usePage } from "../paging.js";
import { hrefOf, Link } from "../router.js";
import type { Plan, PlanUsage } from "../types.js";
import { Badge, Empty, Pager, Table, type Tone, View, Waiting } from "../ui/parts.js";

const TONES: Record<Plan["status"], Tone> = {
  none: "quiet",
  trial: "accent",
  active: "good",
  past_due: "bad",
  cancelled: "quiet",
};

export function PlanBadge({ plan }: { plan: Pick<Plan, "name" | "status"> }) {
  const { strings } = useLanguage();
  return (
    <span className="with-badge">
      {plan.status !== "none" && <bdi>{plan.name}</bdi>}
      <Badge tone={TONES[plan.status]}>{strings.plans.status[plan.status]}</Badge>
    </span>
  );
}

/** What all apps pay for. */
export function Plans() {
  const { strings, number } = useLanguage();
  const words = strings.plans;
  const apps = usePage((cursor, signal) => appsOf.list(cursor, signal), "plans");
  const shown = apps.data?.apps.filter((app) => !app.deleted_at);
  return (
    <View title={words.title} intro={words.intro}>
      <Waiting of={apps} />
      {shown?.length === 0 && <Empty title={strings.apps.none} />}
      {shown && shown.length > 0 && (
        <Table
          heads={[strings.apps.name, words.one, words.limit, words.onLimit]}
          label={words.title}
        >
          {shown.map((app) => (
            <tr key={app.app_id}>
              <th scope="row">
                <Link className="row-link" href={hrefOf(`/apps/${app.app_id}/plan`)}>
                  <bdi>{app.name}</bdi>
                </Link>
              </th>
              <td data-name={words.one}>
                <PlanBadge plan={app.plan} />
              </td>
              <td data-name={words.limit}>
                {app.plan.call_limit === null ? words.noLimit : number(app.plan.call_limit)}
              </td>
              <td data-name={words.onLimit}>
                {words.onLimits[app.plan.on_limit ?? "overage"].name}
              </td>
            </tr>
          ))}
        </Table>
      )}
      <Pager of={apps} />
    </View>
  );
}

/** How much of a plan is used. */
export function PlanMeter({ plan }: { plan: PlanUsage }) {
  const { strings, number, moment, plural } = useLanguage();
  const words = strings.plans;
  const id = useId();
  const billing = webAddress(plan.billing_url);
  return (
    <div className="stack">
      <p id={id}>
        <PlanBadge plan={plan} />
      </p>
      {plan.call_limit === null ? (
        <p>{plural(words.usedNoLimit, plan.calls_used)}</p>
      ) : (
        <>
          <progress
            className="meter"
            aria-labelledby={id}
            max={Math.max(plan.call_limit, 1)}
            value={Math.min(plan.calls_used, plan.call_limit)}
            data-over={plan.overage_calls > 0 ? true : undefined}
          />
          <p>
            {fill(words.used, { used: number(plan.calls_used), limit: number(plan.call_limit) })}
          </p>
        </>
      )}
      {plan.overage_calls > 0 && (
        <p className="note" data-tone="warning">
          {plural(words.overage, plan.overage_calls)}
        </p>
      )}
      <p className="hint">{fill(words.renews, { date: moment(plan.period_end) })}</p>
      {billing && (
        <a className="button" href={billing} rel="noreferrer">
          {words.billing}
        </a>
      )}
    </div>
  );
}
