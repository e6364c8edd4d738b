import { createContext, Fragment, type ReactNode, useContext, useMemo } from "react";
import { en, type Plural, type Strings } from "./strings/en.js";

/** Puts values where `{name}` stands. */
export function fill(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (all, name: string) => String(values[name] ?? all));
}

/** The same for the page: what somebody typed keeps its own direction and moves nothing around it. */
export function Fill({ text, ...values }: { text: string } & Record<string, ReactNode>) {
  return text.split(/\{(\w+)\}/).map((piece, index) => (
    // biome-ignore lint/suspicious/noArrayIndexKey: the pieces of one text never move
    <Fragment key={index}>{index % 2 ? <bdi>{values[piece]}</bdi> : piece}</Fragment>
  ));
}

/** Which language some words are of. */
export interface Words {
  locale: string;
  dir: "ltr" | "rtl";
}

/** Words, dates and numbers of one language. */
export interface Language<W extends Words = Strings> {
  strings: W;
  /** A moment, such as `2 December 2026 at 14:30`. */
  moment: (time: string | number | Date) => string;
  /** The same for lists, such as `2 Dec 2026, 14:30`. */
  short: (time: string | number | Date) => string;
  /** A time of day, such as `14:30`. */
  clock: (time: string | number | Date) => string;
  /** A day in UTC, such as `2 Dec`. */
  day: (day: string) => string;
  /** How long ago or how soon, such as `3 days ago`. */
  relative: (time: string, now: number) => string;
  /** How long, such as `1 hour`. */
  duration: (seconds: number) => string;
  number: (number: number) => string;
  /** A text with its number in the form that the number wants. */
  plural: (forms: Plural, number: number) => string;
}

const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;

export function languageOf<W extends Words>(strings: W): Language<W> {
  const locale = withRegion(strings.locale);
  const moments = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short" });
  const shorts = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  const clocks = new Intl.DateTimeFormat(locale, { timeStyle: "short" });
  const days = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", timeZone: "UTC" });
  const numbers = new Intl.NumberFormat(locale);
  const ago = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  const rules = new Intl.PluralRules(locale);
  return {
    strings,
    moment: (time) => moments.format(new Date(time)),
    short: (time) => shorts.format(new Date(time)),
    clock: (time) => clocks.format(new Date(time)),
    day: (day) => days.format(new Date(`${day}T00:00:00Z`)),
    relative: (time, now) => {
      const seconds = (Date.parse(time) - now) / 1_000;
      // what is less than a minute away is now
      const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? [
        "second",
        Number.POSITIVE_INFINITY,
      ];
      return ago.format(Math.trunc(seconds / length), unit);
    },
    duration: (seconds) => {
      const [unit, length] = UNITS.find(([, length]) => seconds % length === 0) ?? ["second", 1];
      return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" }).format(
        seconds / length,
      );
    },
    number: (number) => numbers.format(number),
    plural: (forms, number) =>
      fill(forms[rules.select(number)] ?? forms.other, { n: numbers.format(number) }),
  };
}

/** Dates as they are written where the person is: `en` of a British browser is `en-GB`. */
function withRegion(locale: string): string {
  const own = typeof navigator === "undefined" ? "" : (navigator.language ?? "");
  return own.toLowerCase().startsWith(`${locale}-`) ? own : locale;
}

const Context = createContext<Language | null>(null);
let english: Language | undefined;

/** The language of the nearest panel. */
export function useLanguage(): Language {
  const language = useContext(Context);
  if (language) return language;
  english ??= languageOf(en);
  return english;
}

/** What is below it speaks `strings`; without any it speaks what is around it. */
export function Speaking({
  strings,
  children,
}: {
  strings?: Strings | undefined;
  children: ReactNode;
}) {
  const outer = useLanguage();
  const language = useMemo(() => (strings ? languageOf(strings) : outer), [strings, outer]);
  return <Context.Provider value={language}>{children}</Context.Provider>;
}
