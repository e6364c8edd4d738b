// Writes react/src/contract.ts (the answers of the service that the mounted routes pass on) and
// dashboard/src/contract.ts (what the dashboard asks and is answered), taken from
// contract/openapi.json. With --check it writes nothing and fails where a file differs.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

/** What each of them is about; everything that these mention comes along. */
const ROOTS = {
  react: [
    "AuditList",
    "ConnectionList",
    "ErrorBody",
    "IssueAnswer",
    "RevokeAnswer",
    "Scope",
    "UsageAnswer",
  ],
  dashboard: [
    "AccountDeleted",
    "AccountList",
    "AppList",
    "AuditList",
    "AuditVerification",
    "ChangeMemberRequest",
    "CreateAppRequest",
    "CreateKeyRequest",
    "CurrentSession",
    "DeleteAppAnswer",
    "InviteCreated",
    "InviteList",
    "InviteRevoked",
    "InviteShown",
    "KeyCreated",
    "KeyList",
    "KeyRevoked",
    "MemberList",
    "MemberRemoved",
    "OperatorConnectionList",
    "OperatorHealth",
    "OperatorRevokeRequest",
    "Overview",
    "OwnAccount",
    "PasskeyOptions",
    "PatchConnectionRequest",
    "PutScopesAnswer",
    "PutScopesRequest",
    "ReadyAnswer",
    "RevokeAnswer",
    "RotateRequest",
    "ScopesAnswer",
    "SignUpShown",
    "UpdateAppRequest",
    "UsageAnswer",
    "UserList",
  ],
};

const contract = new URL("../../contract/openapi.json", import.meta.url);
const document = JSON.parse(await readFile(contract, "utf8"));

/** The types of some schemas, as TypeScript. */
async function typesOf(roots) {
  const all = document.components.schemas;
  const schemas = {};
  const mentioned = (name) => {
    if (name in schemas) return;
    schemas[name] = all[name];
    for (const [, other] of JSON.stringify(all[name]).matchAll(
      /"#\/components\/schemas\/(\w+)"/g,
    )) {
      mentioned(other);
    }
  };
  for (const name of roots) mentioned(name);
  const sorted = Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1)));
  const pruned = {
    openapi: document.openapi,
    info: document.info,
    paths: {},
    components: { schemas: sorted },
  };
  const text = astToString(await openapiTS(pruned, { exportType: true }));
  return `// Generated from contract/openapi.json by \`npm run types\`; do not edit.\n\n${text
    .split("\n")
    .filter((line) => !/^export (interface|type) (paths|webhooks|operations|\$defs)\b/.test(line))
    .join("\n")}`;
}

for (const [part, roots] of Object.entries(ROOTS)) {
  const name = `${part}/src/contract.ts`;
  const target = new URL(`../${name}`, import.meta.url);
  const file = await typesOf(roots);
  if (!process.argv.includes("--check")) {
    await writeFile(target, file);
  } else if ((await readFile(target, "utf8").catch(() => "")) !== file) {
    console.error(`${name} is out of date: run \`npm run types\` in web/`);
    process.exitCode = 1;
  }
}
