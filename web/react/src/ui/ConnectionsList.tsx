import { useState } from "react";
import { type Pages, useConnections, useScopes } from "../hooks.js";
import { useLanguage } from "../text.js";
import type { Connection, Grantable } from "../types.js";
import { ConnectionRow } from "./ConnectionRow.js";
import { Frame, type FrameProps, Heading } from "./Frame.js";
import { Said, ShowMore, Waiting } from "./parts.js";

/** The agents that the signed-in user let in: look, narrow, end. */
export function ConnectionsList(props: FrameProps) {
  return (
    <Frame {...props}>
      <Own />
    </Frame>
  );
}

function Own() {
  return <Connections of={useConnections()} offer={useScopes().data} />;
}

export function Connections({
  of: pages,
  offer,
}: {
  of: Pages<Connection>;
  offer: Grantable | null;
}) {
  const { strings, plural } = useLanguage();
  const words = strings.connections;
  const [said, setSaid] = useState({ text: "", isGone: false });
  const isOver = ({ status }: Connection) => status === "revoked" || status === "expired";
  const over = pages.data?.filter(isOver) ?? [];
  const living = pages.data?.filter((connection) => !isOver(connection)) ?? [];
  const rows = (connections: Connection[]) => (
    <ul className="aa-list">
      {connections.map((connection) => (
        <ConnectionRow
          key={connection.connection_id}
          of={connection}
          offer={offer}
          onChanged={(text, isGone) => {
            setSaid({ text, isGone });
            void pages.reload();
          }}
        />
      ))}
    </ul>
  );
  return (
    <section className="aa-section" aria-label={words.title}>
      <Heading>{words.title}</Heading>
      <Said {...said} />
      <Waiting of={pages} />
      {pages.data && living.length === 0 && <p className="aa-empty">{words.none}</p>}
      {rows(living)}
      {over.length > 0 && (
        <details className="aa-details">
          <summary>{plural(words.past, over.length)}</summary>
          {rows(over)}
        </details>
      )}
      <ShowMore of={pages} />
    </section>
  );
}
