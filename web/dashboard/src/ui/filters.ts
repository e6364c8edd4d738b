// What a list shows stands in the address, so that it can be loaded again and sent to a colleague.
import { go, hrefOf } from "../router.js";

/** One of these, or nothing. */
export function oneOf<V extends string>(known: readonly V[], text: string | null): V | undefined {
  return known.find((it) => it === text);
}

/** Changes what is asked for; a change begins at the first page again. */
export function refine(
  path: string,
  query: URLSearchParams,
  change: Record<string, string | undefined>,
): void {
  go(hrefOf(path, { ...Object.fromEntries(query), ...change }), { isReplacing: true });
}
