// Generated from contract/openapi.json by `npm run types`; do not edit.

export type components = {
    schemas: {
        /**
         * @description The credential that something was done with.
         * @example system
         */
        Actor: string;
        /** @description The address that the agent called from. */
        AgentIp: string;
        /**
         * @description An id: `app_` and a UUIDv7 in Crockford base32.
         * @example app_01kb5m4v5ye5rvd0c2tqj3n8xa
         */
        AppId: string;
        /** @enum {string} */
        AuditEvent: "connection_created" | "connection_exchanged" | "connection_token_replayed" | "verified" | "introspected" | "refused" | "connection_revoked" | "connection_expired" | "connection_narrowed" | "connection_widened" | "connection_resumed" | "scopes_changed" | "settings_changed" | "app_created" | "app_deleted" | "key_created" | "key_rotated" | "key_revoked" | "public_keys_changed" | "plan_changed" | "operator_created" | "operator_rotated" | "operator_revoked" | "chain_opened" | "chain_closed" | "audit_trimmed" | "checkpoint" | "store_restored" | "clock_accepted" | "consent_session_created" | "consent_session_denied" | "account_created" | "account_changed" | "account_suspended" | "account_resumed" | "account_deleted" | "invite_created" | "invite_revoked" | "invite_used" | "member_added" | "member_changed" | "member_removed" | "sign_in_code_created" | "sign_in_refused" | "signed_in" | "session_ended" | "authorization_requested" | "client_registered" | "client_reaped" | "token_refreshed" | "refresh_token_replayed" | "authorization_code_replayed" | "passkey_added" | "passkey_removed";
        /**
         * @description SHA-256 in lower-case hex.
         * @example 0000000000000000000000000000000000000000000000000000000000000000
         */
        AuditHash: string;
        /** @description A page of records, newest first. */
        AuditList: {
            /** @description The page; it may be short, even empty, and still have a next one. */
            events: components["schemas"]["AuditRecord"][];
            next_cursor: components["schemas"]["Cursor"] | null;
        };
        /** @description One record of the log: every member is on the wire, `null` where empty, in this order. */
        AuditRecord: {
            /** @description By which credential. */
            actor: components["schemas"]["Actor"];
            agent_ip: components["schemas"]["AgentIp"] | null;
            agent_label: components["schemas"]["Label"] | null;
            app_id: components["schemas"]["AppId"] | null;
            /** @description The chain that it stands in. */
            chain: components["schemas"]["ChainId"];
            connection_id: components["schemas"]["ConnectionId"] | null;
            /**
             * Format: int32
             * @description How many such events this record stands for; 1 unless they were counted together.
             */
            count: number;
            details: components["schemas"]["Details"] | null;
            endpoint: components["schemas"]["Endpoint"] | null;
            environment: components["schemas"]["Environment"] | null;
            /** @description What happened. */
            event: components["schemas"]["AuditEvent"];
            /** @description The hash of this record without this member. */
            hash: components["schemas"]["AuditHash"];
            /** @description The record's name. */
            id: components["schemas"]["EventId"];
            method: components["schemas"]["Method"] | null;
            /** @description When. */
            occurred_at: components["schemas"]["Timestamp"];
            on_behalf_of: components["schemas"]["OnBehalfOf"] | null;
            /** @description How it ended. */
            outcome: components["schemas"]["Outcome"];
            /** @description The hash of the record before it in the chain; zeros for the first. */
            prev_hash: components["schemas"]["AuditHash"];
            /** @description Why: a code or reason for a refusal, the caller's words for a revocation. */
            reason: string | null;
            /** @description The call, as the service's log names it. */
            request_id: string | null;
            /** @description Scope names, separated by spaces. */
            scope: string | null;
            /**
             * Format: int64
             * @description Its place in the chain, from 1, without gaps.
             */
            seq: number;
            user_id: components["schemas"]["UserId"] | null;
        };
        /**
         * @description An id: `chain_` and a UUIDv7 in Crockford base32.
         * @example chain_01kb5m4v5ye5rvd0c2tqj3n8xa
         */
        ChainId: string;
        /**
         * @description An id: `conn_` and a UUIDv7 in Crockford base32.
         * @example conn_01kb5m4v5ye5rvd0c2tqj3n8xa
         */
        ConnectionId: string;
        /** @description A page of connections, newest first. */
        ConnectionList: {
            /** @description The page. */
            connections: components["schemas"]["ConnectionView"][];
            next_cursor: components["schemas"]["Cursor"] | null;
            /**
             * Format: int64
             * @description How many the filter matches in all.
             */
            total: number;
        };
        /** @enum {string} */
        ConnectionStatus: "pending" | "active" | "revoked" | "expired";
        /** @description A connection as its app sees it. */
        ConnectionView: {
            agent_label: components["schemas"]["Label"] | null;
            /**
             * Format: int64
             * @description Allowed calls; at most 5 s late in lists.
             */
            calls: number;
            /** @description The connection. */
            connection_id: components["schemas"]["ConnectionId"];
            /** @description When it was issued. */
            created_at: components["schemas"]["Timestamp"];
            exchanged_at: components["schemas"]["Timestamp"] | null;
            expires_at: components["schemas"]["Timestamp"] | null;
            last_used_at: components["schemas"]["Timestamp"] | null;
            purpose: components["schemas"]["Text"] | null;
            revoked_at: components["schemas"]["Timestamp"] | null;
            revoked_by: components["schemas"]["Actor"] | null;
            /** @description What it holds now. */
            scopes: components["schemas"]["ScopeName"][];
            /** @description Where it stands. */
            status: components["schemas"]["ConnectionStatus"];
            /** @description The user who granted it. */
            user_id: components["schemas"]["UserId"];
            user_intent: components["schemas"]["Text"] | null;
            user_label: components["schemas"]["Label"] | null;
        };
        /**
         * @description Opaque: the `next_cursor` of the page before.
         * @example AAAB
         */
        Cursor: string;
        /**
         * Format: date
         * @description A day in UTC.
         * @example 2026-01-02
         */
        Day: string;
        /** @description Calls of one day. */
        DayCalls: {
            /**
             * Format: int64
             * @description Calls that might proceed.
             */
            allowed: number;
            /** @description The day in UTC. */
            day: components["schemas"]["Day"];
            /**
             * Format: int64
             * @description Calls of live connections that might not.
             */
            refused: number;
        };
        /** @description What belongs to the event and has no member of its own. */
        Details: Record<string, never>;
        /** @description The route's template, or the tool's name, without a query. */
        Endpoint: string;
        /** @enum {string} */
        Environment: "test" | "live";
        /**
         * @description The body of every error. Members that do not apply are absent.
         *
         *     Read leniently: a client takes codes and members that it does not know.
         */
        ErrorBody: {
            /** @description Verify's 403: whether the token opens a live connection. */
            active?: boolean;
            /** @description A refusal about a live connection: its record, which is on disk. */
            audit_id?: components["schemas"]["EventId"];
            /** @description `subscription_required` and `limit_exceeded`: where the plan is paid. */
            billing_url?: string;
            /**
             * @description The code: one of the closed list of the endpoint.
             * @example invalid_request
             */
            error: string;
            /** @description A sentence that a developer can act on. */
            error_description: string;
            /**
             * @description With 422 and some 400: the member that is wrong, as a path such as `scopes[0].name`; empty
             *     for the body itself.
             */
            field?: string;
            /** @description `insufficient_scope`: what the connection holds. */
            granted_scopes?: components["schemas"]["ScopeName"][];
            /** @description `rate_limited`: whose limit. */
            limit?: components["schemas"]["RateLimitOf"];
            /** @description `invalid_token`: why. */
            reason?: components["schemas"]["InvalidTokenReason"];
            /** @description What the service's log calls this call. */
            request_id: string;
            /** @description `insufficient_scope`: every missing scope, separated by spaces. */
            required_scope?: string;
        };
        /**
         * @description An id: `evt_` and a UUIDv7 in Crockford base32.
         * @example evt_01kb5m4v5ye5rvd0c2tqj3n8xa
         */
        EventId: string;
        /** @enum {string} */
        InvalidTokenReason: "unknown" | "malformed" | "expired" | "revoked";
        /** @description 201: the connection token, for the human, shown this once. */
        IssueAnswer: {
            /** @description The connection, pending until its token is exchanged. */
            connection_id: components["schemas"]["ConnectionId"];
            expires_at: components["schemas"]["Timestamp"] | null;
            /** @description What was granted. */
            scopes: components["schemas"]["ScopeName"][];
            /** @description The connection token. */
            token: components["schemas"]["Secret"];
            /** @description When the connection token dies. */
            token_expires_at: components["schemas"]["Timestamp"];
        };
        /** @description A name for people, NFC. */
        Label: string;
        /** @description Allowed calls of the agents with one label. */
        LabelUsage: {
            /**
             * Format: int64
             * @description Allowed calls.
             */
            calls: number;
            /** @description The label; `null` for agents without one. */
            label: string | null;
        };
        /**
         * @description An HTTP method, or CALL for a tool.
         * @example GET
         */
        Method: string;
        /** @description For whom the app says that it acts. */
        OnBehalfOf: string;
        /** @enum {string} */
        Outcome: "allowed" | "refused" | "done";
        /** @enum {string} */
        PlanStatus: "none" | "trial" | "active" | "past_due" | "cancelled";
        /** @description A plan and what of it is used. */
        PlanUsage: {
            billing_url: components["schemas"]["WebUrl"] | null;
            /**
             * Format: int64
             * @description Live calls per period; `null` is no limit.
             */
            call_limit: number | null;
            /**
             * Format: int64
             * @description What is left; `null` is no limit.
             */
            calls_remaining: number | null;
            /**
             * Format: int64
             * @description 200s of verify in this period, and nothing else.
             */
            calls_used: number;
            /** @description What the plan is called. */
            name: components["schemas"]["Label"];
            /**
             * Format: int64
             * @description Calls beyond the limit.
             */
            overage_calls: number;
            /** @description The first moment after it. */
            period_end: components["schemas"]["Timestamp"];
            /** @description The first moment of the period. */
            period_start: components["schemas"]["Timestamp"];
            /** @description Where it stands. */
            status: components["schemas"]["PlanStatus"];
        };
        /** @enum {string} */
        RateLimitOf: "key" | "connection" | "address";
        /** @description 200: it holds for every call that starts after this answer. Again is the same answer. */
        RevokeAnswer: {
            /**
             * Format: int64
             * @description In how many apps, where a user of all apps was named.
             */
            apps?: number;
            /** @description The connection, where one was named. */
            connection_id?: components["schemas"]["ConnectionId"];
            /**
             * Format: int64
             * @description How many connections were ended by this call, where a user was named.
             */
            count?: number;
            /** @description When; of a connection that had been revoked before, then. */
            revoked_at: components["schemas"]["Timestamp"];
            /** @description Always `revoked`. */
            status: components["schemas"]["RevokedStatus"];
        };
        /** @enum {string} */
        RevokedStatus: "revoked";
        /** @description A scope of an app's catalogue. Also the row that a store keeps. */
        Scope: {
            /**
             * @description Only an app's admins may grant it.
             * @default false
             */
            admin: boolean;
            category?: components["schemas"]["Label"] | null;
            /** @description What an agent that holds it can do, for the person who grants it. */
            description: components["schemas"]["Text"];
            /** @description Unique in the catalogue. */
            name: components["schemas"]["ScopeName"];
            /**
             * @description Shown with a warning.
             * @default false
             */
            sensitive: boolean;
        };
        /**
         * @description A scope's name, compared byte by byte.
         * @example orders:read
         */
        ScopeName: string;
        /**
         * @description A secret, shown this once.
         * @example ag_ct_0000000000000000000000000000000000000000000000000
         */
        Secret: string;
        /** @description A text for people, NFC. */
        Text: string;
        /**
         * Format: date-time
         * @description RFC 3339; answers are in UTC with milliseconds.
         * @example 2026-01-02T03:04:05.678Z
         */
        Timestamp: string;
        /** @description What an environment of an app used. */
        UsageAnswer: {
            /**
             * Format: int64
             * @description Connections in use.
             */
            active_connections: number;
            /** @description Whose. */
            app_id: components["schemas"]["AppId"];
            /** @description Allowed calls by agent label, the most first. */
            breakdown: components["schemas"]["LabelUsage"][];
            /** @description The environment of the credential. */
            environment: components["schemas"]["Environment"];
            /** @description The plan and its period; test has its own count and no plan. */
            plan: components["schemas"]["PlanUsage"];
            /** @description Calls by day, days without calls left out. */
            series: components["schemas"]["DayCalls"][];
            /**
             * Format: int64
             * @description Connections that there ever were.
             */
            total_connections: number;
        };
        /** @description The app's own opaque id of a user, compared byte by byte. */
        UserId: string;
        /**
         * Format: uri
         * @description An https address, or http to a loopback host.
         * @example https://app.example/
         */
        WebUrl: string;
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
};
