import { createContext, type ReactNode, useContext, useMemo } from "react";
import { AgentAdmitClient, type ClientOptions } from "./client.js";

const Context = createContext<AgentAdmitClient | null>(null);

export interface AgentAdmitProviderProps {
  /** A client to share; else one is made of `base`. */
  client?: AgentAdmitClient | undefined;
  /** Where the SDK's routes are mounted: `/agentadmit` unless said. */
  base?: ClientOptions["base"] | undefined;
  children?: ReactNode;
}

/** Which app the hooks and panels below talk to. Not needed for the app's own `/agentadmit`. */
export function AgentAdmitProvider({ client, base, children }: AgentAdmitProviderProps) {
  const outer = useContext(Context);
  const made = useMemo(
    () =>
      client ??
      (base === undefined && outer
        ? outer
        : new AgentAdmitClient(base === undefined ? {} : { base })),
    [client, base, outer],
  );
  return <Context.Provider value={made}>{children}</Context.Provider>;
}

const ofThisApp = new AgentAdmitClient();

/** The client of the nearest provider. */
export function useAgentAdmit(): AgentAdmitClient {
  return useContext(Context) ?? ofThisApp;
}
