import { defineConfig } from "vitest/config";

// clients that never heard of AgentAdmit: a step of their own, `cargo xtask test --only oauth`
export default defineConfig({
  test: {
    include: ["tests/oauth/**/*.test.ts"],
    testTimeout: 240_000,
    hookTimeout: 120_000,
    // a second by default: a busy machine stands still for longer
    expect: { poll: { timeout: 30_000 } },
    fileParallelism: false,
    // what passes only then is told by name, and a defect (.config/nextest.toml)
    retry: 1,
  },
});
