// Small pieces that every view is made of.
import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useId,
  useRef,
  useState,
} from "react";
import type { AgentAdmitError } from "../../../react/src/error.js";
import type { Resource } from "../../../react/src/resource.js";
import { fill } from "../../../react/src/text.js";
import { useLanguage } from "../language.js";
import { movesSoFar } from "../router.js";

/** A view: its heading takes the focus where one came here from another view. */
export function View({
  title,
  above,
  beside,
  intro,
  children,
}: {
  title: string;
  above?: ReactNode;
  beside?: ReactNode;
  intro?: ReactNode;
  children: ReactNode;
}) {
  const { strings } = useLanguage();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · ${strings.brand}`;
  }, [title, strings]);
  useEffect(() => {
    if (movesSoFar() > 0) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <>
      <header className="head">
        {above}
        <div className="head-row">
          <h1 tabIndex={-1} ref={heading}>
            <bdi>{title}</bdi>
          </h1>
          {beside && <div className="actions">{beside}</div>}
        </div>
        {intro && <p className="lead">{intro}</p>}
      </header>
      {children}
    </>
  );
}

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
  const words = strings.errors;
  return (
    <div className="problem" role="alert">
      <strong>{words.title}</strong>
      <p>
        {error.code === "rate_limited" && error.retryAfter
          ? fill(words.rate_limited_for ?? "", { seconds: error.retryAfter })
          : (words[error.code] ?? words.unexpected)}
      </p>
      <Told error={error} />
      {error.requestId && (
        <p className="hint">{fill(words.reference ?? "", { id: error.requestId })}</p>
      )}
      {retry && (
        <button type="button" className="button" onClick={retry}>
          {strings.tryAgain}
        </button>
      )}
    </div>
  );
}

/** The service's own sentence, where it says more than its code: what exactly is wrong. */
function Told({ error }: { error: AgentAdmitError }) {
  const { strings } = useLanguage();
  if (
    !["invalid_request", "invalid_scope", "conflict", "subscription_required"].includes(error.code)
  ) {
    return null;
  }
  return (
    <p className="hint">
      {strings.errors.told}{" "}
      <bdi lang="en" dir="ltr">
        {error.field ? `${error.field}: ` : ""}
        {error.message}
      </bdi>
    </p>
  );
}

/** What a resource shows while there is nothing to show. */
export function Waiting({ of }: { of: Pick<Resource<unknown>, "data" | "error" | "reload"> }) {
  const { strings } = useLanguage();
  if (of.error) return <Problem error={of.error} retry={() => void of.reload()} />;
  if (of.data !== null) return null;
  return (
    <div className="waiting" role="status">
      <span className="unseen">{strings.loading}</span>
      <span className="bone" />
      <span className="bone" />
      <span className="bone" />
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children}
    </div>
  );
}

export type Tone = "good" | "bad" | "warning" | "accent" | "quiet";

export function Badge({ tone, children }: { tone: Tone; children: ReactNode }) {
  return (
    <span className="badge" data-tone={tone}>
      {children}
    </span>
  );
}

export function EnvironmentBadge({ of }: { of: "test" | "live" | null }) {
  const { strings } = useLanguage();
  if (!of) return <span className="hint">{strings.audit.service}</span>;
  return <Badge tone={of === "live" ? "accent" : "warning"}>{strings.environments[of]}</Badge>;
}

/** A name that the service gave, with a way to copy it. */
export function Id({ of, what }: { of: string; what: string }) {
  const { strings } = useLanguage();
  const say = useSay();
  const copy = async () => {
    const isCopied = await copied(of);
    say(isCopied ? strings.copied : strings.copyFailed);
  };
  return (
    <span className="id">
      <code dir="ltr">{of}</code>
      <button
        type="button"
        className="icon-button"
        aria-label={fill(strings.copyWhat, { what })}
        onClick={() => void copy()}
      >
        <CopyIcon />
      </button>
    </span>
  );
}

function CopyIcon() {
  return (
    <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" className="icon">
      <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
      <path d="M10.5 5.5v-2a1.5 1.5 0 0 0-1.5-1.5H3.5A1.5 1.5 0 0 0 2 3.5V9A1.5 1.5 0 0 0 3.5 10.5h2" />
    </svg>
  );
}

export async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

/** A moment: how long ago, and exactly on hover and for machines. */
export function Time({ at, exact }: { at: string; exact?: boolean }) {
  const { relative, short, moment } = useLanguage();
  const now = useNow();
  return (
    <time dateTime={at} title={moment(at)}>
      {exact ? short(at) : relative(at, now)}
    </time>
  );
}

/** The moment that it is now, each half minute anew. */
export function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 30_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** Names and values. */
export function Facts({ children }: { children: ReactNode }) {
  return <dl className="facts">{children}</dl>;
}

export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function Card({
  title,
  beside,
  tone,
  children,
}: {
  title?: string;
  beside?: ReactNode;
  tone?: "danger";
  children: ReactNode;
}) {
  const id = useId();
  return (
    <section className="card" data-tone={tone} aria-labelledby={title ? id : undefined}>
      {title && (
        <div className="card-head">
          <h2 id={id}>{title}</h2>
          {beside}
        </div>
      )}
      {children}
    </section>
  );
}

/** The pages of a list. */
export function Pager({
  of,
}: {
  of: { number: number; next: (() => void) | null; previous: (() => void) | null };
}) {
  const { strings, number } = useLanguage();
  if (!of.next && !of.previous) return null;
  return (
    <nav className="pager" aria-label={strings.paging.label}>
      <button
        type="button"
        className="button"
        disabled={!of.previous}
        onClick={of.previous ?? undefined}
      >
        {strings.paging.previous}
      </button>
      <span className="hint" role="status">
        {fill(strings.paging.page, { n: number(of.number) })}
      </span>
      <button type="button" className="button" disabled={!of.next} onClick={of.next ?? undefined}>
        {strings.paging.next}
      </button>
    </nav>
  );
}

/** A table that scrolls within itself where it must; on a phone its rows are cards. */
export function Table({
  heads,
  label,
  children,
}: {
  heads: string[];
  label: string;
  children: ReactNode;
}) {
  return (
    <div className="table-frame">
      <table className="table" aria-label={label}>
        <thead>
          <tr>
            {heads.map((head, index) => (
              <th key={head || `column ${String(index)}`} scope="col">
                {head || <span className="unseen">{label}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

const Saying = createContext<(text: string) => void>(() => {});

/** Says what was done: seen at the foot of the page for a while, and read aloud. */
export const useSay = () => useContext(Saying);

/** How long it stays, in milliseconds. */
const SAID_FOR = 6_000;

export function Sayings({ children }: { children: ReactNode }) {
  const [text, setText] = useState("");
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const say = useCallback((said: string) => {
    clearTimeout(timer.current);
    setText(said);
    timer.current = setTimeout(() => setText(""), SAID_FOR);
  }, []);
  return (
    <Saying.Provider value={say}>
      {children}
      <div className="said" role="status">
        {text && <p>{text}</p>}
      </div>
    </Saying.Provider>
  );
}
