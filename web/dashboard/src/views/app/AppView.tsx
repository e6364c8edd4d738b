import { type Resource, useResource } from "../../../../react/src/resource.js";
import { appsOf } from "../../api.js";
import { useLanguage } from "../../language.js";
import { hrefOf, Link } from "../../router.js";
import { useSession } from "../../session.js";
import type { App } from "../../types.js";
import { Badge, Empty, Id, View, Waiting } from "../../ui/parts.js";
import { Crumb } from "../Apps.js";
import { AuditList } from "../Audit.js";
import { ConnectionsOf } from "../Connections.js";
import { Keys } from "./Keys.js";
import { Members } from "./Members.js";
import { PlanForm } from "./PlanForm.js";
import { Scopes } from "./Scopes.js";
import { AppSettings } from "./Settings.js";
import { AppUsage } from "./Usage.js";

const TABS = [
  "usage",
  "keys",
  "scopes",
  "connections",
  "activity",
  "plan",
  "members",
  "settings",
] as const;
type Tab = (typeof TABS)[number];

/** One app: a tab for each thing of it. */
export function AppView({
  id,
  tab,
  query,
}: {
  id: string;
  tab: string | undefined;
  query: URLSearchParams;
}) {
  const { strings } = useLanguage();
  const words = strings.app;
  const app = useResource((signal) => appsOf.show(id, signal), id);
  const shown = TABS.find((it) => it === (tab ?? "usage"));
  return (
    <View
      key={app.data ? "known" : "unknown"}
      title={app.data?.name ?? words.one}
      above={<Crumb to="/apps" text={strings.apps.title} />}
      beside={app.data && <Id of={app.data.app_id} what={words.id} />}
      intro={app.data?.description && <bdi>{app.data.description}</bdi>}
    >
      <Waiting of={app} />
      {app.data && (
        <>
          {app.data.deleted_at && <Badge tone="bad">{strings.apps.deleted}</Badge>}
          <nav className="tabs" aria-label={words.tabsLabel}>
            <ul>
              {TABS.map((it) => (
                <li key={it}>
                  <Link
                    href={hrefOf(it === "usage" ? `/apps/${id}` : `/apps/${id}/${it}`)}
                    aria-current={it === shown ? "page" : undefined}
                  >
                    {words.tabs[it]}
                  </Link>
                </li>
              ))}
            </ul>
          </nav>
          {shown ? (
            <TabOf tab={shown} app={app.data} resource={app} query={query} />
          ) : (
            <Empty title={strings.nowhere.text} />
          )}
        </>
      )}
    </View>
  );
}

function TabOf({
  tab,
  app,
  resource,
  query,
}: {
  tab: Tab;
  app: App;
  resource: Resource<App>;
  query: URLSearchParams;
}) {
  const { rights } = useSession();
  const canChange = rights.canChange(app.app_id) && !app.deleted_at;
  const reload = () => void resource.reload();
  const environment = query.get("environment") === "test" ? "test" : "live";
  switch (tab) {
    case "usage":
      return <AppUsage app={app} environment={environment} />;
    case "keys":
      return <Keys app={app} canChange={canChange} />;
    case "scopes":
      return <Scopes app={app} environment={environment} canChange={canChange} />;
    case "connections":
      return <ConnectionsOf app={app.app_id} query={query} />;
    case "activity":
      return <AuditList app={app.app_id} query={query} />;
    case "plan":
      return (
        <PlanForm app={app} canChange={rights.isOperator && !app.deleted_at} onChanged={reload} />
      );
    case "members":
      return <Members app={app} canChange={canChange} />;
    case "settings":
      return <AppSettings app={app} canChange={canChange} onChanged={reload} />;
  }
}
