// Links that let somebody in once: made, shown this once, taken back.
import { useState } from "react";
import { type Resource, useAction } from "../../../react/src/resource.js";
import { fill } from "../../../react/src/text.js";
import { invitesOf } from "../api.js";
import { useLanguage } from "../language.js";
import { BASE } from "../router.js";
import type { Invite, InviteCreated, InviteList, Role } from "../types.js";
import { Confirm, Dialog, ShownOnce } from "../ui/dialog.js";
import { Choices, Form, SelectField } from "../ui/form.js";
import { Card, Table, useSay, Waiting } from "../ui/parts.js";

/** How long a link works, in seconds; the first is chosen. */
const LIFETIMES = {
  invite: ["259200", "86400", "604800", "2592000"],
  signIn: ["3600", "600", "86400"],
} as const;

/** Asks how long, and for members as what; then makes the link. */
export function MakeLink({
  title,
  intro,
  kind,
  hasRole,
  make,
  onMade,
  onClose,
}: {
  title: string;
  intro: string;
  kind: keyof typeof LIFETIMES;
  hasRole?: boolean;
  make: (seconds: number, role: Role) => Promise<InviteCreated>;
  onMade: (link: InviteCreated) => void;
  onClose: () => void;
}) {
  const { strings, duration } = useLanguage();
  const words = strings.links;
  const [role, setRole] = useState<Role>("viewer");
  const [seconds, setSeconds] = useState<string>(LIFETIMES[kind][0]);
  const create = useAction(async () => onMade(await make(Number(seconds), role)));
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{intro}</p>
      <Form action={create} submit={title} onSubmit={() => void create.run()} onCancel={onClose}>
        {hasRole && (
          <Choices
            label={strings.members.role}
            kind="radio"
            options={(["viewer", "owner"] as const).map((value) => ({
              value,
              text: strings.roles[value].name,
              hint: strings.roles[value].hint,
            }))}
            isChosen={(value) => value === role}
            onChoose={setRole}
          />
        )}
        <SelectField
          label={words.lifetime}
          value={seconds}
          onValue={setSeconds}
          options={LIFETIMES[kind].map((it) => [it, duration(Number(it))])}
        />
      </Form>
    </Dialog>
  );
}

export function LinkShown({ of: link, onClose }: { of: InviteCreated; onClose: () => void }) {
  const { strings, moment } = useLanguage();
  const words = strings.links;
  return (
    <ShownOnce
      title={words.madeTitle}
      intro={words.madeIntro}
      label={words.link}
      secret={link.url ?? `${location.origin}${BASE}/join#${link.code}`}
      onClose={onClose}
    >
      <p className="hint">{fill(strings.join.until, { time: moment(link.expires_at) })}</p>
    </ShownOnce>
  );
}

/** Those that nobody has used yet; nothing where there are none. */
export function WaitingLinks({
  app,
  of,
  canChange,
}: {
  /** Whose they are; `null` is the service. */
  app: string | null;
  of: Resource<InviteList>;
  canChange: boolean;
}) {
  const { strings, moment } = useLanguage();
  const words = strings.links;
  const say = useSay();
  const [asked, setAsked] = useState<Invite | null>(null);
  const revoke = useAction(async (id: string) => {
    await invitesOf(app).revoke(id);
    setAsked(null);
    say(words.revokedNow);
    await of.reload();
  });
  if (of.data && of.data.invites.length === 0) return null;
  const heads = [words.link, words.by, words.until];
  return (
    <Card title={words.title}>
      <Waiting of={of} />
      {of.data && (
        <Table heads={canChange ? [...heads, ""] : heads} label={words.title}>
          {of.data.invites.map((it) => (
            <tr key={it.invite_id}>
              <th scope="row">
                {words.kinds[it.kind]}
                {it.role && <span className="hint">{strings.roles[it.role].name}</span>}
              </th>
              <td data-name={words.by}>
                <code dir="ltr">{it.by}</code>
              </td>
              <td data-name={words.until}>{moment(it.expires_at)}</td>
              {canChange && (
                <td>
                  <div className="actions end">
                    <button
                      type="button"
                      className="button small quiet-danger"
                      aria-label={`${words.revoke}: ${words.kinds[it.kind]}, ${moment(it.expires_at)}`}
                      onClick={() => {
                        revoke.reset();
                        setAsked(it);
                      }}
                    >
                      {words.revoke}
                    </button>
                  </div>
                </td>
              )}
            </tr>
          ))}
        </Table>
      )}
      {asked && (
        <Confirm
          title={words.revokeTitle}
          text={words.revokeText}
          yes={words.revoke}
          action={revoke}
          onYes={() => void revoke.run(asked.invite_id)}
          onNo={() => setAsked(null)}
        />
      )}
    </Card>
  );
}
