import { useState } from "react";
import { useAction, useResource } from "../../../react/src/resource.js";
import { Fill, fill } from "../../../react/src/text.js";
import { accountsOf, developers, invitesOf } from "../api.js";
import { useLanguage } from "../language.js";
import { usePage } from "../paging.js";
import { hrefOf, Link } from "../router.js";
import type { Account, InviteCreated } from "../types.js";
import { Confirm } from "../ui/dialog.js";
import { Badge, Empty, Pager, Table, Time, useSay, View, Waiting } from "../ui/parts.js";
import { useApps } from "../ui/useApps.js";
import { LinkShown, MakeLink, WaitingLinks } from "./Links.js";

type Open = { what: "invite" } | { what: "signIn" | "suspend" | "delete"; account: Account } | null;

/** The accounts of developers, for whoever runs the service. */
export function Developers() {
  const { strings } = useLanguage();
  const words = strings.developers;
  const say = useSay();
  const accounts = usePage((cursor, signal) => accountsOf.list(cursor, signal), "accounts");
  const links = useResource((signal) => invitesOf(null).list(signal), "links");
  const signUp = useResource((signal) => developers.signUp(signal), "sign-up");
  const isClosed = signUp.data?.mode === "closed";
  const [open, setOpen] = useState<Open>(null);
  const [made, setMade] = useState<InviteCreated | null>(null);
  const resume = useAction(async (account: Account) => {
    await accountsOf.resume(account.account_id);
    say(words.resumedNow);
    await accounts.reload();
  });
  const close = () => setOpen(null);
  const show = (link: InviteCreated) => {
    close();
    setMade(link);
    void links.reload();
  };
  const invite = (
    <button type="button" className="button main" onClick={() => setOpen({ what: "invite" })}>
      {words.invite}
    </button>
  );
  return (
    <View title={words.title} intro={words.intro} beside={!isClosed && invite}>
      {isClosed && (
        <p className="note">
          <Fill text={words.closed} flag={<code dir="ltr">--sign-up invite</code>} />
        </p>
      )}
      <Waiting of={accounts} />
      {accounts.data?.accounts.length === 0 && (
        <Empty title={words.none}>{!isClosed && <p>{words.noneHint}</p>}</Empty>
      )}
      {accounts.data && accounts.data.accounts.length > 0 && (
        <AccountsTable
          of={accounts.data.accounts}
          onOpen={setOpen}
          onResume={(account) => void resume.run(account)}
        />
      )}
      <Pager of={accounts} />
      <WaitingLinks app={null} of={links} canChange />
      {open?.what === "invite" && (
        <MakeLink
          title={words.invite}
          intro={words.inviteIntro}
          kind="invite"
          make={(seconds) => invitesOf(null).create({ seconds })}
          onMade={show}
          onClose={close}
        />
      )}
      {open?.what === "signIn" && (
        <MakeLink
          title={fill(words.signInTitle, { who: open.account.label })}
          intro={words.signInIntro}
          kind="signIn"
          make={(seconds) => accountsOf.signInLink(open.account.account_id, seconds)}
          onMade={show}
          onClose={close}
        />
      )}
      {(open?.what === "suspend" || open?.what === "delete") && (
        <EndAccount
          what={open.what}
          of={open.account}
          onDone={() => void accounts.reload()}
          onClose={close}
        />
      )}
      {made && <LinkShown of={made} onClose={() => setMade(null)} />}
    </View>
  );
}

function AccountsTable({
  of,
  onOpen,
  onResume,
}: {
  of: Account[];
  onOpen: (open: Open) => void;
  onResume: (account: Account) => void;
}) {
  const { strings } = useLanguage();
  const words = strings.developers;
  return (
    <Table heads={[words.who, words.apps, words.since, words.statusLabel, ""]} label={words.title}>
      {of.map((account) => (
        <tr key={account.account_id} data-over={account.deleted_at ? true : undefined}>
          <th scope="row">
            <bdi>{account.label}</bdi>
            <code dir="ltr">{account.account_id}</code>
          </th>
          <td data-name={words.apps}>
            <AppsOf account={account} />
          </td>
          <td data-name={words.since}>
            <Time at={account.created_at} />
          </td>
          <td data-name={words.statusLabel}>
            <AccountStatus of={account} />
          </td>
          <td>
            {!account.deleted_at && (
              <AccountActions of={account} onOpen={onOpen} onResume={onResume} />
            )}
          </td>
        </tr>
      ))}
    </Table>
  );
}

/** The apps by name; where they are many, how many. */
function AppsOf({ account }: { account: Account }) {
  const { plural, strings } = useLanguage();
  const apps = useApps();
  if (account.apps.length === 0) {
    return <span className="hint">{strings.developers.inNone}</span>;
  }
  if (account.apps.length > 3) {
    return <>{plural(strings.developers.in, account.apps.length)}</>;
  }
  return (
    <ul className="lines">
      {account.apps.map((it) => (
        <li key={it.app_id}>
          <Link href={hrefOf(`/apps/${it.app_id}/members`)}>
            <bdi>{apps.get(it.app_id)?.name ?? it.app_id}</bdi>
          </Link>{" "}
          <span className="hint">{strings.roles[it.role].name}</span>
        </li>
      ))}
    </ul>
  );
}

function AccountStatus({ of: account }: { of: Account }) {
  const words = useLanguage().strings.developers.status;
  if (account.deleted_at) return <Badge tone="quiet">{words.deleted}</Badge>;
  if (account.suspended_at) return <Badge tone="warning">{words.suspended}</Badge>;
  return <Badge tone="good">{words.good}</Badge>;
}

function AccountActions({
  of: account,
  onOpen,
  onResume,
}: {
  of: Account;
  onOpen: (open: Open) => void;
  onResume: (account: Account) => void;
}) {
  const words = useLanguage().strings.developers;
  const button = (text: string, onClick: () => void, isDanger = false) => (
    <button
      type="button"
      className={isDanger ? "button small quiet-danger" : "button small"}
      aria-label={`${text}: ${account.label}`}
      onClick={onClick}
    >
      {text}
    </button>
  );
  return (
    <div className="actions end">
      {account.suspended_at
        ? button(words.resume, () => onResume(account))
        : button(words.signIn, () => onOpen({ what: "signIn", account }))}
      {!account.suspended_at &&
        button(words.suspend, () => onOpen({ what: "suspend", account }), true)}
      {button(words.delete, () => onOpen({ what: "delete", account }), true)}
    </div>
  );
}

function EndAccount({
  what,
  of: account,
  onDone,
  onClose,
}: {
  what: "suspend" | "delete";
  of: Account;
  onDone: () => void;
  onClose: () => void;
}) {
  const words = useLanguage().strings.developers;
  const say = useSay();
  const isDelete = what === "delete";
  const end = useAction(async () => {
    if (isDelete) await accountsOf.remove(account.account_id);
    else await accountsOf.suspend(account.account_id);
    say(isDelete ? words.deletedNow : words.suspendedNow);
    onClose();
    onDone();
  });
  return (
    <Confirm
      title={isDelete ? words.deleteTitle : words.suspendTitle}
      text={isDelete ? words.deleteText : words.suspendText}
      values={{ who: <bdi>{account.label}</bdi> }}
      yes={isDelete ? words.deleteYes : words.suspendYes}
      action={end}
      onYes={() => void end.run()}
      onNo={onClose}
    />
  );
}
