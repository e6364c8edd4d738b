// Generated from contract/openapi.json by `npm run types`; do not edit.

export type components = {
    schemas: {
        /** @description 200: nobody gets in with it any more; its apps stay. */
        AccountDeleted: {
            /** @description The account. */
            account_id: components["schemas"]["AccountId"];
            /** @description When. */
            deleted_at: components["schemas"]["Timestamp"];
            /** @description Always `deleted`. */
            status: components["schemas"]["DeletedStatus"];
        };
        /**
         * @description An id: `acct_` and a UUIDv7 in Crockford base32.
         * @example acct_01kb5m4v5ye5rvd0c2tqj3n8xa
         */
        AccountId: string;
        /** @description A page of accounts, oldest first, deleted ones too. */
        AccountList: {
            /** @description The page. */
            accounts: components["schemas"]["AccountView"][];
            next_cursor: components["schemas"]["Cursor"] | null;
        };
        /** @description A developer's account, as an operator sees it. */
        AccountView: {
            /** @description The account. */
            account_id: components["schemas"]["AccountId"];
            /** @description Of which apps it is a member; deleted ones too. */
            apps: components["schemas"]["SessionApp"][];
            /** @description When it was made. */
            created_at: components["schemas"]["Timestamp"];
            deleted_at: components["schemas"]["Timestamp"] | null;
            /** @description What its developer calls it. */
            label: components["schemas"]["Label"];
            suspended_at: components["schemas"]["Timestamp"] | null;
        };
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
        /** @description A page of apps, oldest first. */
        AppList: {
            /** @description The page. */
            apps: components["schemas"]["AppView"][];
            next_cursor: components["schemas"]["Cursor"] | null;
        };
        /** @description An app, as an operator sees it. */
        AppView: {
            /** @description The app; never used again, even after deletion. */
            app_id: components["schemas"]["AppId"];
            /** @description When it was registered. */
            created_at: components["schemas"]["Timestamp"];
            deleted_at: components["schemas"]["Timestamp"] | null;
            description: components["schemas"]["Text"] | null;
            /** @description What users see. */
            name: components["schemas"]["Label"];
            /** @description What it pays for. */
            plan: components["schemas"]["Plan"];
            /** @description Its settings, complete. */
            settings: components["schemas"]["Settings"];
        };
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
        /** @description Whether the log is whole, as the node that answers knows. */
        AuditVerification: {
            failed_at: components["schemas"]["Timestamp"] | null;
            last: components["schemas"]["LastVerification"] | null;
            running: components["schemas"]["RunningVerification"] | null;
        };
        /**
         * @description An id: `chain_` and a UUIDv7 in Crockford base32.
         * @example chain_01kb5m4v5ye5rvd0c2tqj3n8xa
         */
        ChainId: string;
        /** @description Gives a member another role. */
        ChangeMemberRequest: {
            /** @description The role from now on. */
            role: components["schemas"]["Role"];
        };
        /** @description How often something was answered. */
        CodeCount: {
            /** @description The code, or the reason of a dead token. */
            code: string;
            /**
             * Format: int64
             * @description How often.
             */
            count: number;
        };
        /**
         * @description An id: `conn_` and a UUIDv7 in Crockford base32.
         * @example conn_01kb5m4v5ye5rvd0c2tqj3n8xa
         */
        ConnectionId: string;
        /** @enum {string} */
        ConnectionStatus: "pending" | "active" | "revoked" | "expired";
        /**
         * @description Minutes that a connection token lives.
         * @default 10
         */
        ConnectionTokenMinutes: number;
        /** @description Connections by where they stand. */
        ConnectionTotals: {
            /**
             * Format: int64
             * @description In use.
             */
            active: number;
            /**
             * Format: int64
             * @description Ended by time.
             */
            expired: number;
            /**
             * Format: int64
             * @description Issued; nobody has exchanged the token yet.
             */
            pending: number;
            /**
             * Format: int64
             * @description Ended by somebody.
             */
            revoked: number;
        };
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
        /** @description Registers an app. */
        CreateAppRequest: {
            description?: components["schemas"]["Text"] | null;
            /** @description What users see. */
            name: components["schemas"]["Label"];
            /** @description The first catalogue of both environments. */
            scopes?: components["schemas"]["Scope"][] | null;
            settings?: components["schemas"]["SettingsPatch"] | null;
        };
        /** @description Makes an API key. */
        CreateKeyRequest: {
            /** @description The environment that it sees, and the only one. */
            environment: components["schemas"]["Environment"];
            expires_at?: components["schemas"]["Timestamp"] | null;
            name?: components["schemas"]["Label"] | null;
            permissions?: components["schemas"]["Permissions"] | null;
        };
        /**
         * @description An authenticator's name for a passkey, in base64url.
         * @example AQID
         */
        CredentialId: string;
        /** @description 200: the session of this browser. */
        CurrentSession: {
            /** @description A developer's account. */
            account_id?: components["schemas"]["AccountId"];
            /** @description A developer's apps. */
            apps?: components["schemas"]["SessionApp"][];
            /** @description When it ends whatever happens. */
            expires_at: components["schemas"]["Timestamp"];
            /** @description When it ends if it is used no more. */
            idle_expires_at: components["schemas"]["Timestamp"];
            /** @description Who is signed in. */
            kind: components["schemas"]["SessionKind"];
            /** @description How to call them. */
            label: string;
            /** @description The session's public name. */
            session_id: components["schemas"]["SessionId"];
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
        /** @description 200: from now on keys are 401, connections revoked, pending tokens `invalid_grant`. */
        DeleteAppAnswer: {
            /** @description The app. */
            app_id: components["schemas"]["AppId"];
            /**
             * Format: int64
             * @description Connections that it ended.
             */
            connections: number;
            /** @description When. */
            deleted_at: components["schemas"]["Timestamp"];
            /**
             * Format: int64
             * @description Keys that it ended.
             */
            keys: number;
            /** @description Always `deleted`. */
            status: components["schemas"]["DeletedStatus"];
        };
        /** @enum {string} */
        DeletedStatus: "deleted";
        /** @description What belongs to the event and has no member of its own. */
        Details: Record<string, never>;
        /** @description The route's template, or the tool's name, without a query. */
        Endpoint: string;
        /** @enum {string} */
        Environment: "test" | "live";
        /**
         * @description An id: `evt_` and a UUIDv7 in Crockford base32.
         * @example evt_01kb5m4v5ye5rvd0c2tqj3n8xa
         */
        EventId: string;
        /** @enum {string} */
        HealthStatus: "ok" | "failing";
        /**
         * @description Days after which an unused connection expires.
         * @default 90
         */
        IdleDays: number;
        /** @description The app of a link. */
        InviteApp: {
            /** @description The app. */
            app_id: components["schemas"]["AppId"];
            /** @description What users see. */
            name: components["schemas"]["Label"];
        };
        /** @description 201: a link. It is shown this once. */
        InviteCreated: {
            /** @description Its code, which stands behind the `#` of `url`. */
            code: components["schemas"]["LinkCode"];
            /** @description From when on it opens nothing. */
            expires_at: components["schemas"]["Timestamp"];
            /** @description Its public name. */
            invite_id: components["schemas"]["InviteId"];
            /**
             * @description What to hand over; `null` where the answer comes from the command line on a store, which does not
             *     know where its service is reached.
             */
            url: string | null;
        };
        /**
         * @description An id: `inv_` and a UUIDv7 in Crockford base32.
         * @example inv_01kb5m4v5ye5rvd0c2tqj3n8xa
         */
        InviteId: string;
        /** @enum {string} */
        InviteKind: "sign_up" | "sign_in" | "member";
        /** @description The links that wait: at most 100, oldest first. */
        InviteList: {
            /** @description The links. */
            invites: components["schemas"]["InviteView"][];
        };
        /** @description 200: the link opens nothing any more. */
        InviteRevoked: {
            /** @description The link. */
            invite_id: components["schemas"]["InviteId"];
            /** @description Always `revoked`. */
            status: components["schemas"]["RevokedStatus"];
        };
        /** @description 200: what a link is good for. */
        InviteShown: {
            app: components["schemas"]["InviteApp"] | null;
            /** @description From when on it opens nothing. */
            expires_at: components["schemas"]["Timestamp"];
            /** @description In a word. */
            kind: components["schemas"]["InviteKind"];
            label: components["schemas"]["Label"] | null;
            /** @description Whether using it makes an account, which needs a name. */
            makes_account: boolean;
            role: components["schemas"]["Role"] | null;
        };
        /** @description A link that waits to be used: never its code. */
        InviteView: {
            account_id: components["schemas"]["AccountId"] | null;
            /** @description Who made it. */
            by: components["schemas"]["Actor"];
            /** @description When it was made. */
            created_at: components["schemas"]["Timestamp"];
            /** @description From when on it opens nothing. */
            expires_at: components["schemas"]["Timestamp"];
            /** @description Its public name. */
            invite_id: components["schemas"]["InviteId"];
            /** @description What it is good for. */
            kind: components["schemas"]["InviteKind"];
            role: components["schemas"]["Role"] | null;
        };
        /** @enum {string} */
        Issuance: "app" | "hosted";
        /** @description 201: a key; the secret is shown this once. */
        KeyCreated: {
            /** @description The secret. */
            api_key: components["schemas"]["Secret"];
            /** @description When it was made. */
            created_at: components["schemas"]["Timestamp"];
            /** @description The environment that it sees. */
            environment: components["schemas"]["Environment"];
            expires_at: components["schemas"]["Timestamp"] | null;
            /** @description Its public name. */
            key_id: components["schemas"]["KeyId"];
            name: components["schemas"]["Label"] | null;
            /** @description What it may do. */
            permissions: components["schemas"]["Permissions"];
            /** @description After a rotation: the key before, and when that dies. */
            replaces?: components["schemas"]["ReplacedKey"];
        };
        /**
         * @description An id: `key_` and a UUIDv7 in Crockford base32.
         * @example key_01kb5m4v5ye5rvd0c2tqj3n8xa
         */
        KeyId: string;
        /** @description All keys of an app, oldest first. */
        KeyList: {
            /** @description The keys. */
            api_keys: components["schemas"]["KeyView"][];
        };
        /** @description 200: the key is dead for every call that starts after this answer. */
        KeyRevoked: {
            /** @description Its public name. */
            key_id: components["schemas"]["KeyId"];
            /** @description When; of a key that had been revoked before, then. */
            revoked_at: components["schemas"]["Timestamp"];
            /** @description Always `revoked`. */
            status: components["schemas"]["RevokedStatus"];
        };
        /** @description A key, as an operator sees it: never the secret. */
        KeyView: {
            /** @description When it was made. */
            created_at: components["schemas"]["Timestamp"];
            /** @description The environment that it sees. */
            environment: components["schemas"]["Environment"];
            expires_at: components["schemas"]["Timestamp"] | null;
            /** @description Its public name. */
            key_id: components["schemas"]["KeyId"];
            last_used_at: components["schemas"]["Timestamp"] | null;
            /** @description What its secret begins with, and dots. */
            masked: string;
            name: components["schemas"]["Label"] | null;
            /** @description What it may do. */
            permissions: components["schemas"]["Permissions"];
            revoked_at: components["schemas"]["Timestamp"] | null;
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
        /** @description What a check of the log found. */
        LastVerification: {
            /**
             * Format: int64
             * @description Chains that were followed.
             */
            chains: number;
            /** @description What is wrong, in sentences; the first hundred. */
            findings: string[];
            /**
             * Format: int64
             * @description How many findings there are.
             */
            findings_total: number;
            /** @description Whether every record is unaltered and every chain reaches its head without a gap. */
            intact: boolean;
            /**
             * Format: int64
             * @description Records that were hashed again.
             */
            records: number;
            /** @description When it began: what was recorded later was not looked at. */
            started_at: components["schemas"]["Timestamp"];
            /** @description When it ended. */
            verified_at: components["schemas"]["Timestamp"];
        };
        /**
         * @description The code of a link, which stands behind its `#`.
         * @example 0000000000000000000000000000000000000000000
         */
        LinkCode: string;
        /** @description How far the log goes. */
        LogHealth: {
            /**
             * Format: int64
             * @description The newest position; 0 when there is no record.
             */
            end: number;
            newest_record_at: components["schemas"]["Timestamp"] | null;
        };
        /** @description The members of an app: at most 100. */
        MemberList: {
            /** @description The members. */
            members: components["schemas"]["MemberView"][];
        };
        /** @description 200: the developer sees nothing of the app from the answer on. */
        MemberRemoved: {
            /** @description Whose membership it was. */
            account_id: components["schemas"]["AccountId"];
            /** @description The app. */
            app_id: components["schemas"]["AppId"];
            /** @description Always `removed`. */
            status: components["schemas"]["RemovedStatus"];
        };
        /** @description A member of an app. */
        MemberView: {
            /** @description The developer's account. */
            account_id: components["schemas"]["AccountId"];
            /** @description Since when. */
            joined_at: components["schemas"]["Timestamp"];
            /** @description What the developer is called. */
            label: components["schemas"]["Label"];
            /** @description What the member may do with the app. */
            role: components["schemas"]["Role"];
        };
        /**
         * @description An HTTP method, or CALL for a tool.
         * @example GET
         */
        Method: string;
        /** @description For whom the app says that it acts. */
        OnBehalfOf: string;
        /** @enum {string} */
        OnLimit: "overage" | "refuse";
        /** @enum {string} */
        OnReplay: "revoke" | "refuse";
        /** @description A page of connections of all apps, newest first. */
        OperatorConnectionList: {
            /** @description The page. */
            connections: components["schemas"]["OperatorConnectionView"][];
            next_cursor: components["schemas"]["Cursor"] | null;
            /**
             * Format: int64
             * @description How many the filter matches in all.
             */
            total: number;
        };
        /** @description A connection as an operator sees it. */
        OperatorConnectionView: components["schemas"]["ConnectionView"] & {
            /** @description Whose it is. */
            app_id: components["schemas"]["AppId"];
            /** @description Its environment. */
            environment: components["schemas"]["Environment"];
            /** @description From a restore until an operator lifts it; no call passes meanwhile. */
            suspended: boolean;
        };
        /** @description How the service is doing, for whoever runs it. */
        OperatorHealth: {
            /** @description The service's own address, as client assertions must name it. */
            issuer: string;
            /** @description How far its log goes. */
            log: components["schemas"]["LogHealth"];
            /** @description The service's time. */
            now: components["schemas"]["Timestamp"];
            /** @description How its store is doing. */
            store: components["schemas"]["StoreHealth"];
            /** @description The version of the program that serves. */
            version: string;
        };
        /** @description Ends one connection, all of a user of an app, all of an app, or all of a user. */
        OperatorRevokeRequest: {
            /**
             * @description The user of all apps, in both environments, said aloud: goes with `user_id` alone.
             * @default false
             */
            all_apps: boolean;
            app_id?: components["schemas"]["AppId"] | null;
            connection_id?: components["schemas"]["ConnectionId"] | null;
            environment?: components["schemas"]["Environment"] | null;
            reason?: components["schemas"]["Text"] | null;
            user_id?: components["schemas"]["UserId"] | null;
        };
        /** @enum {string} */
        Outcome: "allowed" | "refused" | "done";
        /**
         * @description Seconds that the old credential lives on; 0 ends it with the answer.
         * @default 86400
         */
        OverlapSeconds: number;
        /** @description Everything at a glance. */
        Overview: {
            /**
             * Format: int64
             * @description Apps that are not deleted.
             */
            apps: number;
            /** @description Connections by where they stand. */
            connections: components["schemas"]["ConnectionTotals"];
            /**
             * Format: int64
             * @description Operators whose token is good.
             */
            operators: number;
            /**
             * @description Refusals of today by code or reason, the most first, as the log counts them: of dead tokens
             *     at most a minute late.
             */
            refusals: components["schemas"]["CodeCount"][];
            /** @description Calls by day, days without calls left out. */
            series: components["schemas"]["DayCalls"][];
            /** @description Calls of today (UTC). */
            today: components["schemas"]["DayCalls"];
        };
        /** @description 200: the own account. */
        OwnAccount: {
            /** @description The account. */
            account_id: components["schemas"]["AccountId"];
            /** @description When it was made. */
            created_at: components["schemas"]["Timestamp"];
            /** @description What its developer calls it. */
            label: components["schemas"]["Label"];
            /** @description What signs its developer in, oldest first. */
            passkeys: components["schemas"]["PasskeyView"][];
        };
        /** @description 200: what the browser is told. The challenge in it is good once, for five minutes. */
        PasskeyOptions: {
            /** @description Which challenge is answered. */
            challenge_id: components["schemas"]["LinkCode"];
            /** @description `PublicKeyCredentialCreationOptionsJSON` or `PublicKeyCredentialRequestOptionsJSON`. */
            options: Record<string, never>;
        };
        /** @description A passkey of the own account. */
        PasskeyView: {
            /** @description When it was added. */
            created_at: components["schemas"]["Timestamp"];
            /** @description The authenticator's name for it. */
            credential_id: components["schemas"]["CredentialId"];
            /** @description Whether its authenticator keeps it on other devices too. */
            is_synced: boolean;
            last_used_at: components["schemas"]["Timestamp"] | null;
            /** @description What its developer calls it. */
            name: components["schemas"]["Label"];
        };
        /** @description Narrows a connection: what is absent stays. */
        PatchConnectionRequest: {
            expires_at?: components["schemas"]["Timestamp"] | null;
            on_behalf_of?: components["schemas"]["OnBehalfOf"] | null;
            /** @description Scopes that the connection loses; one that it does not hold is no error. */
            remove_scopes?: components["schemas"]["ScopeName"][] | null;
            user_label?: components["schemas"]["Label"] | null;
        };
        /** @description What the key may do; all of it when nothing is said. */
        Permissions: ("verify" | "issue" | "manage")[];
        /** @description What an app pays for. The request of `PUT …/plan`, and the row that a store keeps. */
        Plan: {
            billing_url?: components["schemas"]["WebUrl"] | null;
            /**
             * Format: int64
             * @description Live calls per period; `null` is no limit.
             */
            call_limit: number | null;
            /** @description What the plan is called. */
            name: components["schemas"]["Label"];
            /** @description What happens beyond the limit. */
            on_limit?: components["schemas"]["OnLimit"];
            /** @description When the count starts again. */
            period?: components["schemas"]["PlanPeriod"];
            /** @description Where it stands. */
            status: components["schemas"]["PlanStatus"];
        };
        /** @enum {string} */
        PlanPeriod: "month";
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
        /** @description The catalogue after a change, and what changed. */
        PutScopesAnswer: {
            /** @description Names that are new. */
            added: components["schemas"]["ScopeName"][];
            /** @description Whose. */
            app_id: components["schemas"]["AppId"];
            /** @description Which of the app's two. */
            environment: components["schemas"]["Environment"];
            /** @description Names that are gone, from every connection too. */
            removed: components["schemas"]["ScopeName"][];
            /** @description In the order in which they came. */
            scopes: components["schemas"]["Scope"][];
            /** @description Names whose description, category or marks are others now. */
            updated: components["schemas"]["ScopeName"][];
        };
        /** @description The catalogue as it shall be from now on, in the credential's environment only. */
        PutScopesRequest: {
            /** @description Scopes that go even though connections hold them. */
            remove?: components["schemas"]["ScopeName"][] | null;
            /** @description Every scope that stays or comes. */
            scopes: components["schemas"]["Scope"][];
        };
        /** @description Calls per second; bursts are twice the rate, `None` is no limit. */
        RateLimits: {
            /**
             * Format: int32
             * @description Of one connection.
             * @default 50
             */
            per_connection_per_second: number | null;
            /**
             * Format: int32
             * @description Of one API key, or one public key.
             * @default 2000
             */
            per_key_per_second: number | null;
        };
        /** @description Some of an app's rates; `null` is no limit. */
        RateLimitsPatch: {
            /**
             * Format: int32
             * @description Of one connection.
             * @default null
             */
            per_connection_per_second: number | null;
            /**
             * Format: int32
             * @description Of one API key, or one public key.
             * @default null
             */
            per_key_per_second: number | null;
        };
        /** @description Whether the service can answer a verify: 200 when every check is `ok`, else 503. */
        ReadyAnswer: {
            /** @description What was looked at. */
            checks: components["schemas"]["ReadyCheck"][];
            /** @description `ok` when every check is. */
            status: components["schemas"]["HealthStatus"];
        };
        /** @description One thing that must be well. */
        ReadyCheck: {
            /** @description What is wrong, and what to do. */
            detail?: string;
            /** @description Such as `admission`, `store`, `disk`, `clock`. */
            name: string;
            /** @description Whether it is well. */
            status: components["schemas"]["HealthStatus"];
        };
        /**
         * Format: uri
         * @description An https address, or http to a loopback host, without a fragment.
         * @example https://app.example/
         */
        RedirectUri: string;
        /** @enum {string} */
        RemovedStatus: "removed";
        /** @description A key that got a successor. */
        ReplacedKey: {
            /** @description When it dies. */
            expires_at: components["schemas"]["Timestamp"];
            /** @description Its public name. */
            key_id: components["schemas"]["KeyId"];
        };
        /** @description An address that OAuth clients name an app and environment by (RFC 8707). */
        Resource: {
            /** @description The environment of what is granted for it. */
            environment: components["schemas"]["Environment"];
            /** @description The address of the app's API or MCP server. No two apps of a service have the same one. */
            uri: components["schemas"]["ResourceUri"];
        };
        /**
         * Format: uri
         * @description An https address, or http to a loopback host, without a fragment.
         * @example https://app.example/
         */
        ResourceUri: string;
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
        /** @enum {string} */
        Role: "owner" | "viewer";
        /** @description Makes a successor of a key, or of an operator's token. */
        RotateRequest: {
            overlap_seconds?: components["schemas"]["OverlapSeconds"] | null;
        };
        /** @description How far a check of the log is. */
        RunningVerification: {
            /**
             * Format: int64
             * @description Where in the log it will end.
             */
            end: number;
            /**
             * Format: int64
             * @description Where in the log it is.
             */
            position: number;
            /**
             * Format: int64
             * @description Records that were hashed again.
             */
            records: number;
            /** @description When it began. */
            started_at: components["schemas"]["Timestamp"];
        };
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
        /** @enum {string} */
        ScopeUsed: "optional" | "required";
        /** @description The catalogue. */
        ScopesAnswer: {
            /** @description Whose. */
            app_id: components["schemas"]["AppId"];
            /** @description Which of the app's two. */
            environment: components["schemas"]["Environment"];
            /** @description In the order in which they came. */
            scopes: components["schemas"]["Scope"][];
        };
        /**
         * @description A secret, shown this once.
         * @example ag_ct_0000000000000000000000000000000000000000000000000
         */
        Secret: string;
        /** @description An app of a developer's. */
        SessionApp: {
            /** @description The app. */
            app_id: components["schemas"]["AppId"];
            /** @description What the developer may do with it. */
            role: components["schemas"]["Role"];
        };
        /**
         * @description An id: `ses_` and a UUIDv7 in Crockford base32.
         * @example ses_01kb5m4v5ye5rvd0c2tqj3n8xa
         */
        SessionId: string;
        /** @enum {string} */
        SessionKind: "operator" | "developer";
        /**
         * @description An app's settings, complete. Also the row that a store keeps; requests send a
         *     [`SettingsPatch`].
         */
        Settings: {
            /**
             * @description Whether a grant may last until it is revoked.
             * @default true
             */
            allow_until_revoked: boolean;
            /**
             * @description Minutes that a connection token lives.
             * @default 10
             */
            connection_token_minutes: components["schemas"]["ConnectionTokenMinutes"];
            /** @default null */
            documentation_uri: components["schemas"]["WebUrl"] | null;
            /**
             * @description Days after which an unused connection expires.
             * @default 90
             */
            idle_days: components["schemas"]["IdleDays"];
            /**
             * @description Who may ask a user for a grant.
             * @default app
             */
            issuance: components["schemas"]["Issuance"];
            /** @default null */
            login_url: components["schemas"]["WebUrl"] | null;
            /** @default null */
            logo_uri: components["schemas"]["WebUrl"] | null;
            /**
             * @description What a replayed connection token does.
             * @default revoke
             */
            on_replay: components["schemas"]["OnReplay"];
            /**
             * @description Calls per second.
             * @default {
             *       "per_connection_per_second": 50,
             *       "per_key_per_second": 2000
             *     }
             */
            rate_limit: components["schemas"]["RateLimits"];
            /**
             * @description Where the consent page and the OAuth door may send a user back to.
             * @default []
             */
            redirect_uris: components["schemas"]["RedirectUri"][];
            /**
             * @description What OAuth clients name this app by. Rows of apps hold it behind all else: there were rows
             *     before it.
             * @default []
             */
            resources: components["schemas"]["Resource"][];
            /**
             * @description Whether a verify must name its scope.
             * @default optional
             */
            scope_used: components["schemas"]["ScopeUsed"];
        };
        /**
         * @description Some of an app's settings: what is absent stays (in a new app: is the default).
         *
         *     `null` takes away an address or a limit; for every other member it is as good as absent.
         */
        SettingsPatch: {
            /**
             * @description Whether a grant may last until it is revoked.
             * @default null
             */
            allow_until_revoked: boolean | null;
            /** @default null */
            connection_token_minutes: components["schemas"]["ConnectionTokenMinutes"] | null;
            /** @default null */
            documentation_uri: components["schemas"]["WebUrl"] | null;
            /** @default null */
            idle_days: components["schemas"]["IdleDays"] | null;
            /** @default null */
            issuance: components["schemas"]["Issuance"] | null;
            /** @default null */
            login_url: components["schemas"]["WebUrl"] | null;
            /** @default null */
            logo_uri: components["schemas"]["WebUrl"] | null;
            /** @default null */
            on_replay: components["schemas"]["OnReplay"] | null;
            /** @default null */
            rate_limit: components["schemas"]["RateLimitsPatch"] | null;
            /**
             * @description Replaces the whole list; at most 20 distinct addresses.
             * @default null
             */
            redirect_uris: components["schemas"]["RedirectUri"][] | null;
            /**
             * @description Replaces the whole list; at most 20 distinct addresses.
             * @default null
             */
            resources: components["schemas"]["Resource"][] | null;
            /** @default null */
            scope_used: components["schemas"]["ScopeUsed"] | null;
        };
        /** @enum {string} */
        SignUp: "open" | "invite" | "closed";
        /** @description 200: who may make an account here, and how. */
        SignUpShown: {
            /** @description Who may. */
            mode: components["schemas"]["SignUp"];
            /**
             * @description The host for which passkeys of this dashboard are (`WebAuthn`'s RP ID); `null` where its address
             *     has no name, and so no passkeys.
             */
            rp_id: string | null;
        };
        /** @description How a store is doing. */
        StoreHealth: {
            /**
             * Format: int64
             * @description Bytes that are left where the store lies; `null` where that cannot be said.
             */
            free_bytes: number | null;
            /**
             * Format: int64
             * @description How long a write took just now until it was on the disk, its wait for a turn included, in
             *     microseconds.
             */
            write_microseconds: number;
        };
        /** @description A text for people, NFC. */
        Text: string;
        /**
         * Format: date-time
         * @description RFC 3339; answers are in UTC with milliseconds.
         * @example 2026-01-02T03:04:05.678Z
         */
        Timestamp: string;
        /** @description Changes an app: what is absent stays. */
        UpdateAppRequest: {
            description?: components["schemas"]["Text"] | null;
            name?: components["schemas"]["Label"] | null;
            settings?: components["schemas"]["SettingsPatch"] | null;
        };
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
        /** @description A page of users of all apps, in the order of their ids' bytes. */
        UserList: {
            next_after: components["schemas"]["UserId"] | null;
            /** @description The page. */
            users: components["schemas"]["UserSummary"][];
        };
        /** @description A person who ever let an agent in: the same id in several apps is the same person to an operator. */
        UserSummary: {
            /**
             * Format: int64
             * @description Apps with connections of this user, whatever became of them.
             */
            apps: number;
            /**
             * Format: int64
             * @description Connections that there ever were.
             */
            connections: number;
            /**
             * Format: int64
             * @description Connections that are pending or active.
             */
            live: number;
            /** @description The id, as the apps say it. */
            user_id: components["schemas"]["UserId"];
        };
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
