import { useId } from "react";
import { fill, useLanguage } from "../../text.js";
import type { Plan } from "../../types.js";
import { webAddress } from "../ConnectAgentButton.js";
import { Subheading } from "../Frame.js";

/** What the app pays for, and how much of it is used. */
export function PlanCard({ plan }: { plan: Plan }) {
  const { strings, number, moment, plural } = useLanguage();
  const words = strings.admin;
  const id = useId();
  const billing = webAddress(plan.billing_url);
  return (
    <div className="aa-card">
      <div className="aa-card-head">
        <Subheading id={id}>
          {words.plan}: <bdi>{plan.name}</bdi>
        </Subheading>
        <span className="aa-badge" data-kind={plan.status}>
          {words.planStatus[plan.status]}
        </span>
      </div>
      {plan.call_limit === null ? (
        <p>{plural(words.usedNoLimit, plan.calls_used)}</p>
      ) : (
        <>
          <progress
            className="aa-meter"
            aria-labelledby={id}
            max={Math.max(plan.call_limit, 1)}
            value={Math.min(plan.calls_used, plan.call_limit)}
            data-kind={plan.overage_calls > 0 ? "over" : undefined}
          />
          <p>
            {fill(words.used, { used: number(plan.calls_used), limit: number(plan.call_limit) })}
          </p>
        </>
      )}
      {plan.overage_calls > 0 && (
        <p className="aa-warning">{plural(words.overage, plan.overage_calls)}</p>
      )}
      <p className="aa-hint">{fill(words.renews, { date: moment(plan.period_end) })}</p>
      {billing && (
        <a className="aa-button" href={billing} rel="noreferrer">
          {words.billing}
        </a>
      )}
    </div>
  );
}
