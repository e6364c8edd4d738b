import { useLanguage } from "./language.js";
import { go, hrefOf, usePlace } from "./router.js";
import { SignedIn, useSession, useVisit, type Visiting } from "./session.js";
import { Empty, Problem, View } from "./ui/parts.js";
import { Shell } from "./ui/Shell.js";
import { Apps, NewApp } from "./views/Apps.js";
import { Audit } from "./views/Audit.js";
import { AppView } from "./views/app/AppView.js";
import { ConnectionView } from "./views/Connection.js";
import { Connections } from "./views/Connections.js";
import { Developers } from "./views/Developers.js";
import { Join } from "./views/Join.js";
import { NEW_ACCOUNT, NewAccount } from "./views/NewAccount.js";
import { Overview } from "./views/Overview.js";
import { People } from "./views/People.js";
import { Plans } from "./views/Plans.js";
import { Profile } from "./views/Profile.js";
import { Sessions } from "./views/Sessions.js";
import { SignIn } from "./views/SignIn.js";

/** Who is not signed in sees the way in, at whatever address; then what the address names. */
export function App() {
  const visiting = useVisit();
  const { visit } = visiting;
  const { strings } = useLanguage();
  const { path } = usePlace();
  if (path[0] === "join" && visit.state !== "asking") {
    return (
      <Join
        session={visit.state === "in" ? visit.session : null}
        onEnter={(session, app) => {
          visiting.enter(session);
          go(hrefOf(app ? `/apps/${app}` : "/"), { isReplacing: true });
        }}
      />
    );
  }
  if (visit.state === "in") {
    return (
      <SignedIn session={visit.session} renew={visiting.renew}>
        <Inside visiting={visiting} />
      </SignedIn>
    );
  }
  if (visit.state === "out" && path[0] === NEW_ACCOUNT) {
    return (
      <NewAccount
        onEnter={(session) => {
          visiting.enter(session);
          go(hrefOf("/"), { isReplacing: true });
        }}
      />
    );
  }
  if (visit.state === "out") return <SignIn why={visit.why} onEnter={visiting.enter} />;
  return (
    <main className="alone">
      {visit.state === "unknown" ? (
        <Problem error={visit.error} retry={visiting.askAgain} />
      ) : (
        <p role="status">{strings.loading}</p>
      )}
    </main>
  );
}

function Inside({ visiting }: { visiting: Visiting }) {
  const { path, query } = usePlace();
  const { rights } = useSession();
  const [area, id, tab] = path;
  return (
    <Shell area={area ?? ""} onLeave={visiting.leave}>
      <Shown
        key={path.join("/")}
        area={area}
        id={id}
        tab={tab}
        query={query}
        isOperator={rights.isOperator}
      />
    </Shell>
  );
}

/** The view of an address. Developers have no other views than those of their apps. */
function Shown({
  area,
  id,
  tab,
  query,
  isOperator,
}: {
  area: string | undefined;
  id: string | undefined;
  tab: string | undefined;
  query: URLSearchParams;
  isOperator: boolean;
}) {
  if (area === "apps" && id === "new") return <NewApp />;
  if (area === "apps" && id) return <AppView id={id} tab={tab} query={query} />;
  if (area === "apps") return <Apps />;
  if (area === "connections" && id) return <ConnectionView id={id} />;
  if (area === "sessions") return <Sessions />;
  if (area === "profile" && !isOperator) return <Profile />;
  if (!isOperator) return area ? <Nowhere /> : <Apps />;
  if (!area) return <Overview />;
  if (area === "connections") return <Connections query={query} />;
  if (area === "people") return <People query={query} />;
  if (area === "audit") return <Audit query={query} />;
  if (area === "plans") return <Plans />;
  if (area === "developers") return <Developers />;
  return <Nowhere />;
}

function Nowhere() {
  const { strings } = useLanguage();
  return (
    <View title={strings.nowhere.title}>
      <Empty title={strings.nowhere.text} />
    </View>
  );
}
