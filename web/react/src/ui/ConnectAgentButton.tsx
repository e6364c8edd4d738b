import { useState } from "react";
import { AgentAdmitError } from "../client.js";
import { useConsentSession } from "../hooks.js";
import { useLanguage } from "../text.js";
import type { ConsentRequest } from "../types.js";
import { Frame, type FrameProps } from "./Frame.js";
import { Problem } from "./parts.js";

export interface ConnectAgentButtonProps extends FrameProps {
  /** What the hosted page asks for. */
  request?: ConsentRequest | undefined;
  /** Instead of leaving this page for the hosted one. */
  onOpen?: ((address: string) => void) | undefined;
}

/** Opens the hosted consent page for the signed-in user. */
export function ConnectAgentButton({ request, onOpen, ...frame }: ConnectAgentButtonProps) {
  return (
    <Frame {...frame}>
      <Connect request={request} onOpen={onOpen} />
    </Frame>
  );
}

function Connect({ request = {}, onOpen }: Pick<ConnectAgentButtonProps, "request" | "onOpen">) {
  const { strings } = useLanguage();
  const session = useConsentSession();
  const [wrong, setWrong] = useState<AgentAdmitError | null>(null);
  const open = async () => {
    setWrong(null);
    const opened = await session.run({ locale: strings.locale, ...request });
    if (!opened) return;
    const address = webAddress(opened.session_url);
    if (address) (onOpen ?? ((to) => window.location.assign(to)))(address);
    else setWrong(new AgentAdmitError("unexpected", "the session has no web address"));
  };
  const isNotOffered = session.error && [404, 405, 501].includes(session.error.status);
  return (
    <>
      <button
        type="button"
        className="aa-button aa-main"
        aria-disabled={session.isRunning}
        onClick={() => void open()}
      >
        {session.isRunning ? strings.connect.opening : strings.connect.button}
      </button>
      {isNotOffered ? (
        <p className="aa-problem" role="alert">
          {strings.connect.notOffered}
        </p>
      ) : (
        <Problem error={session.error ?? wrong} />
      )}
    </>
  );
}

/** An address that a browser may be sent to: nothing that runs here. */
export function webAddress(text: string | null): string | null {
  return text && /^https?:\/\//i.test(text) ? text : null;
}
