import { useState } from "react";
import { useAction, useResource } from "../../../react/src/resource.js";
import { session as sessions } from "../api.js";
import { useLanguage } from "../language.js";
import type { OpenSession } from "../types.js";
import { Confirm } from "../ui/dialog.js";
import { Badge, Empty, Table, Time, useSay, View, Waiting } from "../ui/parts.js";

/** Who is signed in to the dashboard now, and a way to end it. */
export function Sessions() {
  const { strings, moment } = useLanguage();
  const words = strings.sessions;
  const say = useSay();
  const open = useResource((signal) => sessions.list(signal), "sessions");
  const [asked, setAsked] = useState<OpenSession | null>(null);
  const end = useAction(async (id: string) => {
    await sessions.end(id);
    setAsked(null);
    say(words.endedNow);
    await open.reload();
  });
  return (
    <View title={words.title} intro={words.intro}>
      <Waiting of={open} />
      {open.data?.sessions.length === 0 && <Empty title={words.none} />}
      {open.data && open.data.sessions.length > 0 && (
        <Table
          heads={[words.who, words.since, words.lastUsed, words.until, ""]}
          label={words.title}
        >
          {open.data.sessions.map((it) => (
            <tr key={it.session_id}>
              <th scope="row">
                <bdi>{it.label}</bdi> {it.current && <Badge tone="good">{words.current}</Badge>}
                <span className="hint">{strings.session[it.kind]}</span>
              </th>
              <td data-name={words.since}>
                <Time at={it.created_at} />
              </td>
              <td data-name={words.lastUsed}>
                <Time at={it.last_used_at} />
              </td>
              <td data-name={words.until}>{moment(it.expires_at)}</td>
              <td>
                <div className="actions end">
                  <button
                    type="button"
                    className="button small quiet-danger"
                    aria-label={`${words.end}: ${it.label}`}
                    onClick={() => {
                      end.reset();
                      setAsked(it);
                    }}
                  >
                    {words.end}
                  </button>
                </div>
              </td>
            </tr>
          ))}
        </Table>
      )}
      {asked && (
        <Confirm
          title={words.endTitle}
          text={asked.current ? words.endOwn : words.endText}
          values={{ who: asked.label }}
          yes={words.end}
          action={end}
          onYes={() => void end.run(asked.session_id)}
          onNo={() => setAsked(null)}
        />
      )}
    </View>
  );
}
