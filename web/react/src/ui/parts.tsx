import { type ReactNode, useEffect, useId, useRef, useState } from "react";
import type { AgentAdmitError } from "../client.js";
import type { Action, Resource } from "../resource.js";
import { Fill, fill, useLanguage } from "../text.js";
import type { Connection } from "../types.js";

/** Why something did not work, in words for a person, with a way on. */
export function Problem({
  error,
  retry,
}: {
  error: AgentAdmitError | null;
  retry?: (() => void) | undefined;
}) {
  const { strings } = useLanguage();
  if (!error) return null;
  return (
    <div className="aa-problem" role="alert">
      <strong>{strings.errors.title}</strong>
      <p>{strings.errors[error.code] ?? strings.errors.unexpected}</p>
      {error.requestId && (
        <p className="aa-hint">{fill(strings.errors.reference ?? "", { id: error.requestId })}</p>
      )}
      {retry && (
        <button type="button" className="aa-button" onClick={retry}>
          {strings.tryAgain}
        </button>
      )}
    </div>
  );
}

/** What a resource shows while there is nothing to show. */
export function Waiting({ of }: { of: Resource<unknown> }) {
  const { strings } = useLanguage();
  if (of.error) return <Problem error={of.error} retry={() => void of.reload()} />;
  if (of.data !== null) return null;
  return (
    <p className="aa-hint" role="status">
      {strings.loading}
    </p>
  );
}

export function ShowMore({ of }: { of: { hasMore: boolean; loadMore: Action<[], void> } }) {
  const { strings } = useLanguage();
  return (
    <>
      <Problem error={of.loadMore.error} />
      {of.hasMore && (
        <button
          type="button"
          className="aa-button"
          aria-disabled={of.loadMore.isRunning}
          onClick={() => void of.loadMore.run()}
        >
          {strings.showMore}
        </button>
      )}
    </>
  );
}

/** The text that a person gave, or the app; never a link, never markup. */
export function AgentName({ of }: { of: Pick<Connection, "agent_label"> }) {
  const { strings } = useLanguage();
  return <bdi>{of.agent_label ?? strings.connections.unnamed}</bdi>;
}

export function Status({ of }: { of: Connection["status"] }) {
  const { strings } = useLanguage();
  return (
    <span className="aa-badge" data-kind={of}>
      {strings.connections.status[of]}
    </span>
  );
}

/** A question before something that cannot be undone. The focus goes to the way back. */
export function Confirm({
  text,
  values,
  action,
  yes,
  onYes,
  onNo,
}: {
  text: string;
  values: Record<string, ReactNode>;
  action: Action<never[], unknown>;
  yes: string;
  onYes: () => void;
  onNo: () => void;
}) {
  const { strings } = useLanguage();
  const id = useId();
  const no = useRef<HTMLButtonElement>(null);
  useEffect(() => no.current?.focus(), []);
  return (
    <div
      className="aa-confirm"
      role="group"
      aria-labelledby={id}
      onKeyDown={(event) => event.key === "Escape" && onNo()}
    >
      <p id={id}>
        <Fill text={text} {...values} />
      </p>
      <Problem error={action.error} />
      <div className="aa-actions">
        <button
          type="button"
          className="aa-button aa-danger"
          aria-disabled={action.isRunning}
          onClick={onYes}
        >
          {yes}
        </button>
        <button type="button" className="aa-button" ref={no} onClick={onNo}>
          {strings.connections.keep}
        </button>
      </div>
    </div>
  );
}

/** What was done, for whoever cannot see it too. It takes the focus where the button that did it is gone. */
export function Said({ text, isGone }: { text: string; isGone: boolean }) {
  const place = useRef<HTMLParagraphElement>(null);
  useEffect(() => {
    if (text && isGone) place.current?.focus();
  }, [text, isGone]);
  return (
    <p className="aa-said" role="status" tabIndex={-1} ref={place}>
      {text}
    </p>
  );
}

/** Copies a text, and says whether that worked. */
export function Copy({ text, label, isMain }: { text: string; label: string; isMain?: boolean }) {
  const { strings } = useLanguage();
  const [said, setSaid] = useState("");
  const copy = async () => {
    setSaid("");
    try {
      await navigator.clipboard.writeText(text);
      setSaid(strings.handOver.copied);
    } catch {
      setSaid(strings.handOver.copyFailed);
    }
  };
  return (
    <div className="aa-actions">
      <button
        type="button"
        className={isMain ? "aa-button aa-main" : "aa-button"}
        onClick={() => void copy()}
      >
        {label}
      </button>
      <span className="aa-hint" role="status">
        {said}
      </span>
    </div>
  );
}

/** The moment that it is now, again and again: `every` milliseconds. 0 until the page is shown. */
export function useNow(every: number): number {
  const [now, setNow] = useState(0);
  useEffect(() => {
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}
