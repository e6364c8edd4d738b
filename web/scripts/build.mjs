// Builds react/dist, and crates/sdk/assets: the custom elements in one file, and the sheet of the
// page around them. With --check it builds the assets alone and fails where a committed one differs.
import { execFile } from "node:child_process";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const assets = (name) => at(`../crates/sdk/assets/${name}`);
const shared = {
  bundle: true,
  minify: true,
  charset: "utf8",
  jsx: "automatic",
  legalComments: "none",
  logLevel: "warning",
  define: { "process.env.NODE_ENV": '"production"' },
};

const NOTICE = `/*! AgentAdmit panels, MIT OR Apache-2.0. With Preact, MIT, copyright (c) 2015-present Jason Miller (LICENSE-preact). Built by web/scripts/build.mjs. */`;

async function elements() {
  const script = await build({
    ...shared,
    entryPoints: [at("elements/src/index.tsx")],
    write: false,
    format: "esm",
    target: ["chrome123", "firefox120", "safari17.5"],
    loader: { ".css": "text" },
    plugins: [minifiedCss],
    alias: { react: "preact/compat", "react/jsx-runtime": "preact/jsx-runtime" },
    banner: { js: NOTICE },
  });
  const sheet = await build({
    ...shared,
    entryPoints: [at("elements/src/page.css")],
    write: false,
  });
  return [
    [assets("agentadmit.js"), script.outputFiles[0].text],
    [assets("page.css"), sheet.outputFiles[0].text],
    [assets("LICENSE-preact"), await readFile(at("node_modules/preact/LICENSE"), "utf8")],
  ];
}

/** A sheet that goes into a script as text is minified before. */
const minifiedCss = {
  name: "minified css",
  setup(within) {
    within.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const made = await build({ ...shared, entryPoints: [path], write: false });
      return { contents: made.outputFiles[0].text.trim(), loader: "text" };
    });
  },
};

async function react() {
  await rm(at("react/dist"), { recursive: true, force: true });
  await build({
    ...shared,
    entryPoints: ["index.ts", "headless.ts", "ar.ts"].map((name) => at(`react/src/${name}`)),
    outdir: at("react/dist"),
    format: "esm",
    splitting: true,
    target: "es2022",
    external: ["react", "react/jsx-runtime"],
    banner: { js: '"use client";' },
  });
  await build({ ...shared, entryPoints: [at("react/src/styles.css")], outdir: at("react/dist") });
  await promisify(execFile)(process.execPath, [
    at("node_modules/typescript/bin/tsc"),
    "-p",
    at("react/tsconfig.json"),
  ]);
  for (const licence of ["LICENSE-MIT", "LICENSE-APACHE"]) {
    await cp(at(`../${licence}`), at(`react/${licence}`));
  }
}

if (process.argv.includes("--check")) {
  for (const [path, text] of await elements()) {
    if ((await readFile(path, "utf8").catch(() => "")) !== text) {
      console.error(`${path} is out of date: run \`npm run build\` in web/`);
      process.exitCode = 1;
    }
  }
} else {
  for (const [path, text] of await elements()) await writeFile(path, text);
  await react();
}
