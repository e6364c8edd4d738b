// Writes react/src/contract.ts: the answers of the service that the mounted routes pass on, taken
// from contract/openapi.json. With --check it writes nothing and fails where the file differs.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

/** What mounted routes answer with; everything that these mention comes along. */
const ROOTS = [
  "AuditList",
  "ConnectionList",
  "ErrorBody",
  "IssueAnswer",
  "RevokeAnswer",
  "Scope",
  "UsageAnswer",
];

const contract = new URL("../../contract/openapi.json", import.meta.url);
const target = new URL("../react/src/contract.ts", import.meta.url);

const document = JSON.parse(await readFile(contract, "utf8"));
const all = document.components.schemas;
const schemas = {};
const mentioned = (name) => {
  if (name in schemas) return;
  schemas[name] = all[name];
  for (const [, other] of JSON.stringify(all[name]).matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
    mentioned(other);
  }
};
for (const name of ROOTS) mentioned(name);
const sorted = Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));

const pruned = {
  openapi: document.openapi,
  info: document.info,
  paths: {},
  components: { schemas: sorted },
};
const text = astToString(await openapiTS(pruned, { exportType: true }));
const file = `// Generated from contract/openapi.json by \`npm run types\`; do not edit.\n\n${text
  .split("\n")
  .filter((line) => !/^export (interface|type) (paths|webhooks|operations|\$defs)\b/.test(line))
  .join("\n")}`;

if (process.argv.includes("--check")) {
  const found = await readFile(target, "utf8").catch(() => "");
  if (found !== file) {
    console.error("react/src/contract.ts is out of date: run `npm run types` in web/");
    process.exit(1);
  }
} else {
  await writeFile(target, file);
}
