export { AgentAdmitClient, AgentAdmitError, type ClientOptions } from "./client.js";
export * from "./hooks.js";
export { AgentAdmitProvider, type AgentAdmitProviderProps, useAgentAdmit } from "./provider.js";
export type { Action, Resource } from "./resource.js";
export type * from "./types.js";
