import { useState } from "react";
import { useAction, useResource } from "../../../../react/src/resource.js";
import { fill } from "../../../../react/src/text.js";
import { keysOf, type NewKey } from "../../api.js";
import { useLanguage } from "../../language.js";
import type { App, Environment, Key, KeyCreated, Permission } from "../../types.js";
import { Confirm, Dialog, ShownOnce } from "../../ui/dialog.js";
import { Choices, Form, SelectField, TextField } from "../../ui/form.js";
import {
  Badge,
  Empty,
  EnvironmentBadge,
  Fact,
  Facts,
  Table,
  Time,
  useNow,
  useSay,
  Waiting,
} from "../../ui/parts.js";

type Open = { what: "create" } | { what: "rotate" | "revoke"; key: Key } | null;

/** An app's API keys: made, replaced and ended here; a key itself is seen once. */
export function Keys({ app, canChange }: { app: App; canChange: boolean }) {
  const { strings } = useLanguage();
  const words = strings.keys;
  const keys = useResource((signal) => keysOf.list(app.app_id, signal), app.app_id);
  const [open, setOpen] = useState<Open>(null);
  const [made, setMade] = useState<KeyCreated | null>(null);
  const close = () => setOpen(null);
  const show = (key: KeyCreated) => {
    setOpen(null);
    setMade(key);
    void keys.reload();
  };
  return (
    <>
      <div className="section-head">
        <p>{words.intro}</p>
        {canChange && (
          <button type="button" className="button main" onClick={() => setOpen({ what: "create" })}>
            {words.create}
          </button>
        )}
      </div>
      <Waiting of={keys} />
      {keys.data?.api_keys.length === 0 && (
        <Empty title={words.none}>
          <p>{words.noneHint}</p>
        </Empty>
      )}
      {keys.data && keys.data.api_keys.length > 0 && (
        <KeysTable of={keys.data.api_keys} canChange={canChange} onOpen={setOpen} />
      )}
      {open?.what === "create" && <CreateKey app={app} onMade={show} onClose={close} />}
      {open?.what === "rotate" && (
        <RotateKey app={app} of={open.key} onMade={show} onClose={close} />
      )}
      {open?.what === "revoke" && (
        <RevokeKey app={app} of={open.key} onDone={() => void keys.reload()} onClose={close} />
      )}
      {made && <NewKeyShown of={made} onClose={() => setMade(null)} />}
    </>
  );
}

/** Whether a key opens anything at this moment. */
export function isGood(key: Pick<Key, "revoked_at" | "expires_at">, now: number): boolean {
  const hasRun = (time: string | null) => time !== null && Date.parse(time) <= now;
  return !hasRun(key.revoked_at) && !hasRun(key.expires_at);
}

function KeysTable({
  of,
  canChange,
  onOpen,
}: {
  of: Key[];
  canChange: boolean;
  onOpen: (open: Open) => void;
}) {
  const { strings } = useLanguage();
  const words = strings.keys;
  const now = useNow();
  // what works stands above what does not; the newest first
  const sorted = [...of].sort(
    (a, b) =>
      Number(isGood(b, now)) - Number(isGood(a, now)) ||
      Date.parse(b.created_at) - Date.parse(a.created_at),
  );
  const heads = [words.name, words.environment, words.permissions, words.lastUsed, words.ends];
  return (
    <Table heads={canChange ? [...heads, ""] : heads} label={strings.app.tabs.keys}>
      {sorted.map((key) => (
        <tr key={key.key_id} data-over={isGood(key, now) ? undefined : true}>
          <th scope="row">
            <bdi>{key.name ?? words.unnamed}</bdi>
            <code dir="ltr">{key.masked}</code>
          </th>
          <td data-name={words.environment}>
            <EnvironmentBadge of={key.environment} />
          </td>
          <td data-name={words.permissions}>
            {key.permissions.map((it) => words.permission[it].name).join(", ")}
          </td>
          <td data-name={words.lastUsed}>
            {key.last_used_at ? <Time at={key.last_used_at} /> : words.neverUsed}
          </td>
          <td data-name={words.ends}>
            <KeyEnd of={key} now={now} />
          </td>
          {canChange && <td>{isGood(key, now) && <KeyActions of={key} onOpen={onOpen} />}</td>}
        </tr>
      ))}
    </Table>
  );
}

function KeyEnd({ of: key, now }: { of: Key; now: number }) {
  const { strings } = useLanguage();
  const words = strings.keys;
  if (key.revoked_at) {
    const isOver = Date.parse(key.revoked_at) <= now;
    return isOver ? <Badge tone="quiet">{words.ended}</Badge> : <Time at={key.revoked_at} />;
  }
  if (!key.expires_at) return <>{words.never}</>;
  if (Date.parse(key.expires_at) <= now) return <Badge tone="quiet">{words.expired}</Badge>;
  return <Time at={key.expires_at} />;
}

function KeyActions({ of: key, onOpen }: { of: Key; onOpen: (open: Open) => void }) {
  const { strings } = useLanguage();
  const words = strings.keys;
  const name = key.name ?? key.masked;
  return (
    <div className="actions end">
      <button
        type="button"
        className="button small"
        aria-label={`${words.rotate}: ${name}`}
        onClick={() => onOpen({ what: "rotate", key })}
      >
        {words.rotate}
      </button>
      <button
        type="button"
        className="button small quiet-danger"
        aria-label={`${words.revoke}: ${name}`}
        onClick={() => onOpen({ what: "revoke", key })}
      >
        {words.revoke}
      </button>
    </div>
  );
}

const PERMISSIONS: Permission[] = ["verify", "issue", "manage"];
const DAYS = ["", "30", "90", "365"] as const;

function CreateKey({
  app,
  onMade,
  onClose,
}: {
  app: App;
  onMade: (key: KeyCreated) => void;
  onClose: () => void;
}) {
  const { strings, duration } = useLanguage();
  const words = strings.keys;
  const [name, setName] = useState("");
  const [environment, setEnvironment] = useState<Environment>("test");
  const [permissions, setPermissions] = useState(new Set(PERMISSIONS));
  const [days, setDays] = useState<(typeof DAYS)[number]>("");
  const [isNothing, setNothing] = useState(false);
  const create = useAction(async () => {
    const body: NewKey = { environment, permissions: [...permissions] };
    if (name.trim()) body.name = name.trim();
    if (days) body.expires_at = new Date(Date.now() + Number(days) * 86_400_000).toISOString();
    onMade(await keysOf.create(app.app_id, body));
  });
  const choose = (value: Permission, isChosen: boolean) => {
    const chosen = new Set(permissions);
    if (isChosen) chosen.add(value);
    else chosen.delete(value);
    setPermissions(chosen);
    setNothing(false);
  };
  const submit = () => {
    setNothing(permissions.size === 0);
    if (permissions.size > 0) void create.run();
  };
  return (
    <Dialog title={words.create} onClose={onClose}>
      <Form action={create} submit={words.create} onSubmit={submit} onCancel={onClose}>
        <TextField
          label={`${words.name} (${strings.optional})`}
          hint={words.nameHint}
          value={name}
          onValue={setName}
          maxLength={100}
        />
        <Choices
          label={words.environment}
          kind="radio"
          options={(["test", "live"] as const).map((value) => ({
            value,
            text: strings.environments[value],
            hint: words.environmentHint[value],
          }))}
          isChosen={(value) => value === environment}
          onChoose={setEnvironment}
        />
        <Choices
          label={words.permissions}
          kind="checkbox"
          mistake={isNothing ? words.noPermission : null}
          options={PERMISSIONS.map((value) => ({
            value,
            text: words.permission[value].name,
            hint: words.permission[value].hint,
          }))}
          isChosen={(value) => permissions.has(value)}
          onChoose={choose}
        />
        <SelectField
          label={words.ends}
          value={days}
          onValue={setDays}
          options={DAYS.map((it) => [
            it,
            it ? fill(words.after, { duration: duration(Number(it) * 86_400) }) : words.never,
          ])}
        />
      </Form>
    </Dialog>
  );
}

const OVERLAPS = ["86400", "604800", "3600", "0"] as const;

function RotateKey({
  app,
  of: key,
  onMade,
  onClose,
}: {
  app: App;
  of: Key;
  onMade: (key: KeyCreated) => void;
  onClose: () => void;
}) {
  const { strings, duration } = useLanguage();
  const words = strings.keys;
  const [overlap, setOverlap] = useState<(typeof OVERLAPS)[number]>("86400");
  const rotate = useAction(async () =>
    onMade(await keysOf.rotate(app.app_id, key.key_id, Number(overlap))),
  );
  return (
    <Dialog title={fill(words.rotateTitle, { key: key.name ?? key.masked })} onClose={onClose}>
      <p>{words.rotateIntro}</p>
      <Form
        action={rotate}
        submit={words.rotate}
        onSubmit={() => void rotate.run()}
        onCancel={onClose}
      >
        <SelectField
          label={words.overlap}
          hint={overlap === "0" ? words.noOverlapHint : words.overlapHint}
          value={overlap}
          onValue={setOverlap}
          options={OVERLAPS.map((it) => [
            it,
            it === "0" ? words.noOverlap : fill(words.after, { duration: duration(Number(it)) }),
          ])}
        />
      </Form>
    </Dialog>
  );
}

function RevokeKey({
  app,
  of: key,
  onDone,
  onClose,
}: {
  app: App;
  of: Key;
  onDone: () => void;
  onClose: () => void;
}) {
  const { strings } = useLanguage();
  const words = strings.keys;
  const say = useSay();
  const revoke = useAction(async () => {
    await keysOf.revoke(app.app_id, key.key_id);
    say(words.revokedNow);
    onClose();
    onDone();
  });
  return (
    <Confirm
      title={words.revokeTitle}
      text={words.revokeText}
      values={{ key: key.name ?? key.masked, app: app.name }}
      yes={words.revokeYes}
      action={revoke}
      onYes={() => void revoke.run()}
      onNo={onClose}
    />
  );
}

function NewKeyShown({ of: key, onClose }: { of: KeyCreated; onClose: () => void }) {
  const { strings, moment } = useLanguage();
  const words = strings.keys;
  return (
    <ShownOnce
      title={words.madeTitle}
      intro={words.madeIntro}
      label={words.key}
      secret={key.api_key}
      onClose={onClose}
    >
      <Facts>
        <Fact name={words.environment}>
          <EnvironmentBadge of={key.environment} />
        </Fact>
        <Fact name={words.permissions}>
          {key.permissions.map((it) => words.permission[it].name).join(", ")}
        </Fact>
        {key.replaces && <Fact name={words.oldEnds}>{moment(key.replaces.expires_at)}</Fact>}
      </Facts>
    </ShownOnce>
  );
}
