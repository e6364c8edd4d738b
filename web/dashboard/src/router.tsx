// The address of the page says what is shown; nothing else does.
import { type AnchorHTMLAttributes, type MouseEvent, useEffect, useState } from "react";

/** Where the service serves the dashboard. */
export const BASE = "/dashboard";

export interface Place {
  /** The parts of the path behind `/dashboard`. */
  path: string[];
  query: URLSearchParams;
}

const MOVED = "dashboard:moved";
let moves = 0;

/** How often this page has gone somewhere else. */
export const movesSoFar = () => moves;

export function placeOf(address: { pathname: string; search: string }): Place {
  const path = address.pathname.slice(BASE.length).split("/").filter(Boolean).map(decoded);
  return { path, query: new URLSearchParams(address.search) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `/apps` and what is asked of it, as an address. */
export function hrefOf(path: string, query: Record<string, string | undefined> = {}): string {
  const set = Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1]));
  const text = new URLSearchParams(set).toString();
  return BASE + (path === "/" ? "" : path) + (text && `?${text}`);
}

export function go(href: string, how: { isReplacing?: boolean } = {}): void {
  if (href === location.pathname + location.search) return;
  if (href.split("?")[0] !== location.pathname) {
    moves++;
    scrollTo(0, 0);
  }
  if (how.isReplacing) history.replaceState(null, "", href);
  else history.pushState(null, "", href);
  dispatchEvent(new Event(MOVED));
}

export function usePlace(): Place {
  const [place, setPlace] = useState(() => placeOf(location));
  useEffect(() => {
    const read = () => setPlace(placeOf(location));
    const back = () => {
      moves++;
      read();
    };
    addEventListener(MOVED, read);
    addEventListener("popstate", back);
    return () => {
      removeEventListener(MOVED, read);
      removeEventListener("popstate", back);
    };
  }, []);
  return place;
}

/** A link within the dashboard, which opens in another tab as any link does. */
export function Link({ href, ...rest }: AnchorHTMLAttributes<HTMLAnchorElement>) {
  const follow = (event: MouseEvent<HTMLAnchorElement>) => {
    const isPlain = !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
    if (event.button !== 0 || !isPlain || event.defaultPrevented || !href) return;
    event.preventDefault();
    go(href);
  };
  return <a {...rest} href={href} onClick={follow} />;
}
