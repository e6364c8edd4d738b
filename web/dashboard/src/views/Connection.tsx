import { useState } from "react";
import { type Resource, useAction, useResource } from "../../../react/src/resource.js";
import { appsOf, connectionsOf } from "../api.js";
import { useLanguage } from "../language.js";
import { hrefOf, Link } from "../router.js";
import { useSession } from "../session.js";
import type { Connection } from "../types.js";
import { Confirm, Dialog } from "../ui/dialog.js";
import { Choices, Form, SelectField } from "../ui/form.js";
import {
  Badge,
  Card,
  EnvironmentBadge,
  Fact,
  Facts,
  Id,
  Time,
  useSay,
  View,
  Waiting,
} from "../ui/parts.js";
import { Crumb } from "./Apps.js";
import { isOver, Status } from "./Connections.js";
import { EventList } from "./Events.js";

/** One connection: what the agent may do, what it did, and how to end it. */
export function ConnectionView({ id }: { id: string }) {
  const { strings } = useLanguage();
  const words = strings.connections;
  const { rights } = useSession();
  const connection = useResource((signal) => connectionsOf.show(id, signal), id);
  const it = connection.data;
  const back = it && !rights.isOperator ? `/apps/${it.app_id}/connections` : "/connections";
  return (
    <View
      key={it ? "known" : "unknown"}
      title={it ? (it.agent_label ?? words.unnamed) : words.one}
      above={<Crumb to={back} text={words.title} />}
      beside={it && rights.canChange(it.app_id) && !isOver(it) && <Changes of={connection} />}
    >
      <Waiting of={connection} />
      {it && (
        <div className="columns wide">
          <div className="stack">
            <About of={it} />
            <May of={it} />
          </div>
          <Card title={words.activity}>
            <EventList query={{ connection_id: it.connection_id, app_id: it.app_id }} isShort />
          </Card>
        </div>
      )}
    </View>
  );
}

function About({ of: it }: { of: Connection }) {
  const { strings, moment, number } = useLanguage();
  const words = strings.connections;
  const { rights } = useSession();
  const app = useResource((signal) => appsOf.show(it.app_id, signal), it.app_id);
  const person = hrefOf("/people", { user: it.user_id });
  return (
    <Card title={words.about}>
      <Facts>
        <Fact name={words.statusLabel}>
          <Status of={it} />
        </Fact>
        <Fact name={words.user}>
          {it.user_label && (
            <>
              <bdi>{it.user_label}</bdi>{" "}
            </>
          )}
          {rights.isOperator ? (
            <Link href={person}>
              <bdi>{it.user_id}</bdi>
            </Link>
          ) : (
            <bdi>{it.user_id}</bdi>
          )}
        </Fact>
        <Fact name={strings.app.one}>
          <Link href={hrefOf(`/apps/${it.app_id}`)}>
            <bdi>{app.data?.name ?? it.app_id}</bdi>
          </Link>{" "}
          <EnvironmentBadge of={it.environment} />
        </Fact>
        {it.purpose && (
          <Fact name={words.purpose}>
            <bdi>{it.purpose}</bdi>
          </Fact>
        )}
        {it.user_intent && (
          <Fact name={words.intent}>
            <bdi>{it.user_intent}</bdi>
          </Fact>
        )}
        <Fact name={words.created}>{moment(it.created_at)}</Fact>
        <Fact name={words.lastUsed}>
          {it.last_used_at ? <Time at={it.last_used_at} /> : words.notUsed}
        </Fact>
        <Fact name={words.calls}>{number(it.calls)}</Fact>
        <Fact name={it.revoked_at ? words.ended : words.ends}>
          {it.revoked_at
            ? moment(it.revoked_at)
            : it.expires_at
              ? moment(it.expires_at)
              : words.untilRevoked}
        </Fact>
        <Fact name={words.id}>
          <Id of={it.connection_id} what={words.id} />
        </Fact>
      </Facts>
    </Card>
  );
}

/** Its scopes, in the catalogue's words where it still knows them. */
function May({ of: it }: { of: Connection }) {
  const { strings } = useLanguage();
  const catalogue = useScopes(it);
  return (
    <Card title={strings.connections.may}>
      <ul className="scopes">
        {it.scopes.map((name) => {
          const scope = catalogue.data?.scopes.find((known) => known.name === name);
          return (
            <li key={name}>
              <code dir="ltr" className="strong">
                {name}
              </code>
              {scope?.sensitive && <Badge tone="warning">{strings.scopes.sensitive}</Badge>}
              {scope && <bdi className="hint">{scope.description}</bdi>}
            </li>
          );
        })}
      </ul>
    </Card>
  );
}

function useScopes(it: Connection) {
  return useResource(
    (signal) => appsOf.scopes(it.app_id, it.environment, signal),
    `${it.app_id} ${it.environment}`,
  );
}

function Changes({ of: resource }: { of: Resource<Connection> }) {
  const { strings } = useLanguage();
  const words = strings.connections;
  const say = useSay();
  const [open, setOpen] = useState<"narrow" | "end" | null>(null);
  const it = resource.data;
  const end = useAction(async () => {
    if (!it) return;
    await connectionsOf.revoke({ connection_id: it.connection_id });
    setOpen(null);
    say(words.endedNow);
    await resource.reload();
  });
  if (!it) return null;
  return (
    <>
      <button type="button" className="button" onClick={() => setOpen("narrow")}>
        {words.change}
      </button>
      <button
        type="button"
        className="button quiet-danger"
        onClick={() => {
          end.reset();
          setOpen("end");
        }}
      >
        {words.end}
      </button>
      {open === "narrow" && (
        <Narrow
          of={it}
          onDone={() => {
            setOpen(null);
            say(strings.savedNow);
            void resource.reload();
          }}
          onClose={() => setOpen(null)}
        />
      )}
      {open === "end" && (
        <Confirm
          title={words.endTitle}
          text={words.endText}
          values={{ agent: it.agent_label ?? words.unnamed, user: it.user_label ?? it.user_id }}
          yes={words.endYes}
          action={end}
          onYes={() => void end.run()}
          onNo={() => setOpen(null)}
        />
      )}
    </>
  );
}

const SOONER = ["", "3600", "86400", "604800", "2592000"] as const;

/** Less, never more: more is the user's to give. */
function Narrow({
  of: it,
  onDone,
  onClose,
}: {
  of: Connection;
  onDone: () => void;
  onClose: () => void;
}) {
  const { strings, duration } = useLanguage();
  const words = strings.connections;
  const [kept, setKept] = useState(new Set(it.scopes));
  const [sooner, setSooner] = useState<(typeof SOONER)[number]>("");
  const [isNone, setNone] = useState(false);
  const catalogue = useScopes(it);
  const narrow = useAction(async () => {
    const remove_scopes = it.scopes.filter((name) => !kept.has(name));
    const body: { remove_scopes?: string[]; expires_at?: string } = {};
    if (remove_scopes.length > 0) body.remove_scopes = remove_scopes;
    if (sooner) body.expires_at = new Date(Date.now() + Number(sooner) * 1_000).toISOString();
    if (Object.keys(body).length > 0) await connectionsOf.narrow(it.connection_id, body);
    onDone();
  });
  const end = it.expires_at ? Date.parse(it.expires_at) : Number.POSITIVE_INFINITY;
  const offered = SOONER.filter((it) => Date.now() + Number(it) * 1_000 < end);
  return (
    <Dialog title={words.narrowTitle} onClose={onClose}>
      <p>{words.narrowIntro}</p>
      <Form
        action={narrow}
        submit={strings.save}
        onSubmit={() => {
          setNone(kept.size === 0);
          if (kept.size > 0) void narrow.run();
        }}
        onCancel={onClose}
      >
        <Choices
          label={words.may}
          kind="checkbox"
          mistake={isNone ? words.keepOne : null}
          options={it.scopes.map((value) => ({
            value,
            text: <code dir="ltr">{value}</code>,
            hint: catalogue.data?.scopes.find((known) => known.name === value)?.description,
          }))}
          isChosen={(value) => kept.has(value)}
          onChoose={(value, isChosen) => {
            const next = new Set(kept);
            if (isChosen) next.add(value);
            else next.delete(value);
            setKept(next);
            setNone(false);
          }}
        />
        <SelectField
          label={words.ends}
          value={sooner}
          onValue={setSooner}
          options={offered.map((it) => [
            it,
            it ? inTime(words.inTime, duration(Number(it))) : words.asNow,
          ])}
        />
      </Form>
    </Dialog>
  );
}

const inTime = (text: string, duration: string) => text.replace("{duration}", duration);
