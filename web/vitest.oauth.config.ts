import { defineConfig } from "vitest/config";

// clients that never heard of AgentAdmit: a step of their own, `cargo xtask test --only oauth`
export default defineConfig({
  test: {
    include: ["tests/oauth/**/*.test.ts"],
    testTimeout: 240_000,
    hookTimeout: 120_000,
    fileParallelism: false,
    // what passes only then is told by name, and a defect (.config/nextest.toml)
    retry: 1,
  },
});
