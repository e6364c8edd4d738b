// Builds react/dist; crates/sdk/assets: the custom elements in one file, and the sheet of the page
// around them; and crates/http/assets/dashboard: the operator dashboard. With --check it builds the
// assets alone and fails where a committed one differs.
import { execFile } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { minify } from "terser";

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

/** What esbuild leaves, once more: some 350 bytes of the entry `.` after gzip. */
async function smaller(text) {
  const options = {
    module: true,
    ecma: 2022,
    compress: { directives: false, passes: 3 },
    format: { comments: /^!/ },
  };
  return (await minify(text, options)).code;
}

const dashboardAssets = (name) => at(`../crates/http/assets/dashboard/${name}`);
/** Both bundles bring Preact, which is React for them. */
const preact = {
  "react/jsx-runtime": "preact/jsx-runtime",
  "react-dom/client": "preact/compat/client",
  react: "preact/compat",
};
const target = ["chrome123", "firefox120", "safari17.5"];

const noticeOf = (what) =>
  `/*! AgentAdmit ${what}, MIT OR Apache-2.0. With Preact, MIT, copyright (c) 2015-present Jason Miller (LICENSE-preact). Built by web/scripts/build.mjs. */`;

async function elements() {
  const script = await build({
    ...shared,
    entryPoints: [at("elements/src/index.tsx")],
    write: false,
    format: "esm",
    target,
    loader: { ".css": "text" },
    plugins: [minifiedCss],
    alias: preact,
    banner: { js: noticeOf("panels") },
  });
  const sheet = await build({
    ...shared,
    entryPoints: [at("elements/src/page.css")],
    write: false,
  });
  return [
    [assets("agentadmit.js"), `${await smaller(script.outputFiles[0].text)}\n`],
    [assets("page.css"), sheet.outputFiles[0].text],
    [assets("LICENSE-preact"), await readFile(at("node_modules/preact/LICENSE"), "utf8")],
  ];
}

async function dashboard() {
  const script = await build({
    ...shared,
    entryPoints: [at("dashboard/src/main.tsx")],
    write: false,
    format: "esm",
    target,
    alias: preact,
    banner: { js: noticeOf("dashboard") },
  });
  const sheet = await build({
    ...shared,
    entryPoints: [at("dashboard/src/styles/all.css")],
    write: false,
    target,
  });
  return [
    [dashboardAssets("dashboard.js"), `${await smaller(script.outputFiles[0].text)}\n`],
    [dashboardAssets("dashboard.css"), sheet.outputFiles[0].text],
    [dashboardAssets("index.html"), await readFile(at("dashboard/src/index.html"), "utf8")],
    [dashboardAssets("LICENSE-preact"), await readFile(at("node_modules/preact/LICENSE"), "utf8")],
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
  const made = await build({
    ...shared,
    write: false,
    entryPoints: ["index.ts", "headless.ts", "ar.ts"].map((name) => at(`react/src/${name}`)),
    outdir: at("react/dist"),
    format: "esm",
    splitting: true,
    target: "es2022",
    external: ["react", "react/jsx-runtime"],
    banner: { js: '"use client";' },
  });
  await mkdir(at("react/dist"));
  for (const { path, text } of made.outputFiles) await writeFile(path, `${await smaller(text)}\n`);
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

const assetFiles = [...(await elements()), ...(await dashboard())];
if (process.argv.includes("--check")) {
  for (const [path, text] of assetFiles) {
    if ((await readFile(path, "utf8").catch(() => "")) !== text) {
      console.error(`${path} is out of date: run \`npm run build\` in web/`);
      process.exitCode = 1;
    }
  }
} else {
  await mkdir(dashboardAssets(""), { recursive: true });
  for (const [path, text] of assetFiles) await writeFile(path, text);
  await react();
}
