// What stands around every view: the way to the others, who is signed in, language and colours.
import { type ReactNode, useEffect, useState } from "react";
import { useAction } from "../../../react/src/resource.js";
import { session as sessions } from "../api.js";
import { NAMES, THEMES, type Theme, useLooks } from "../language.js";
import { hrefOf, Link } from "../router.js";
import { useSession } from "../session.js";
import { Problem } from "./parts.js";

export function Brand() {
  return (
    <svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" className="mark">
      <rect width="24" height="24" rx="6" />
      <path d="M7 17V9.500a5 5 0 0 1 10 0V17M12 11.500v5.5" />
    </svg>
  );
}

export function Shell({
  area,
  onLeave,
  children,
}: {
  area: string;
  onLeave: () => void;
  children: ReactNode;
}) {
  const { language } = useLooks();
  const { strings } = language;
  const { rights } = useSession();
  const [isOpen, setOpen] = useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: going somewhere closes the menu
  useEffect(() => setOpen(false), [children]);
  const words = strings.nav;
  const ways: [string, string][] = rights.isOperator
    ? [
        ["", words.overview],
        ["apps", words.apps],
        ["connections", words.connections],
        ["people", words.people],
        ["audit", words.audit],
        ["plans", words.plans],
        ["developers", words.developers],
        ["sessions", words.sessions],
      ]
    : [
        ["apps", words.apps],
        ["profile", words.profile],
        ["sessions", words.sessions],
      ];
  // a developer's connections are those of an app
  const here = ways.some(([way]) => way === area) ? area : "apps";
  return (
    <div className="shell" data-open={isOpen}>
      <a className="skip" href="#main">
        {strings.skip}
      </a>
      <header className="side">
        <div className="side-head">
          <Link className="brand" href={hrefOf("/")}>
            <Brand />
            <span>{strings.brand}</span>
          </Link>
          <button
            type="button"
            className="button menu"
            aria-expanded={isOpen}
            aria-controls="menu"
            onClick={() => setOpen(!isOpen)}
          >
            {words.menu}
          </button>
        </div>
        <div className="side-body" id="menu">
          <nav aria-label={words.label}>
            <ul>
              {ways.map(([way, text]) => (
                <li key={way}>
                  <Link
                    className="way"
                    href={hrefOf(`/${way}`)}
                    aria-current={here === way ? "page" : undefined}
                    onClickCapture={() => setOpen(false)}
                  >
                    <WayIcon of={way} />
                    {text}
                  </Link>
                </li>
              ))}
            </ul>
          </nav>
          <Foot onLeave={onLeave} />
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </div>
  );
}

function Foot({ onLeave }: { onLeave: () => void }) {
  const { language } = useLooks();
  const { strings } = language;
  const { session } = useSession();
  const leave = useAction(async () => {
    await sessions.signOut();
    onLeave();
  });
  return (
    <div className="foot">
      <p className="who">
        <span className="hint">{strings.session[session.kind]}</span>
        <bdi>{session.label}</bdi>
      </p>
      <Problem error={leave.error} />
      <button type="button" className="button small" onClick={() => void leave.run()}>
        {strings.session.signOut}
      </button>
      <LooksPicker />
    </div>
  );
}

export function LooksPicker() {
  const { language, speak, theme, setTheme } = useLooks();
  const words = language.strings.looks;
  return (
    <div className="looks">
      <select
        className="input small"
        aria-label={words.language}
        value={language.strings.locale}
        onChange={(event) => speak(event.currentTarget.value)}
      >
        {NAMES.map(([locale, name]) => (
          <option key={locale} value={locale} lang={locale}>
            {name}
          </option>
        ))}
      </select>
      <select
        className="input small"
        aria-label={words.theme}
        value={theme}
        onChange={(event) => setTheme(event.currentTarget.value as Theme)}
      >
        {THEMES.map((it) => (
          <option key={it} value={it}>
            {words.themes[it]}
          </option>
        ))}
      </select>
    </div>
  );
}

const ICONS: Record<string, string> = {
  "": "M2.5 9.5 8 3l5.5 6.500M4.5 8v5.500h7V8",
  apps: "M2.5 2.500h4.500v4.500H2.500zM9 2.500h4.500v4.500H9zM2.5 9h4.500v4.500H2.500zM9 9h4.500v4.500H9z",
  connections:
    "M6.5 9.500l3-3M5 8 3.5 9.500a2.1 2.1 0 0 0 3 3L8 11M8 5l1.5-1.500a2.1 2.1 0 0 1 3 3L11 8",
  people: "M8 8a2.75 2.75 0 1 0 0-5.500A2.75 2.75 0 0 0 8 8zM2.75 13.500a5.25 5.25 0 0 1 10.5 0",
  audit: "M4 2.500h8v11H4zM6 5.500h4M6 8h4M6 10.500h2.5",
  plans: "M2 4h12v8H2zM2 7h12",
  developers: "M5.5 4.500 2 8l3.500 3.500M10.500 4.500 14 8l-3.500 3.500M9 3 7 13",
  profile: "M8 8a2.75 2.75 0 1 0 0-5.500A2.75 2.75 0 0 0 8 8zM2.75 13.500a5.25 5.25 0 0 1 10.5 0",
  sessions: "M3.5 7h9v6.500h-9zM5.5 7V5a2.5 2.5 0 0 1 5 0v2",
};

function WayIcon({ of }: { of: string }) {
  return (
    <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" className="icon">
      <path d={ICONS[of]} />
    </svg>
  );
}
