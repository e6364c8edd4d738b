import { useCallback, useEffect, useId, useRef, useState } from "react";
import { useEvery } from "../hooks.js";
import { useAgentAdmit } from "../provider.js";
import { fill, useLanguage } from "../text.js";
import type { Granted } from "../types.js";
import { Heading } from "./Frame.js";
import { Copy, useNow } from "./parts.js";

/** How often the app is asked whether the agent has come, in milliseconds. */
const ASK_EVERY = 3_000;

/** The token, once. It is gone when this is. */
export function HandOver({ granted, onDone }: { granted: Granted; onDone: () => void }) {
  const { strings, clock, moment } = useLanguage();
  const id = useId();
  const view = useRef<HTMLElement>(null);
  const isConnected = useIsConnected(granted.connection_id);
  const isOver = useNow(1_000) >= Date.parse(granted.token_expires_at);
  useEffect(() => {
    view.current?.focus({ preventScroll: true });
    // the form that was here may have been longer than the window
    view.current?.scrollIntoView({ block: "start" });
  }, []);
  useEffect(() => {
    // a page that comes back out of the browser's memory must not bring the token back
    window.addEventListener("pagehide", onDone);
    return () => window.removeEventListener("pagehide", onDone);
  }, [onDone]);

  const state = isConnected
    ? strings.handOver.connected
    : isOver
      ? strings.handOver.expired
      : strings.handOver.waiting;
  return (
    <section className="aa-hand-over" aria-labelledby={id} ref={view} tabIndex={-1}>
      <Heading id={id}>{strings.handOver.title}</Heading>
      {!isConnected && !isOver && <Secret granted={granted} />}
      <p
        className="aa-state"
        role="status"
        data-kind={isConnected ? "active" : isOver ? "expired" : "pending"}
      >
        {state}
      </p>
      {!isOver && (
        <p className="aa-hint">
          {!isConnected &&
            `${fill(strings.handOver.worksUntil, { time: clock(granted.token_expires_at) })} `}
          {granted.expires_at
            ? fill(strings.handOver.mayUntil, { date: moment(granted.expires_at) })
            : strings.handOver.mayForEver}
        </p>
      )}
      <div className="aa-actions">
        <button type="button" className="aa-button" onClick={onDone}>
          {isOver && !isConnected ? strings.handOver.again : strings.handOver.done}
        </button>
      </div>
    </section>
  );
}

function Secret({ granted }: { granted: Granted }) {
  const { strings } = useLanguage();
  const id = useId();
  return (
    <>
      <p>{strings.handOver.intro}</p>
      <p className="aa-warning">{strings.handOver.warning}</p>
      <label className="aa-label" htmlFor={id}>
        {strings.handOver.message}
      </label>
      <textarea
        className="aa-input aa-code"
        id={id}
        dir="ltr"
        rows={9}
        readOnly
        spellCheck={false}
        value={granted.prompt}
        onFocus={(event) => event.currentTarget.select()}
      />
      <Copy text={granted.prompt} label={strings.handOver.copyMessage} isMain />
      <details className="aa-details">
        <summary>{strings.handOver.tokenOnly}</summary>
        <label className="aa-label" htmlFor={`${id}-token`}>
          {strings.handOver.token}
        </label>
        <input
          className="aa-input aa-code"
          id={`${id}-token`}
          dir="ltr"
          readOnly
          autoComplete="off"
          spellCheck={false}
          value={granted.token}
          onFocus={(event) => event.currentTarget.select()}
        />
        <Copy text={granted.token} label={strings.handOver.copyToken} />
      </details>
    </>
  );
}

/** Whether the agent has exchanged the token. A question that fails is asked again. */
function useIsConnected(id: string): boolean {
  const client = useAgentAdmit();
  const [isConnected, setConnected] = useState(false);
  const ask = useCallback(async () => {
    const list = await client.connections({ status: "active" }).catch(() => null);
    if (list?.connections.some((it) => it.connection_id === id)) setConnected(true);
  }, [client, id]);
  useEvery(isConnected ? null : ASK_EVERY, ask);
  return isConnected;
}
