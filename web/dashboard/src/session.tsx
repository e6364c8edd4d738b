// Who is signed in, until when, and what they may change.
import { createContext, type ReactNode, useCallback, useContext, useEffect, useState } from "react";
import type { AgentAdmitError } from "../../react/src/error.js";
import { onAnswer, session as sessions } from "./api.js";
import type { Session } from "./types.js";

/** Where a visit stands. */
export type Visit =
  | { state: "asking" }
  | { state: "unknown"; error: AgentAdmitError }
  | { state: "out"; why: "never" | "ended" | "left" }
  | { state: "in"; session: Session };

export interface Visiting {
  visit: Visit;
  enter: (session: Session) => void;
  leave: () => void;
  askAgain: () => void;
  /** Asks anew while everything stays where it is. */
  renew: () => Promise<void>;
}

export function useVisit(): Visiting {
  const [visit, setVisit] = useState<Visit>({ state: "asking" });

  const askAgain = useCallback(() => {
    setVisit({ state: "asking" });
    sessions.read().then(
      (session) => setVisit({ state: "in", session }),
      (error: AgentAdmitError) => {
        if (error.code === "unauthenticated") setVisit({ state: "out", why: "never" });
        else setVisit({ state: "unknown", error });
      },
    );
  }, []);
  useEffect(askAgain, [askAgain]);

  // a session that has ended shows nothing any more, whoever sits there
  const end = useCallback(
    () => setVisit((old) => (old.state === "in" ? { state: "out", why: "ended" } : old)),
    [],
  );
  useEnding(visit, end);
  const renew = useCallback(async () => {
    const session = await sessions.read();
    setVisit({ state: "in", session });
  }, []);
  return {
    visit,
    askAgain,
    renew,
    enter: (session) => setVisit({ state: "in", session }),
    leave: () => setVisit({ state: "out", why: "left" }),
  };
}

/** Calls `end` when an answer says that the session is over, or when nothing was asked for too long. */
function useEnding(visit: Visit, end: () => void): void {
  const session = visit.state === "in" ? visit.session : null;
  useEffect(() => {
    if (!session) return;
    const idle = untilThen(session.idle_expires_at);
    let timer = setTimeout(end, idle);
    const over = setTimeout(end, untilThen(session.expires_at));
    onAnswer((isSignedIn) => {
      clearTimeout(timer);
      if (isSignedIn) timer = setTimeout(end, idle);
      else end();
    });
    return () => {
      clearTimeout(timer);
      clearTimeout(over);
      onAnswer(() => {});
    };
  }, [session, end]);
}

/** Timers count in 32 bits. */
const LONGEST = 2 ** 31 - 1;

function untilThen(time: string): number {
  return Math.min(Math.max(Date.parse(time) - Date.now(), 1_000), LONGEST);
}

/** What somebody may do. */
export interface Rights {
  isOperator: boolean;
  /** Whether they may change this app; `null` is the service itself. */
  canChange: (app: string | null) => boolean;
  canCreateApps: boolean;
}

export function rightsOf(session: Pick<Session, "kind" | "apps">): Rights {
  const isOperator = session.kind === "operator";
  const roles = new Map(session.apps?.map((it) => [it.app_id, it.role]));
  return {
    isOperator,
    canChange: (app) => isOperator || (app !== null && roles.get(app) === "owner"),
    canCreateApps: true,
  };
}

interface Signed {
  session: Session;
  rights: Rights;
  /** Asks anew who is signed in: another app came, or another name. */
  renew: () => Promise<void>;
}

const Context = createContext<Signed | null>(null);

export function SignedIn({
  session,
  renew,
  children,
}: {
  session: Session;
  renew: () => Promise<void>;
  children: ReactNode;
}) {
  return (
    <Context.Provider value={{ session, rights: rightsOf(session), renew }}>
      {children}
    </Context.Provider>
  );
}

export function useSession(): Signed {
  const found = useContext(Context);
  if (!found) throw new Error("<SignedIn> is missing");
  return found;
}
