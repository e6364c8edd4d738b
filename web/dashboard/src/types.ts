import type { components } from "./contract.js";

type Schemas = components["schemas"];

export type App = Schemas["AppView"];
export type AppList = Schemas["AppList"];
export type Settings = Schemas["Settings"];
export type SettingsPatch = Schemas["SettingsPatch"];
export type Plan = Schemas["Plan"];
export type PlanUsage = Schemas["PlanUsage"];
export type Usage = Schemas["UsageAnswer"];
export type DayCalls = Schemas["DayCalls"];
export type Environment = Schemas["Environment"];
export type Key = Schemas["KeyView"];
export type KeyList = Schemas["KeyList"];
export type KeyCreated = Schemas["KeyCreated"];
export type Permission = Schemas["Permissions"][number];
export type Scope = Schemas["Scope"];
export type ScopesAnswer = Schemas["ScopesAnswer"];
export type Connection = Schemas["OperatorConnectionView"];
export type ConnectionStatus = Schemas["ConnectionStatus"];
export type ConnectionList = Schemas["OperatorConnectionList"];
export type AuditRecord = Schemas["AuditRecord"];
export type AuditEvent = Schemas["AuditEvent"];
export type AuditList = Schemas["AuditList"];
export type Health = Schemas["OperatorHealth"];
export type Ready = Schemas["ReadyAnswer"];
export type Overview = Schemas["Overview"];
export type UserList = Schemas["UserList"];
export type Revoked = Schemas["RevokeAnswer"];

export type Role = Schemas["Role"];
export type Member = Schemas["MemberView"];
export type Invite = Schemas["InviteView"];
export type InviteList = Schemas["InviteList"];
export type InviteCreated = Schemas["InviteCreated"];
export type InviteShown = Schemas["InviteShown"];
export type Account = Schemas["AccountView"];
export type AccountList = Schemas["AccountList"];
export type OwnAccount = Schemas["OwnAccount"];
export type OwnPasskey = Schemas["PasskeyView"];
export type PasskeyOptions = Schemas["PasskeyOptions"];
export type SignUp = Schemas["SignUpShown"];
/** Who is signed in. */
export type Session = Schemas["CurrentSession"];
/** The walk over the whole log, now and last time. */
export type Verification = Schemas["AuditVerification"];

/** `GET /v1/operator/sessions` */
export interface OpenSession {
  session_id: string;
  kind: Session["kind"];
  label: string;
  created_at: string;
  last_used_at: string;
  expires_at: string;
  current: boolean;
}
