import { useCallback, useId, useRef, useState } from "react";
import { useConnections, useScopes } from "../hooks.js";
import { useLanguage } from "../text.js";
import type { Granted } from "../types.js";
import { Connections } from "./ConnectionsList.js";
import { Frame, type FrameProps, Heading } from "./Frame.js";
import { GrantForm } from "./GrantForm.js";
import { HandOver } from "./HandOver.js";
import { Waiting } from "./parts.js";

export interface AgentAdmitPanelProps extends FrameProps {
  /** Why the app asks; shown above the form, and kept with the connection. */
  purpose?: string | undefined;
  /** Scopes that are chosen beforehand. What is sensitive never is. */
  preselected?: readonly string[] | undefined;
}

/** Everything that a user needs: let an agent in, look at what agents did, narrow, end. */
export function AgentAdmitPanel({ purpose, preselected, ...frame }: AgentAdmitPanelProps) {
  return (
    <Frame {...frame}>
      <Panel purpose={purpose} preselected={preselected} />
    </Frame>
  );
}

function Panel({ purpose, preselected }: Pick<AgentAdmitPanelProps, "purpose" | "preselected">) {
  const { strings } = useLanguage();
  const id = useId();
  const offer = useScopes();
  const connections = useConnections();
  const [granted, setGranted] = useState<Granted | null>(null);
  const list = useRef<HTMLDivElement>(null);
  const { reload } = connections;
  const done = useCallback(() => {
    setGranted(null);
    void reload();
    // the new connection is there, and the button that had the focus is gone
    list.current?.focus();
  }, [reload]);
  return (
    <>
      <section className="aa-section" aria-labelledby={id}>
        {granted ? (
          <HandOver granted={granted} onDone={done} />
        ) : (
          <>
            <Heading id={id}>{strings.grant.title}</Heading>
            <Waiting of={offer} />
            {offer.data && (
              <GrantForm
                offer={offer.data}
                purpose={purpose}
                preselected={preselected}
                onGranted={(made) => {
                  setGranted(made);
                  void reload();
                }}
              />
            )}
          </>
        )}
      </section>
      <div ref={list} tabIndex={-1} className="aa-place">
        <Connections of={connections} offer={offer.data} />
      </div>
    </>
  );
}
