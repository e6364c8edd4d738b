/**
 * An MCP client of the official TypeScript SDK, for the tests of the Python package's guard.
 *
 *     node client.ts stdio COMMAND ARGUMENT...
 *     node client.ts http URL
 *
 * The token for HTTP stands in `MCP_TEST_TOKEN`. Each line of stdin is a request, `{"tool": name,
 * "arguments": {…}}` or `{}` for the list of tools; each line of stdout is its result, or
 * `{"failed": text}`.
 */
import { createInterface } from "node:readline";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";

function transport([kind = "", target = "", ...rest]: string[]): Transport {
  if (kind === "stdio") {
    const env = Object.fromEntries(
      Object.entries(process.env).filter((pair): pair is [string, string] => pair[1] !== undefined),
    );
    return new StdioClientTransport({ command: target, args: rest, env });
  }
  const { MCP_TEST_TOKEN: token } = process.env;
  const headers: Record<string, string> = token ? { Authorization: `Bearer ${token}` } : {};
  return new StreamableHTTPClientTransport(new URL(target), { requestInit: { headers } });
}

const client = new Client({ name: "agentadmit-tests", version: "1" });
await client.connect(transport(process.argv.slice(2)));
for await (const line of createInterface({ input: process.stdin })) {
  const { tool, arguments: given } = JSON.parse(line);
  const asked = tool ? client.callTool({ name: tool, arguments: given }) : client.listTools();
  const result = await asked.catch((error: unknown) => ({ failed: String(error) }));
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
await client.close();
