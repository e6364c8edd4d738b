// Which language the dashboard speaks, and whether it is light or dark: what the person chose, else
// what the browser says. Only these two choices are kept in the browser.
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";
import { type Language, languageOf } from "../../react/src/text.js";
import { ar } from "./strings/ar.js";
import { en, type Strings } from "./strings/en.js";

export type Theme = "system" | "light" | "dark";
export const THEMES: Theme[] = ["system", "light", "dark"];

const LANGUAGES: Record<string, Strings> = { en, ar };
/** What each language calls itself. */
export const NAMES: [string, string][] = [
  ["en", "English"],
  ["ar", "العربية"],
];

interface Looks {
  language: Language<Strings>;
  speak: (locale: string) => void;
  theme: Theme;
  setTheme: (theme: Theme) => void;
}

const Context = createContext<Looks | null>(null);

export function Looking({ children }: { children: ReactNode }) {
  const [locale, setLocale] = useState(() => kept("language") ?? navigator.language);
  const [theme, setTheme] = useState<Theme>(() => themeOf(kept("theme")));
  const strings = LANGUAGES[locale.toLowerCase().split("-")[0] ?? ""] ?? en;
  const looks = useMemo<Looks>(
    () => ({
      language: languageOf(strings),
      speak: (wanted) => {
        keep("language", wanted);
        setLocale(wanted);
      },
      theme,
      setTheme: (wanted) => {
        keep("theme", wanted);
        setTheme(wanted);
      },
    }),
    [strings, theme],
  );
  useEffect(() => {
    document.documentElement.lang = strings.locale;
    document.documentElement.dir = strings.dir;
    document.documentElement.dataset.theme = theme;
  }, [strings, theme]);
  return <Context.Provider value={looks}>{children}</Context.Provider>;
}

export function useLooks(): Looks {
  const looks = useContext(Context);
  if (!looks) throw new Error("<Looking> is missing");
  return looks;
}

export const useLanguage = () => useLooks().language;

function themeOf(text: string | null): Theme {
  return text === "light" || text === "dark" ? text : "system";
}

/** A browser that keeps nothing is asked again next time. */
function kept(name: string): string | null {
  try {
    return localStorage.getItem(`agentadmit-${name}`);
  } catch {
    return null;
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`agentadmit-${name}`, value);
  } catch {
    // it holds until the page is left
  }
}
