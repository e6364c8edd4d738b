// What a link opens: an account is made, or an app joined, or somebody signed in. The code stands
// behind the `#`, so no server and no log sees it, and the page takes it out of the address at once.
import { type ReactNode, useEffect, useRef, useState } from "react";
import { useAction, useResource } from "../../../react/src/resource.js";
import { fill } from "../../../react/src/text.js";
import { developers } from "../api.js";
import { useLanguage } from "../language.js";
import { canUsePasskeys, passkeysAt, signUpWithPasskey } from "../passkeys.js";
import { hrefOf, Link } from "../router.js";
import type { InviteShown, Session } from "../types.js";
import { Form, TextField } from "../ui/form.js";
import { Waiting } from "../ui/parts.js";
import { Brand, LooksPicker } from "../ui/Shell.js";

/** The code of the address, which is without it from then on. */
function takeCode(): string {
  const code = location.hash.slice(1);
  if (code) history.replaceState(null, "", location.pathname);
  return code;
}

export function Join({
  session,
  onEnter,
}: {
  session: Session | null;
  /** Somebody has come in, perhaps to an app. */
  onEnter: (session: Session, app: string | null) => void;
}) {
  const { strings } = useLanguage();
  const words = strings.join;
  const [code, setCode] = useState(takeCode);
  useEffect(() => {
    // another link, opened in the same tab
    const again = () => setCode((old) => takeCode() || old);
    addEventListener("hashchange", again);
    return () => removeEventListener("hashchange", again);
  }, []);
  const link = useResource(async () => (code ? developers.look(code) : null), code);
  const isBad = ["not_found", "invalid_request"].includes(link.error?.code ?? "");
  const isClosed = link.error?.code === "forbidden";
  if (!code || isBad || isClosed) {
    return (
      <Alone title={words.bad}>
        <p>{isClosed ? words.closed : code ? words.badText : words.noCode}</p>
        <p>
          <Link className="button" href={hrefOf("/")}>
            {words.toSignIn}
          </Link>
        </p>
      </Alone>
    );
  }
  if (!link.data) {
    return (
      <Alone title={words.asking}>
        <Waiting of={link} />
      </Alone>
    );
  }
  return <Use key={code} code={code} link={link.data} session={session} onEnter={onEnter} />;
}

function Use({
  code,
  link,
  session,
  onEnter,
}: {
  code: string;
  link: InviteShown;
  session: Session | null;
  onEnter: (session: Session, app: string | null) => void;
}) {
  const { strings, moment } = useLanguage();
  const words = strings.join;
  const [label, setLabel] = useState("");
  const [isNameless, setNameless] = useState(false);
  const signUp = useResource((signal) => developers.signUp(signal), "sign-up");
  const hasPasskeys = link.makes_account && canUsePasskeys(signUp.data?.rp_id);
  const elsewhere = link.makes_account ? passkeysAt(signUp.data?.rp_id) : null;
  const use = useAction(async (isPasskey: boolean) => {
    const asked = { code, label: label.trim() };
    const entered = isPasskey
      ? await signUpWithPasskey(asked)
      : await developers.use(link.makes_account ? asked : { code });
    onEnter(entered, link.app?.app_id ?? null);
  });
  const values = {
    app: link.app?.name ?? "",
    label: link.label ?? "",
    role: link.role ? strings.roles[link.role].name : "",
  };
  const submit = (isPasskey: boolean) => {
    const isMissing = link.makes_account && label.trim() === "";
    setNameless(isMissing);
    if (!isMissing) void use.run(isPasskey);
  };
  const plain = link.makes_account
    ? words.create
    : link.kind === "member"
      ? words.join
      : words.signIn;
  return (
    <Alone title={fill(words.titles[link.kind], values)}>
      <p>{fill(words.texts[link.kind], values)}</p>
      {link.role && <p className="hint">{strings.roles[link.role].hint}</p>}
      {link.kind === "member" && !link.makes_account && <p>{fill(words.asYou, values)}</p>}
      {session?.kind === "operator" && (
        <p className="note" data-tone="warning">
          {words.asOperator}
        </p>
      )}
      <Form
        action={use}
        submit={hasPasskeys ? words.createPasskey : plain}
        onSubmit={() => submit(hasPasskeys)}
      >
        {link.makes_account && (
          <TextField
            label={words.name}
            hint={words.nameHint}
            mistake={isNameless ? words.nameless : null}
            autoComplete="name"
            value={label}
            onValue={(typed) => {
              setLabel(typed);
              setNameless(false);
            }}
            maxLength={100}
            required
          />
        )}
      </Form>
      {hasPasskeys && (
        <button type="button" className="button" onClick={() => submit(false)}>
          {words.createPlain}
        </button>
      )}
      {elsewhere && (
        <p className="hint">{fill(strings.profile.elsewhere, { address: elsewhere })}</p>
      )}
      <p className="hint">{fill(words.until, { time: moment(link.expires_at) })}</p>
    </Alone>
  );
}

/** A page of its own, without the ways to the views. */
export function Alone({ title, children }: { title: string; children: ReactNode }) {
  const { strings } = useLanguage();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · ${strings.brand}`;
    heading.current?.focus();
  }, [title, strings]);
  return (
    <main className="alone">
      <section className="sign-in">
        <Brand />
        <h1 tabIndex={-1} ref={heading}>
          <bdi>{title}</bdi>
        </h1>
        {children}
      </section>
      <LooksPicker />
    </main>
  );
}
