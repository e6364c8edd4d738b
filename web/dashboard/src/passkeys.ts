// Passkeys (Web Authentication): the browser makes and uses them, the service says for what and
// decides whether it is one. Nothing that could be kept passes through this page.
import { AgentAdmitError } from "../../react/src/error.js";
import { passkeys } from "./api.js";
import type { OwnPasskey, Session } from "./types.js";

/** Whether this page, in this browser, can use passkeys of the service. */
export function canUsePasskeys(rpId: string | null | undefined): boolean {
  return (
    rpId === location.hostname &&
    typeof PublicKeyCredential === "function" &&
    "parseCreationOptionsFromJSON" in PublicKeyCredential
  );
}

/** The address at which passkeys work, where it is not this one. */
export function passkeysAt(rpId: string | null | undefined): string | null {
  if (!rpId || rpId === location.hostname) return null;
  const address = new URL(location.href);
  address.hostname = rpId;
  return address.origin;
}

export async function signInWithPasskey(): Promise<Session> {
  const { challenge_id, options } = await passkeys.toSignIn();
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
    options as unknown as PublicKeyCredentialRequestOptionsJSON,
  );
  const credential = await answerOf(navigator.credentials.get({ publicKey }));
  return passkeys.signIn({ challenge_id, credential });
}

/** Makes an account; with a link's code where the service wants one. */
export async function signUpWithPasskey(asked: { label: string; code?: string }): Promise<Session> {
  const { challenge_id, options } = await passkeys.toSignUp(asked);
  return passkeys.signUp({ challenge_id, credential: await made(options) });
}

/** Adds one to the account that is signed in. */
export async function addPasskey(name: string): Promise<OwnPasskey> {
  const { challenge_id, options } = await passkeys.toAdd();
  const credential = await made(options);
  return passkeys.add({ challenge_id, credential, ...(name && { name }) });
}

async function made(options: unknown): Promise<object> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
    options as PublicKeyCredentialCreationOptionsJSON,
  );
  return answerOf(navigator.credentials.create({ publicKey }));
}

/** What the browser says; a person who does not want to, and one who cannot, are told the same. */
async function answerOf(asked: Promise<Credential | null>): Promise<object> {
  const credential = await asked.catch((cause: unknown) => {
    throw new AgentAdmitError("passkey_cancelled", "the browser gave no passkey", { cause });
  });
  if (!(credential instanceof PublicKeyCredential)) {
    throw new AgentAdmitError("passkey_cancelled", "the browser gave no passkey");
  }
  return credential.toJSON();
}
