// Pages of a list by cursor: forward by what the last answer said, back by what was asked before.
import { useCallback, useEffect, useReducer } from "react";
import { type Resource, useResource } from "../../react/src/resource.js";

/** The cursors that led here; the first page has none. */
export interface Trail {
  key: string;
  cursors: string[];
}

export type Step =
  | { to: "next"; cursor: string }
  | { to: "previous" }
  | { to: "first"; key: string };

export function step(trail: Trail, made: Step): Trail {
  if (made.to === "first") return trail.key === made.key ? trail : { key: made.key, cursors: [] };
  if (made.to === "previous") return { ...trail, cursors: trail.cursors.slice(0, -1) };
  // the same press twice is one step
  if (trail.cursors.at(-1) === made.cursor) return trail;
  return { ...trail, cursors: [...trail.cursors, made.cursor] };
}

export interface Page<P> extends Resource<P> {
  /** Which page this is, from 1 on. */
  number: number;
  next: (() => void) | null;
  previous: (() => void) | null;
}

/** The pages of what `read` reads; another `key` is another list, and begins at its first page. */
export function usePage<P extends { next_cursor: string | null }>(
  read: (cursor: string | undefined, signal: AbortSignal) => Promise<P>,
  key: string,
): Page<P> {
  const [kept, move] = useReducer(step, { key, cursors: [] });
  const trail = step(kept, { to: "first", key });
  useEffect(() => move({ to: "first", key }), [key]);
  const cursor = trail.cursors.at(-1);
  const resource = useResource((signal) => read(cursor, signal), `${key} ${cursor ?? ""}`);
  const following = resource.data?.next_cursor ?? null;
  const forward = useCallback(() => {
    if (following) move({ to: "next", cursor: following });
  }, [following]);
  const back = useCallback(() => move({ to: "previous" }), []);
  return {
    ...resource,
    number: trail.cursors.length + 1,
    next: following ? forward : null,
    previous: trail.cursors.length > 0 ? back : null,
  };
}
