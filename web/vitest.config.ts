import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.{ts,tsx}"],
    // a step of its own: vitest.oauth.config.ts
    exclude: ["tests/oauth/**", "**/node_modules/**"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // a second by default: a busy machine stands still for longer
    expect: { poll: { timeout: 30_000 } },
    // each file starts a service, a shop and a browser
    fileParallelism: false,
    // what passes only then is told by name, and a defect (.config/nextest.toml)
    retry: 1,
  },
});
