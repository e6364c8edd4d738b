import { useState } from "react";
import { useAction, useResource } from "../../../../react/src/resource.js";
import { fill } from "../../../../react/src/text.js";
import { invitesOf, membersOf } from "../../api.js";
import { useLanguage } from "../../language.js";
import { go, hrefOf } from "../../router.js";
import { useSession } from "../../session.js";
import type { App, InviteCreated, Member, Role } from "../../types.js";
import { Confirm, Dialog } from "../../ui/dialog.js";
import { Choices, Form } from "../../ui/form.js";
import { Badge, Empty, Table, Time, useSay, Waiting } from "../../ui/parts.js";
import { LinkShown, MakeLink, WaitingLinks } from "../Links.js";

type Open = { what: "invite" } | { what: "change" | "remove"; member: Member } | null;

/** The developers of an app: invited, given another role, removed. */
export function Members({ app, canChange }: { app: App; canChange: boolean }) {
  const { strings } = useLanguage();
  const words = strings.members;
  const members = useResource((signal) => membersOf.list(app.app_id, signal), app.app_id);
  const links = useResource((signal) => invitesOf(app.app_id).list(signal), app.app_id);
  const [open, setOpen] = useState<Open>(null);
  const [made, setMade] = useState<InviteCreated | null>(null);
  const close = () => setOpen(null);
  const reload = () => void members.reload();
  return (
    <>
      <div className="section-head">
        <p>{words.intro}</p>
        {canChange && (
          <button type="button" className="button main" onClick={() => setOpen({ what: "invite" })}>
            {words.invite}
          </button>
        )}
      </div>
      <Waiting of={members} />
      {members.data?.members.length === 0 && (
        <Empty title={words.none}>
          <p>{words.noneHint}</p>
        </Empty>
      )}
      {members.data && members.data.members.length > 0 && (
        <MembersTable of={members.data.members} canChange={canChange} onOpen={setOpen} />
      )}
      <WaitingLinks app={app.app_id} of={links} canChange={canChange} />
      {open?.what === "invite" && (
        <MakeLink
          title={words.invite}
          intro={words.inviteIntro}
          kind="invite"
          hasRole
          make={(seconds, role) => invitesOf(app.app_id).create({ role, seconds })}
          onMade={(link) => {
            close();
            setMade(link);
            void links.reload();
          }}
          onClose={close}
        />
      )}
      {open?.what === "change" && (
        <ChangeRole app={app} of={open.member} onDone={reload} onClose={close} />
      )}
      {open?.what === "remove" && (
        <RemoveMember app={app} of={open.member} onDone={reload} onClose={close} />
      )}
      {made && <LinkShown of={made} onClose={() => setMade(null)} />}
    </>
  );
}

function MembersTable({
  of,
  canChange,
  onOpen,
}: {
  of: Member[];
  canChange: boolean;
  onOpen: (open: Open) => void;
}) {
  const { strings } = useLanguage();
  const words = strings.members;
  const { session } = useSession();
  const isOwn = (it: Member) => it.account_id === session.account_id;
  // whoever may change nothing may still leave
  const hasActions = canChange || of.some(isOwn);
  const heads = [words.who, words.role, words.since];
  return (
    <Table heads={hasActions ? [...heads, ""] : heads} label={strings.app.tabs.members}>
      {of.map((member) => (
        <tr key={member.account_id}>
          <th scope="row">
            <bdi>{member.label}</bdi> {isOwn(member) && <Badge tone="good">{words.you}</Badge>}
            <code dir="ltr">{member.account_id}</code>
          </th>
          <td data-name={words.role}>{strings.roles[member.role].name}</td>
          <td data-name={words.since}>
            <Time at={member.joined_at} />
          </td>
          {hasActions && (
            <td>
              <div className="actions end">
                {canChange && (
                  <button
                    type="button"
                    className="button small"
                    aria-label={`${words.change}: ${member.label}`}
                    onClick={() => onOpen({ what: "change", member })}
                  >
                    {words.change}
                  </button>
                )}
                {(canChange || isOwn(member)) && (
                  <button
                    type="button"
                    className="button small quiet-danger"
                    aria-label={`${words.remove}: ${member.label}`}
                    onClick={() => onOpen({ what: "remove", member })}
                  >
                    {words.remove}
                  </button>
                )}
              </div>
            </td>
          )}
        </tr>
      ))}
    </Table>
  );
}

interface OfMember {
  app: App;
  of: Member;
  onDone: () => void;
  onClose: () => void;
}

function ChangeRole({ app, of: member, onDone, onClose }: OfMember) {
  const { strings } = useLanguage();
  const words = strings.members;
  const { session, renew } = useSession();
  const say = useSay();
  const [role, setRole] = useState<Role>(member.role);
  const change = useAction(async () => {
    await membersOf.change(app.app_id, member.account_id, role);
    say(strings.savedNow);
    onClose();
    onDone();
    if (member.account_id === session.account_id) await renew();
  });
  return (
    <Dialog title={fill(words.changeTitle, { who: member.label })} onClose={onClose}>
      <Form
        action={change}
        submit={strings.save}
        onSubmit={() => void change.run()}
        onCancel={onClose}
      >
        <Choices
          label={words.role}
          kind="radio"
          mistake={change.error?.code === "conflict" ? words.lastOwner : null}
          options={(["owner", "viewer"] as const).map((value) => ({
            value,
            text: strings.roles[value].name,
            hint: strings.roles[value].hint,
          }))}
          isChosen={(value) => value === role}
          onChoose={setRole}
        />
      </Form>
    </Dialog>
  );
}

function RemoveMember({ app, of: member, onDone, onClose }: OfMember) {
  const { strings } = useLanguage();
  const words = strings.members;
  const { session, renew } = useSession();
  const say = useSay();
  const isOwn = member.account_id === session.account_id;
  const remove = useAction(async () => {
    await membersOf.remove(app.app_id, member.account_id);
    say(words.removedNow);
    onClose();
    if (isOwn) {
      await renew();
      go(hrefOf("/apps"));
    } else {
      onDone();
    }
  });
  return (
    <Confirm
      title={words.removeTitle}
      text={isOwn ? words.leaveText : words.removeText}
      values={{ who: <bdi>{member.label}</bdi>, app: <bdi>{app.name}</bdi> }}
      yes={words.removeYes}
      action={remove}
      onYes={() => void remove.run()}
      onNo={onClose}
    />
  );
}
