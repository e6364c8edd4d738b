import { useEffect, useRef, useState } from "react";
import { useAction, useResource } from "../../../react/src/resource.js";
import { Fill, fill } from "../../../react/src/text.js";
import { developers, session as sessions } from "../api.js";
import { useLanguage } from "../language.js";
import { canUsePasskeys, passkeysAt, signInWithPasskey } from "../passkeys.js";
import { hrefOf, Link } from "../router.js";
import type { Session } from "../types.js";
import { Form, TextField } from "../ui/form.js";
import { Problem } from "../ui/parts.js";
import { Brand, LooksPicker } from "../ui/Shell.js";
import { NEW_ACCOUNT } from "./NewAccount.js";

/** The way in of developers: a passkey, and a new account where this service makes them. */
function ByPasskey({ onEnter }: { onEnter: (session: Session) => void }) {
  const { strings } = useLanguage();
  const words = strings.passkey;
  const signUp = useResource((signal) => developers.signUp(signal), "sign-up");
  const enter = useAction(async () => onEnter(await signInWithPasskey()));
  const { mode, rp_id: rpId } = signUp.data ?? { mode: "closed", rp_id: null };
  const elsewhere = mode === "closed" ? null : passkeysAt(rpId);
  if (!canUsePasskeys(rpId)) {
    if (!elsewhere) return null;
    return <p className="hint">{fill(strings.profile.elsewhere, { address: elsewhere })}</p>;
  }
  return (
    <div className="ways-in">
      <p className="or">{words.or}</p>
      <button
        type="button"
        className="button"
        aria-disabled={enter.isRunning}
        onClick={() => void enter.run()}
      >
        {words.signIn}
      </button>
      <Problem error={enter.error} />
      {mode === "open" && (
        <Link className="quiet-link" href={hrefOf(`/${NEW_ACCOUNT}`)}>
          {strings.signUp.link}
        </Link>
      )}
    </div>
  );
}

/** The way in: a code that the service gave to whoever runs it. */
export function SignIn({
  why,
  onEnter,
}: {
  why: "never" | "ended" | "left";
  onEnter: (session: Session) => void;
}) {
  const { strings } = useLanguage();
  const words = strings.signIn;
  const [code, setCode] = useState("");
  const [isEmpty, setEmpty] = useState(false);
  const enter = useAction(async (typed: string) => {
    const session = await sessions.signIn(typed);
    setCode("");
    onEnter(session);
  });
  const place = useRef<HTMLElement>(null);
  useEffect(() => {
    document.title = `${words.title} · ${strings.brand}`;
  }, [words, strings]);
  useEffect(() => {
    if (why === "never") place.current?.querySelector("input")?.focus();
    else place.current?.querySelector("h1")?.focus();
  }, [why]);
  const isWrong = enter.error?.code === "invalid_code";
  const submit = () => {
    setEmpty(code.trim() === "");
    if (code.trim() !== "") void enter.run(code.trim());
  };
  return (
    <main className="alone">
      <section className="sign-in" ref={place}>
        <Brand />
        <h1 tabIndex={-1}>{words.title}</h1>
        {why !== "never" && (
          <p className="note" role="status">
            {why === "ended" ? words.ended : words.left}
          </p>
        )}
        <Form
          action={isWrong ? { ...enter, error: null } : enter}
          submit={words.submit}
          onSubmit={submit}
        >
          <TextField
            label={words.code}
            hint={words.codeHint}
            mistake={isEmpty ? words.noCode : isWrong ? words.wrongCode : null}
            className="input code big"
            dir="ltr"
            autoComplete="one-time-code"
            autoCapitalize="characters"
            spellCheck={false}
            maxLength={64}
            placeholder="XXXX-XXXX-XXXX-XXXX"
            value={code}
            onValue={(typed) => {
              setCode(typed);
              setEmpty(false);
              enter.reset();
            }}
          />
        </Form>
        <ByPasskey onEnter={onEnter} />
        <details className="details">
          <summary>{words.where}</summary>
          <p>{words.whereFirst}</p>
          <p>
            <Fill
              text={words.whereAgain}
              command={<code dir="ltr">agentadmit operator sign-in</code>}
            />
          </p>
        </details>
      </section>
      <LooksPicker />
    </main>
  );
}
