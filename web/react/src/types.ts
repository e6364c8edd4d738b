import type { components } from "./contract.js";

type Schemas = components["schemas"];

/** A connection: what one agent may do for one user, and until when. */
export type Connection = Schemas["ConnectionView"];
export type ConnectionStatus = Schemas["ConnectionStatus"];
export type ConnectionList = Schemas["ConnectionList"];
/** A record of the audit log. */
export type Activity = Schemas["AuditRecord"];
export type ActivityList = Schemas["AuditList"];
export type Usage = Schemas["UsageAnswer"];
export type Plan = Schemas["PlanUsage"];
export type Revoked = Schemas["RevokeAnswer"];
/** A scope of the app's catalogue. */
export type Scope = Schemas["Scope"];
/** The body of every error. */
export type ErrorBody = Partial<Schemas["ErrorBody"]>;

/** A duration that the app offers. */
export interface OfferedDuration {
  /** The app's own words; `null` leaves the words to the panel. */
  label: string | null;
  /** `null` is until revoked. */
  seconds: number | null;
}

/** `GET /scopes`: everything that is needed to ask a user. */
export interface Grantable {
  scopes: Scope[];
  durations: OfferedDuration[];
  app: { name: string };
}

/** `POST /connections/generate-token` */
export interface GrantRequest {
  scopes: string[];
  duration_seconds?: number;
  until_revoked?: true;
  /** What the app says that it is for. */
  purpose?: string;
  /** What the user says that it is for. */
  user_intent?: string;
  /** How the user calls the agent. */
  agent_label?: string;
}

/** The token, for the human, shown this once; and the message to hand to the agent. */
export type Granted = Schemas["IssueAnswer"] & { prompt: string };

/** `PATCH /connections/{connection_id}`: only ever less. */
export interface Narrowing {
  remove_scopes?: string[];
  /** Earlier than the present end, in RFC 3339. */
  expires_at?: string;
}

/** A text that people start an agent with; `{field}` stands for what they fill in. */
export interface PromptTemplate {
  name: string;
  text: string;
  scopes: string[];
  fields: string[];
}

/** `POST /consent-sessions`: what the hosted page asks the user for. */
export interface ConsentRequest {
  /** What may be chosen; absent is all that this user may grant. */
  scopes?: string[];
  /** What is chosen when the page opens; nothing sensitive. */
  preselected?: string[];
  /** Ask for more for this connection instead of a new one. */
  connection_id?: string;
  add_scopes?: string[];
  duration_seconds?: number;
  purpose?: string;
  return_url?: string;
  locale?: string;
}

export interface ConsentSession {
  session_id: string;
  session_url: string;
  expires_at: string;
}

export interface PageQuery {
  limit?: number;
  cursor?: string;
}

export interface ConnectionsQuery extends PageQuery {
  status?: ConnectionStatus;
}

export interface AdminConnectionsQuery extends ConnectionsQuery {
  user_id?: string;
}

export interface ActivityQuery extends PageQuery {
  event?: Activity["event"];
}

export interface AdminActivityQuery extends ActivityQuery {
  user_id?: string;
  connection_id?: string;
}

export interface UsageQuery {
  /** The first day, such as `2026-01-31`, in UTC. */
  from?: string;
  /** The last day. */
  to?: string;
}

/** What an admin ends: one connection, or all of a user. */
export type AdminRevocation = { connection_id: string } | { user_id: string };
