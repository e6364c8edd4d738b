import { useState } from "react";
import { useAction, useResource } from "../../../react/src/resource.js";
import { connectionsOf } from "../api.js";
import { useLanguage } from "../language.js";
import { usePage } from "../paging.js";
import { go, hrefOf, Link } from "../router.js";
import type { Connection } from "../types.js";
import { Confirm } from "../ui/dialog.js";
import { Form, TextField } from "../ui/form.js";
import { Card, Empty, Pager, Table, useSay, View, Waiting } from "../ui/parts.js";
import { useApps } from "../ui/useApps.js";
import { ConnectionsTable, isOver } from "./Connections.js";

/** Everything that can act for one person, in every app; and one button that ends it all. */
export function People({ query }: { query: URLSearchParams }) {
  const { strings } = useLanguage();
  const words = strings.people;
  const user = query.get("user") ?? "";
  const prefix = query.get("like") ?? "";
  return (
    <View title={words.title} intro={words.intro}>
      <Search key={`${user} ${prefix}`} now={user || prefix} />
      {prefix && <Alike prefix={prefix} />}
      {user && <Person key={user} id={user} />}
    </View>
  );
}

function Search({ now }: { now: string }) {
  const { strings } = useLanguage();
  const words = strings.people;
  const [typed, setTyped] = useState(now);
  const find = useAction(async (text: string) => {
    const exact = await connectionsOf.list({ user_id: text, limit: 1 } as object);
    go(hrefOf("/people", exact.connections.length > 0 ? { user: text } : { like: text }));
  });
  return (
    <div className="card narrow">
      <Form
        action={find}
        submit={strings.search}
        onSubmit={() => {
          if (typed.trim()) void find.run(typed.trim());
        }}
      >
        <TextField
          label={words.label}
          hint={words.hint}
          type="search"
          value={typed}
          onValue={setTyped}
          maxLength={128}
          spellCheck={false}
        />
      </Form>
    </div>
  );
}

/** People whose id begins so. */
function Alike({ prefix }: { prefix: string }) {
  const { strings, number, plural } = useLanguage();
  const words = strings.people;
  const users = useResource((signal) => connectionsOf.users(prefix, signal), prefix);
  return (
    <>
      <Waiting of={users} />
      {users.data?.users.length === 0 && (
        <Empty title={words.nobody}>
          <p>{words.nobodyHint}</p>
        </Empty>
      )}
      {users.data && users.data.users.length > 0 && (
        <Table heads={[words.person, words.live, words.apps]} label={words.title}>
          {users.data.users.map((it) => (
            <tr key={it.user_id}>
              <th scope="row">
                <Link className="row-link" href={hrefOf("/people", { user: it.user_id })}>
                  <bdi>{it.user_id}</bdi>
                </Link>
              </th>
              <td data-name={words.live}>{plural(words.agents, it.live)}</td>
              <td data-name={words.apps}>{number(it.apps)}</td>
            </tr>
          ))}
        </Table>
      )}
      {users.data?.next_after && <p className="hint">{words.more}</p>}
    </>
  );
}

function Person({ id }: { id: string }) {
  const { strings, plural } = useLanguage();
  const words = strings.people;
  const say = useSay();
  const apps = useApps();
  const [isAsked, setAsked] = useState(false);
  const page = usePage((cursor, signal) => connectionsOf.list({ user_id: id, cursor }, signal), id);
  const endAll = useAction(async () => {
    const ended = await connectionsOf.revoke({ user_id: id, all_apps: true });
    setAsked(false);
    say(plural(words.endedNow, ended.count ?? 0));
    await page.reload();
  });
  const all = page.data?.connections ?? [];
  const live = all.filter((it) => !isOver(it));
  const mayBeMore = page.next !== null || page.previous !== null;
  return (
    <>
      <Waiting of={page} />
      {page.data && all.length === 0 && (
        <Empty title={words.nobody}>
          <p>{words.nobodyHint}</p>
        </Empty>
      )}
      {page.data && all.length > 0 && (
        <>
          <Card {...((live.length > 0 || mayBeMore) && { tone: "danger" as const })}>
            <div className="between">
              <div>
                <h2>
                  <bdi>{nameOf(all, id)}</bdi>
                </h2>
                <p>{mayBeMore ? words.many : plural(words.can, live.length)}</p>
              </div>
              {(live.length > 0 || mayBeMore) && (
                <button
                  type="button"
                  className="button danger"
                  onClick={() => {
                    endAll.reset();
                    setAsked(true);
                  }}
                >
                  {words.endAll}
                </button>
              )}
            </div>
          </Card>
          <ConnectionsTable of={[...live, ...all.filter(isOver)]} apps={apps} />
          <Pager of={page} />
        </>
      )}
      {isAsked && (
        <Confirm
          title={words.endTitle}
          text={words.endText}
          values={{ user: id }}
          typed={{ label: words.endTyped, text: id }}
          yes={words.endAll}
          action={endAll}
          onYes={() => void endAll.run()}
          onNo={() => setAsked(false)}
        />
      )}
    </>
  );
}

/** What an app calls this person, where one does. */
function nameOf(connections: Connection[], id: string): string {
  const label = connections.find((it) => it.user_label)?.user_label;
  return label ? `${label} (${id})` : id;
}
