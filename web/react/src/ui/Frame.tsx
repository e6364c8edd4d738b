import { type ComponentPropsWithoutRef, createContext, type ReactNode, useContext } from "react";
import type { AgentAdmitClient } from "../client.js";
import { AgentAdmitProvider } from "../provider.js";
import type { Strings } from "../strings/en.js";
import { Speaking, useLanguage } from "../text.js";

/** What every component takes. */
export interface FrameProps {
  /** Where the SDK's routes are mounted: `/agentadmit` unless said. */
  base?: string | undefined;
  /** Instead of `base`: a client with headers or a fetch of its own. */
  client?: AgentAdmitClient | undefined;
  /** The words; English unless said. */
  strings?: Strings | undefined;
  /**
   * `inherit` (unless said) follows the `color-scheme` of the page around it, `system` the person's
   * own setting.
   */
  theme?: "inherit" | "system" | "light" | "dark" | undefined;
  className?: string | undefined;
  /** The level of the panel's headings on the page around it: 2 unless said. */
  headingLevel?: HeadingLevel | undefined;
}

export type HeadingLevel = 2 | 3 | 4 | 5;

const Level = createContext<HeadingLevel>(2);

type HeadingProps = Omit<ComponentPropsWithoutRef<"h2">, "className">;

/** The heading of a section. */
export function Heading(props: HeadingProps) {
  const Tag = `h${useContext(Level)}` as "h2";
  return <Tag {...props} className="aa-heading" />;
}

/** The heading of something within a section. */
export function Subheading(props: HeadingProps) {
  const Tag = `h${useContext(Level) + 1}` as "h3";
  return <Tag {...props} className="aa-subheading" />;
}

/** The root of every component: client, language, direction, colours. */
export function Frame({
  base,
  client,
  strings,
  theme,
  className,
  headingLevel = 2,
  children,
}: FrameProps & { children: ReactNode }) {
  return (
    <AgentAdmitProvider base={base} client={client}>
      <Speaking strings={strings}>
        <Root theme={theme} className={className}>
          <Level.Provider value={headingLevel}>{children}</Level.Provider>
        </Root>
      </Speaking>
    </AgentAdmitProvider>
  );
}

function Root({
  theme = "inherit",
  className,
  children,
}: Pick<FrameProps, "theme" | "className"> & { children: ReactNode }) {
  const { strings } = useLanguage();
  return (
    <div
      className={className ? `aa ${className}` : "aa"}
      data-theme={theme}
      dir={strings.dir}
      lang={strings.locale}
    >
      {children}
    </div>
  );
}
