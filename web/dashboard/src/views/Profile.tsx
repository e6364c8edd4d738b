import { useState } from "react";
import { type Resource, useAction, useResource } from "../../../react/src/resource.js";
import { fill } from "../../../react/src/text.js";
import { developers, passkeys } from "../api.js";
import { useLanguage } from "../language.js";
import { addPasskey, canUsePasskeys, passkeysAt } from "../passkeys.js";
import { useSession } from "../session.js";
import type { OwnAccount, OwnPasskey } from "../types.js";
import { Confirm, Dialog } from "../ui/dialog.js";
import { Form, TextField } from "../ui/form.js";
import { Card, Fact, Facts, Id, Table, Time, useSay, View, Waiting } from "../ui/parts.js";

/** A developer's own account. */
export function Profile() {
  const { strings } = useLanguage();
  const words = strings.profile;
  const account = useResource((signal) => developers.own(signal), "own");
  return (
    <View title={words.title} intro={words.intro}>
      <Waiting of={account} />
      {account.data && (
        <div className="stack">
          <About key={account.data.label} of={account.data} resource={account} />
          <Passkeys of={account.data.passkeys} onChanged={() => void account.reload()} />
        </div>
      )}
    </View>
  );
}

function About({ of, resource }: { of: OwnAccount; resource: Resource<OwnAccount> }) {
  const { strings, moment } = useLanguage();
  const words = strings.profile;
  const { renew } = useSession();
  const say = useSay();
  const [label, setLabel] = useState(of.label as string);
  const [isNameless, setNameless] = useState(false);
  const save = useAction(async () => {
    await developers.rename(label.trim());
    say(strings.savedNow);
    await renew();
    await resource.reload();
  });
  const submit = () => {
    setNameless(label.trim() === "");
    if (label.trim() !== "") void save.run();
  };
  return (
    <div className="card narrow">
      <Form action={save} submit={strings.save} onSubmit={submit}>
        <TextField
          label={words.name}
          hint={strings.join.nameHint}
          mistake={isNameless ? strings.join.nameless : null}
          autoComplete="name"
          value={label}
          onValue={(typed) => {
            setLabel(typed);
            setNameless(false);
          }}
          maxLength={100}
          required
        />
      </Form>
      <Facts>
        <Fact name={words.since}>{moment(of.created_at)}</Fact>
        <Fact name={words.id}>
          <Id of={of.account_id} what={words.id} />
        </Fact>
      </Facts>
    </div>
  );
}

type Open = { what: "add" } | { what: "remove"; passkey: OwnPasskey } | null;

function Passkeys({ of: passkeys, onChanged }: { of: OwnPasskey[]; onChanged: () => void }) {
  const { strings } = useLanguage();
  const words = strings.profile;
  const signUp = useResource((signal) => developers.signUp(signal), "sign-up");
  const elsewhere = passkeysAt(signUp.data?.rp_id);
  const [open, setOpen] = useState<Open>(null);
  const close = () => setOpen(null);
  return (
    <Card title={words.passkeys}>
      <p>{words.passkeysIntro}</p>
      {passkeys.length === 0 && <p className="note">{words.noPasskeys}</p>}
      {passkeys.length > 0 && (
        <Table heads={[strings.passkey.name, words.added, words.used, ""]} label={words.passkeys}>
          {passkeys.map((it) => (
            <tr key={it.credential_id}>
              <th scope="row">
                <bdi>{it.name}</bdi>
                {it.is_synced && <span className="hint">{words.synced}</span>}
              </th>
              <td data-name={words.added}>
                <Time at={it.created_at} />
              </td>
              <td data-name={words.used}>
                {it.last_used_at ? <Time at={it.last_used_at} /> : words.neverUsed}
              </td>
              <td>
                <div className="actions end">
                  <button
                    type="button"
                    className="button small quiet-danger"
                    aria-label={`${words.remove}: ${it.name}`}
                    onClick={() => setOpen({ what: "remove", passkey: it })}
                  >
                    {words.remove}
                  </button>
                </div>
              </td>
            </tr>
          ))}
        </Table>
      )}
      {canUsePasskeys(signUp.data?.rp_id) && (
        <div className="actions">
          <button type="button" className="button main" onClick={() => setOpen({ what: "add" })}>
            {words.add}
          </button>
        </div>
      )}
      {elsewhere && <p className="hint">{fill(words.elsewhere, { address: elsewhere })}</p>}
      {open?.what === "add" && <AddPasskey onDone={onChanged} onClose={close} />}
      {open?.what === "remove" && (
        <RemovePasskey
          of={open.passkey}
          isLast={passkeys.length === 1}
          onDone={onChanged}
          onClose={close}
        />
      )}
    </Card>
  );
}

function AddPasskey({ onDone, onClose }: { onDone: () => void; onClose: () => void }) {
  const { strings } = useLanguage();
  const words = strings.profile;
  const say = useSay();
  const [name, setName] = useState("");
  const add = useAction(async () => {
    await addPasskey(name.trim());
    say(words.addedNow);
    onClose();
    onDone();
  });
  return (
    <Dialog title={words.add} onClose={onClose}>
      <Form action={add} submit={words.add} onSubmit={() => void add.run()} onCancel={onClose}>
        <TextField
          label={`${strings.passkey.name} (${strings.optional})`}
          hint={strings.passkey.nameHint}
          value={name}
          onValue={setName}
          maxLength={100}
        />
      </Form>
    </Dialog>
  );
}

function RemovePasskey({
  of: passkey,
  isLast,
  onDone,
  onClose,
}: {
  of: OwnPasskey;
  isLast: boolean;
  onDone: () => void;
  onClose: () => void;
}) {
  const words = useLanguage().strings.profile;
  const say = useSay();
  const remove = useAction(async () => {
    await passkeys.remove(passkey.credential_id);
    say(words.removedNow);
    onClose();
    onDone();
  });
  return (
    <Confirm
      title={words.removeTitle}
      text={isLast ? `${words.removeText} ${words.removeLast}` : words.removeText}
      values={{ name: <bdi>{passkey.name}</bdi> }}
      yes={words.remove}
      action={remove}
      onYes={() => void remove.run()}
      onNo={onClose}
    />
  );
}
