import { useLanguage } from "../language.js";
import { hrefOf, Link } from "../router.js";
import type { Environment } from "../types.js";

/** Each app is there twice: for tests, and for its users. */
export function Environments({ path, now }: { path: string; now: Environment }) {
  const { strings } = useLanguage();
  return (
    <nav className="switch" aria-label={strings.keys.environment}>
      {(["live", "test"] as const).map((it) => (
        <Link
          key={it}
          href={hrefOf(path, { environment: it })}
          aria-current={it === now ? "true" : undefined}
        >
          {strings.environments[it]}
        </Link>
      ))}
    </nav>
  );
}
