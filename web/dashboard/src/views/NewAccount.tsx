import { useState } from "react";
import { useAction, useResource } from "../../../react/src/resource.js";
import { fill } from "../../../react/src/text.js";
import { developers } from "../api.js";
import { useLanguage } from "../language.js";
import { canUsePasskeys, passkeysAt, signUpWithPasskey } from "../passkeys.js";
import { hrefOf, Link } from "../router.js";
import type { Session } from "../types.js";
import { Form, TextField } from "../ui/form.js";
import { Waiting } from "../ui/parts.js";
import { Alone } from "./Join.js";

/** Where it stands behind `/dashboard`. */
export const NEW_ACCOUNT = "new-account";

/** A new account without a link, where the service makes them for everybody. */
export function NewAccount({ onEnter }: { onEnter: (session: Session) => void }) {
  const { strings } = useLanguage();
  const words = strings.signUp;
  const signUp = useResource((signal) => developers.signUp(signal), "sign-up");
  const elsewhere = passkeysAt(signUp.data?.rp_id);
  const isOpen = signUp.data?.mode === "open";
  return (
    <Alone title={words.title}>
      <Waiting of={signUp} />
      {signUp.data && <p>{isOpen ? words.intro : words.closed}</p>}
      {isOpen && canUsePasskeys(signUp.data?.rp_id) && <MakeAccount onEnter={onEnter} />}
      {isOpen && elsewhere && <p>{fill(strings.profile.elsewhere, { address: elsewhere })}</p>}
      <Link className="quiet-link" href={hrefOf("/")}>
        {words.haveOne}
      </Link>
    </Alone>
  );
}

function MakeAccount({ onEnter }: { onEnter: (session: Session) => void }) {
  const { strings } = useLanguage();
  const words = strings.join;
  const [label, setLabel] = useState("");
  const [isNameless, setNameless] = useState(false);
  const create = useAction(async () => onEnter(await signUpWithPasskey({ label: label.trim() })));
  const submit = () => {
    setNameless(label.trim() === "");
    if (label.trim() !== "") void create.run();
  };
  return (
    <Form action={create} submit={words.createPasskey} onSubmit={submit}>
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
    </Form>
  );
}
