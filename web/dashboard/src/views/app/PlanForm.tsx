import { useState } from "react";
import { useAction } from "../../../../react/src/resource.js";
import { appsOf } from "../../api.js";
import { useLanguage } from "../../language.js";
import type { App, Plan } from "../../types.js";
import { Choices, Form, mistakeIn, SelectField, TextField } from "../../ui/form.js";
import { Fact, Facts, useSay } from "../../ui/parts.js";
import { PlanBadge } from "../Plans.js";

const STATUSES: Plan["status"][] = ["none", "trial", "active", "past_due", "cancelled"];

/** A whole number of calls, or none for no limit; `undefined` is neither. */
export function limitOf(typed: string): number | null | undefined {
  const text = typed.replace(/[\s,._'’]/g, "");
  if (text === "") return null;
  const number = Number(text);
  return /^\d+$/.test(text) && Number.isSafeInteger(number) ? number : undefined;
}

export function PlanForm({
  app,
  canChange,
  onChanged,
}: {
  app: App;
  canChange: boolean;
  onChanged: () => void;
}) {
  const { strings, number } = useLanguage();
  const words = strings.plans;
  const say = useSay();
  const { plan } = app;
  const [name, setName] = useState(plan.name);
  const [status, setStatus] = useState(plan.status);
  const [limit, setLimit] = useState(plan.call_limit === null ? "" : String(plan.call_limit));
  const [onLimit, setOnLimit] = useState(plan.on_limit ?? "overage");
  const [billing, setBilling] = useState(plan.billing_url ?? "");
  const [isTried, setTried] = useState(false);
  const calls = limitOf(limit);
  const save = useAction(async () => {
    await appsOf.plan(app.app_id, {
      name: name.trim(),
      status,
      call_limit: calls ?? null,
      on_limit: onLimit,
      period: "month",
      billing_url: billing.trim() || null,
    });
    say(strings.savedNow);
    onChanged();
  });
  if (!canChange) {
    return (
      <div className="card narrow">
        <Facts>
          <Fact name={words.one}>
            <PlanBadge plan={plan} />
          </Fact>
          <Fact name={words.limit}>
            {plan.call_limit === null ? words.noLimit : number(plan.call_limit)}
          </Fact>
          <Fact name={words.onLimit}>{words.onLimits[plan.on_limit ?? "overage"].name}</Fact>
        </Facts>
      </div>
    );
  }
  const submit = () => {
    setTried(true);
    if (name.trim() !== "" && calls !== undefined) void save.run();
  };
  return (
    <>
      <p className="section-head">{words.formIntro}</p>
      <div className="card narrow">
        <Form action={save} submit={strings.save} onSubmit={submit}>
          <TextField
            label={words.name}
            value={name}
            onValue={setName}
            maxLength={100}
            mistake={isTried && name.trim() === "" ? words.nameless : null}
          />
          <SelectField
            label={words.statusLabel}
            value={status}
            onValue={setStatus}
            options={STATUSES.map((it) => [it, words.status[it]])}
          />
          <TextField
            label={words.limit}
            hint={words.limitHint}
            inputMode="numeric"
            value={limit}
            onValue={setLimit}
            mistake={isTried && calls === undefined ? words.noNumber : null}
          />
          <Choices
            label={words.onLimit}
            kind="radio"
            options={(["overage", "refuse"] as const).map((value) => ({
              value,
              text: words.onLimits[value].name,
              hint: words.onLimits[value].hint,
            }))}
            isChosen={(value) => value === onLimit}
            onChoose={setOnLimit}
          />
          <TextField
            label={`${words.billingUrl} (${strings.optional})`}
            hint={words.billingHint}
            type="url"
            dir="ltr"
            value={billing}
            onValue={setBilling}
            mistake={mistakeIn(save.error, "billing_url", strings.badAddress)}
          />
        </Form>
      </div>
    </>
  );
}
