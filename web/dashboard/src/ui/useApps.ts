import { useResource } from "../../../react/src/resource.js";
import { appsOf } from "../api.js";
import { useSession } from "../session.js";
import type { App } from "../types.js";

/** The most apps that a picker offers. */
const MOST = 1_000;

/** The apps, by id, for pickers and for names; none for a developer, who is in one app at a time. */
export function useApps(): Map<string, App> {
  const { rights } = useSession();
  const apps = useResource(
    async (signal) => {
      const found: App[] = [];
      let cursor: string | undefined;
      do {
        const page = await appsOf.list(cursor, signal);
        found.push(...page.apps);
        cursor = page.next_cursor ?? undefined;
      } while (cursor && found.length < MOST);
      return new Map(found.map((app) => [app.app_id, app]));
    },
    rights.isOperator ? "all" : "none",
  );
  return apps.data ?? NONE;
}

const NONE = new Map<string, App>();
